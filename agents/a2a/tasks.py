"""One task of an A2A agent: sent, followed to its end, answered when it asks, canceled."""

from __future__ import annotations

from mimetypes import guess_extension
from typing import Any

import anyio
from a2a.client import Client
from a2a.helpers import get_data_parts, get_message_text, get_text_parts, new_text_message
from a2a.types import (
    CancelTaskRequest,
    Part,
    Role,
    SendMessageRequest,
    StreamResponse,
    TaskState,
    TaskStatus,
)
from a2a.utils.errors import A2AError

from constellation.errors import TaskCanceled

from ..context import Context
from ..errors import MAY_HAVE_RUN, ToolFailed, ToolServerLost

CANCEL_S = 5.0
MAX_REASON = 4000
OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "All text that the agent returned."},
        "data": {"type": "array", "description": "All structured data that it returned."},
        "items": {
            "type": "array",
            "description": "Files that it returned: artifacts of the fabric, and links.",
            "items": {"type": "object"},
        },
    },
    "required": ["text", "data", "items"],
}
"""The result of a task, whatever the agent returns."""

NAMES = {
    TaskState.TASK_STATE_FAILED: "failed",
    TaskState.TASK_STATE_REJECTED: "rejected",
    TaskState.TASK_STATE_AUTH_REQUIRED: "asks for another credential",
}


class RemoteTask:
    """A task of an agent, and what is known of it.

    Args:
        client: reaches the agent.
        agent: its name, for messages.
    """

    def __init__(self, client: Client, agent: str) -> None:
        self._client = client
        self._agent = agent
        self._id = ""
        self._conversation = ""
        self._status = TaskStatus()
        self._parts: dict[str, list[Part]] = {}
        self._said: list[Part] = []

    async def run(self, request: str, context: Context) -> dict[str, Any]:
        """Have it done; the result is as `OUTPUT` says.

        Canceling it cancels the agent's task.

        Raises:
            ToolFailed: the agent failed, or refused it.
            ToolServerLost: the agent went away before it said how it ended.
            TaskCanceled: the agent canceled it.
        """
        try:
            await self._converse(request, context)
        except A2AError as error:
            raise ToolFailed(
                f"The A2A agent {self._agent!r} refused or broke off: {error}"[:MAX_REASON],
                remedy=MAY_HAVE_RUN,
            ) from error
        except anyio.get_cancelled_exc_class():
            await self._cancel()
            raise
        state = self._status.state
        reason = get_message_text(self._status.message)[:MAX_REASON] or "it does not say why"
        if state == TaskState.TASK_STATE_CANCELED:
            raise TaskCanceled(f"The A2A agent {self._agent!r} canceled the task: {reason}")
        if state in NAMES:
            raise ToolFailed(
                f"The A2A agent {self._agent!r} {NAMES[state]}: {reason}",
                remedy="Read what it says, and ask for something else.",
            )
        if state != TaskState.TASK_STATE_COMPLETED:
            raise ToolServerLost(
                f"The A2A agent {self._agent!r} stopped telling of the task before its end.",
                remedy=MAY_HAVE_RUN,
            )
        return await self._result(context)

    async def _converse(self, request: str, context: Context) -> None:
        said = request
        while True:
            self._status = TaskStatus()
            message = new_text_message(
                said,
                task_id=self._id or None,
                context_id=self._conversation or None,
                role=Role.ROLE_USER,
            )
            async for event in self._client.send_message(SendMessageRequest(message=message)):
                self._take(event, context)
            if self._status.state != TaskState.TASK_STATE_INPUT_REQUIRED:
                return
            question = get_message_text(self._status.message) or "It asks for more."
            said = await context.ask(f"The A2A agent {self._agent} asks: {question}")

    def _take(self, event: StreamResponse, context: Context) -> None:
        if event.HasField("message"):
            # An agent may answer at once, without a task.
            self._said = list(event.message.parts)
            self._status = TaskStatus(state=TaskState.TASK_STATE_COMPLETED)
        elif event.HasField("task"):
            self._id, self._conversation = event.task.id, event.task.context_id
            self._status = event.task.status
            for artifact in event.task.artifacts:
                self._parts[artifact.artifact_id] = list(artifact.parts)
        elif event.HasField("status_update"):
            update = event.status_update
            self._id, self._conversation = update.task_id, update.context_id
            self._status = update.status
            if update.status.state == TaskState.TASK_STATE_WORKING:
                context.progress(None, get_message_text(update.status.message)[:MAX_REASON])
        elif event.HasField("artifact_update"):
            artifact = event.artifact_update.artifact
            known = self._parts.setdefault(artifact.artifact_id, [])
            if not event.artifact_update.append:
                known.clear()
            known.extend(artifact.parts)
            for text in get_text_parts(artifact.parts):
                context.output(text, artifact.name or "artifact")

    async def _cancel(self) -> None:
        if not self._id:
            return
        with anyio.move_on_after(CANCEL_S, shield=True):
            try:
                await self._client.cancel_task(CancelTaskRequest(id=self._id))
            except A2AError:
                # It has ended meanwhile, or is not there: either way it is not waited for.
                return

    async def _result(self, context: Context) -> dict[str, Any]:
        parts = [part for each in self._parts.values() for part in each] or self._said
        if not parts:
            parts = list(self._status.message.parts)
        items = [item for part in parts if (item := await _item(part, context))]
        return {
            "text": "".join(get_text_parts(parts)),
            "data": get_data_parts(parts),
            "items": items,
        }


async def _item(part: Part, context: Context) -> dict[str, Any] | None:
    if part.HasField("url"):
        return {"type": "link", "mime_type": part.media_type, "uri": part.url}
    if not part.HasField("raw"):
        return None
    name = part.filename or f"file{guess_extension(part.media_type) or ''}"
    digest, size = await context.put_bytes(part.raw, name)
    return {
        "type": "file",
        "name": name,
        "mime_type": part.media_type,
        "artifact": digest,
        "size_bytes": size,
    }
