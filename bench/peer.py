"""The peer: flytekit's own connector server with a connector that keeps its tasks in memory."""

import asyncio
import sys
import uuid
from dataclasses import dataclass

from flyteidl.core.execution_pb2 import TaskExecution
from flytekit.clis.sdk_in_container.serve import _start_grpc_server
from flytekit.extend.backend.base_connector import AsyncConnectorBase, ConnectorRegistry, Resource, ResourceMeta


@dataclass
class Job(ResourceMeta):
    id: str


class InMemoryConnector(AsyncConnectorBase):
    """Does the least that a connector can: it remembers that a task was created."""

    name = "In-memory connector"

    def __init__(self) -> None:
        super().__init__(task_type_name="notification", metadata_type=Job)
        self.jobs: dict[str, int] = {}

    async def create(self, task_template, output_prefix="", inputs=None, **kwargs) -> Job:
        job = Job(id=uuid.uuid4().hex)
        self.jobs[job.id] = TaskExecution.RUNNING
        return job

    async def get(self, resource_meta: Job, **kwargs) -> Resource:
        return Resource(phase=self.jobs.get(resource_meta.id, TaskExecution.FAILED), message="in memory")

    async def delete(self, resource_meta: Job, **kwargs) -> None:
        self.jobs.pop(resource_meta.id, None)


ConnectorRegistry.register(InMemoryConnector())
asyncio.run(_start_grpc_server("Connector", int(sys.argv[1]), int(sys.argv[2]), 10, None))
