"""A workflow that tells Slack and e-mail how it ended, with flytekit 1.16 and nothing else.

    pyflyte run --remote examples/workflow.py train --rows 0     # fails, and is told of
    pyflyte run --remote examples/workflow.py train --rows 1000  # succeeds, silently
"""

from typing import Any

from flytekit import kwtypes, task, workflow
from flytekit.configuration import SerializationSettings
from flytekit.core.base_task import PythonTask, TaskMetadata
from flytekit.core.interface import Interface


class NotificationTask(PythonTask):
    """A task that flyte-notifier runs. Its spec goes into the task template's `custom`.

    Inputs of the task are known to templates and conditions, as `{{.Inputs.rows}}` and `inputs.rows`.
    Do not cache such a task: a cached one tells nobody.
    """

    def __init__(self, name: str, spec: dict[str, Any], inputs: dict[str, type] | None = None, task_type: str = "notification"):
        super().__init__(
            task_type=task_type,
            name=name,
            task_config=None,
            interface=Interface(inputs=inputs or {}),
            metadata=TaskMetadata(retries=3),  # an agent that is being restarted costs a retry
        )
        self._spec = spec

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        return self._spec

    def execute(self, **inputs: Any) -> None:
        print(f"{self.name}: a local run sends nothing")


alerts = NotificationTask(
    name="train-alerts",
    inputs=kwtypes(rows=int),
    spec={
        "rules": [
            {
                "name": "failed",
                "when": {"phase": ["FAILED", "TIMED_OUT", "ABORTED"]},
                "send": [
                    {"slack": {"channel": "#ml-alerts"}},
                    {"sendgrid": {"to": ["ml@example.org"], "subject": "{{.Workflow}} {{.Phase}}"}},
                ],
            },
            {
                "name": "slow",
                "when": {"phase": ["SUCCEEDED"]},
                "if": 'elapsed > duration("1h")',
                "send": [{"slack": {"channel": "#ml-alerts"}}],
                "message": {
                    "title": "{{.Workflow}} took {{.Elapsed}}",
                    "body": "{{.Inputs.rows}} rows, started {{.StartedAt}} by {{.User}}",
                },
            },
        ]
    },
)


@task
def fit(rows: int) -> float:
    if rows <= 0:
        raise ValueError(f"there are {rows} rows to learn from")
    return 1.0 / rows


@workflow
def train(rows: int = 1000) -> float:
    alerts(rows=rows)  # depends on nothing, so it starts at once, beside fit
    return fit(rows=rows)


if __name__ == "__main__":
    print(train(rows=10))
