"""Devices behind a real UFO³ server: this side speaks as its constellation client."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from uuid import uuid4

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from constellation.errors import RemoteProtocolError

from ..context import Context
from ..errors import MAY_HAVE_RUN, ToolFailed, ToolServerLost
from ..foreign import skill_name
from ..skills import Skill, skill
from .messages import ClientMessage, ServerMessage, read, stamp

MAX_FRAME_BYTES = 100 * 1024 * 1024
ANSWER_S = 30.0
HEARTBEAT_S = 30.0
MAX_REASON = 4000
Kind = Literal["register", "heartbeat", "task", "device_info_request"]


def device_skills(
    url: str, device: str, *, heartbeat_s: float = HEARTBEAT_S
) -> list[Skill[..., Any]]:
    """What a device behind a server can do: any task in words, and tell of its machine.

    Args:
        url: the server's, with its token, such as ``ws://host:5000/ws?token=KEY``.
        device: its id there.
        heartbeat_s: so long the server may be silent before it is asked for a sign of life.
    """

    @skill(skill_name(device, "do"), effect="dangerous", idempotent=False)
    async def do(context: Context, request: str) -> Any:
        """Have the UFO³ agent of this device do what a request in plain words asks for.

        Args:
            request: what to do.
        """
        return await Session(url, device, heartbeat_s).run(request, context)

    @skill(skill_name(device, "info"), effect="read")
    async def info() -> Any:
        """Tell what a UFO³ device says of its machine: platform, memory, features."""
        return await Session(url, device, heartbeat_s).info()

    return [do, info]


class Session:
    """One task, or one question, on a connection of its own.

    Every session registers under another name, so tasks do not share an identity, errors (which
    name no task) belong to this one, and there is nothing to reconnect. Canceling it closes the
    connection; the protocol has no frame that stops a task.
    """

    def __init__(self, url: str, device: str, heartbeat_s: float) -> None:
        self._url = url
        self._device = device
        self._name = f"constellation-{uuid4().hex[:12]}"
        self._heartbeat_s = heartbeat_s
        self._began = False

    async def run(self, request: str, context: Context) -> Any:
        """Have the device do a task; its result as it gives it.

        Raises:
            ToolFailed: the server or the device refused it, or it failed.
            ToolServerLost: the server cannot be reached or went away, or the device did.
        """
        session = f"{self._name}@task"
        async with self._registered() as connection:
            task_name = f"galaxy/{self._name}/task"
            await self._say(
                connection, "task", session_id=session, task_name=task_name, request=request
            )
            while True:
                message = await self._hear(connection)
                if message.session_id != session:
                    continue
                if message.type == "task_end":
                    break
                self._began = True
                context.progress(None, f"{self._device} has begun")
        if message.status == "completed":
            return message.result
        reason = message.error or str(message.result or "it does not say why")
        raise ToolFailed(
            f"The UFO³ device {self._device!r} failed: {reason[:MAX_REASON]}",
            remedy=MAY_HAVE_RUN,
        )

    async def info(self) -> Any:
        """What the device said of its machine when it registered.

        Raises:
            ToolFailed, ToolServerLost: as `run`.
        """
        async with self._registered() as connection:
            await self._say(connection, "device_info_request", request_id=self._name)
            while True:
                message = await self._hear(connection)
                if message.type == "device_info_response" and message.response_id == self._name:
                    return message.result

    @asynccontextmanager
    async def _registered(self) -> AsyncIterator[ClientConnection]:
        try:
            async with connect(self._url, max_size=MAX_FRAME_BYTES) as connection:
                metadata = {
                    "type": "constellation_client",
                    "task_name": self._name,
                    "targeted_device_id": self._device,
                    "capabilities": ["task_distribution"],
                    "version": "2.0",
                }
                with anyio.fail_after(ANSWER_S):
                    await self._say(connection, "register", metadata=metadata)
                    await self._hear(connection)
                yield connection
        except InvalidStatus as error:
            status = error.response.status_code
            raise ToolFailed(
                f"The UFO³ server does not let this client in (HTTP {status}).",
                remedy="Check the token of its address.",
            ) from None
        except RemoteProtocolError as error:
            raise ToolFailed(error.message, remedy=error.remedy) from None
        except (OSError, WebSocketException) as error:
            reason = str(error) or type(error).__name__
            raise ToolServerLost(
                f"The UFO³ server of {self._device!r} is not there: {reason}.",
                remedy=MAY_HAVE_RUN if self._began else "Retry the task when it is.",
            ) from None

    async def _say(self, connection: ClientConnection, type: Kind, **fields: Any) -> None:
        message = ClientMessage(
            type=type,
            status="continue" if type == "task" else "ok",
            client_type="constellation",
            client_id=f"{self._name}@{self._device}",
            target_id=self._device,
            timestamp=stamp(time.time()),
            **fields,
        )
        await connection.send(message.model_dump_json())

    async def _hear(self, connection: ClientConnection) -> ServerMessage:
        """The next message of the server; heartbeats are sent while it is silent.

        Raises:
            ToolFailed: it says that something is wrong; all that is asked here is this session's.
        """
        while True:
            with anyio.move_on_after(self._heartbeat_s):
                message = read(ServerMessage, await connection.recv())
                break
            await self._say(connection, "heartbeat")
        if message.type != "error":
            return message
        raise ToolFailed(
            f"The UFO³ server refused the device {self._device!r}: "
            f"{(message.error or 'it does not say why')[:MAX_REASON]}",
            remedy=MAY_HAVE_RUN if self._began else "See that the device is connected there.",
        )
