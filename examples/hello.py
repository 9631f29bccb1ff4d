"""For a Flyte sandbox with flyte-notifier and no credentials: messages go to its pod's log.

    pyflyte run --remote examples/hello.py hello --name world
    kubectl -n flyte logs deploy/flyte-notifier
"""

from flytekit import kwtypes, task, workflow

from workflow import NotificationTask

tell = NotificationTask(
    name="hello-tell",
    inputs=kwtypes(name=str),
    spec={
        "rules": [
            {
                "when": {"phase": ["SUCCEEDED", "FAILED", "ABORTED"]},
                "send": [{"stdout": {}}],
                "message": {"title": "hello {{.Inputs.name}}: {{.Phase}} after {{.Elapsed}}"},
            }
        ]
    },
)


@task
def greet(name: str) -> str:
    if not name:
        raise ValueError("there is nobody to greet")
    return f"hello {name}"


@workflow
def hello(name: str = "world") -> str:
    tell(name=name)
    return greet(name=name)
