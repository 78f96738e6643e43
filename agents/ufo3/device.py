"""A UFO³ device client at the other end of a connection: commands to it, results from it."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any, Literal
from uuid import uuid4

import anyio
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from constellation.aip.cards import SkillCard
from constellation.errors import RemoteProtocolError

from ..errors import MAY_HAVE_RUN, ToolFailed, ToolServerLost
from .messages import (
    ClientMessage,
    Command,
    Result,
    ServerMessage,
    ToolInfo,
    read,
    read_tools,
    stamp,
)

LIST_S = 60.0
MAX_REASON = 4000
ToolType = Literal["data_collection", "action"]

log = logging.getLogger("constellation.agent")


class ToolDevice:
    """Calls the tools of one device client.

    Each call is a session of the device's own with one command, since after a failure a device
    skips the rest of a batch. A device does not answer a tool that it does not know, nor hears of
    a cancel: a call ends by the task's time, or by the device's end.

    Attributes:
        id: what it registered as.
        system_info: what it says of its machine.
    """

    def __init__(
        self, identifier: str, metadata: dict[str, Any], connection: ServerConnection
    ) -> None:
        self.id = identifier
        self.system_info: Any = metadata.get("system_info")
        self._connection = connection
        self._open: dict[str, asyncio.Future[ClientMessage]] = {}

    async def send(self, message: ServerMessage) -> None:
        """Send a message, with the time, and an id if it has none.

        Raises:
            ConnectionClosed: the device is gone.
        """
        more = {
            "timestamp": stamp(time.time()),
            "response_id": message.response_id or str(uuid4()),
        }
        await self._connection.send(message.model_copy(update=more).model_dump_json())

    def received(self, frame: str | bytes) -> ServerMessage | None:
        """Take a frame of the device in; what to answer, if anything is to be."""
        try:
            message = read(ClientMessage, frame)
        except RemoteProtocolError as error:
            return _refusal(error.message)
        if message.client_id != self.id:
            return _refusal("client_id does not match the registered connection")
        match message.type:
            case "heartbeat":
                return ServerMessage(type="heartbeat", status="ok")
            case "command_results":
                waiting = self._open.get(message.prev_response_id or "")
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
                return None
            case "error":
                log.warning("The UFO³ device %s says: %s", self.id, message.error)
                return None
            case "device_info_response":
                return None
        return _refusal(f"This server takes no {message.type} from a device")

    def lost(self) -> None:
        """The connection has ended: nothing that is open will be answered."""
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError())

    async def tools(self) -> list[ToolInfo]:
        """What the device can do; nothing if it does not say, which the log tells."""
        found: list[ToolInfo] = []
        kinds: tuple[ToolType, ...] = ("action", "data_collection")
        try:
            with anyio.fail_after(LIST_S):
                for kind in kinds:
                    result = await self._command("list_tools", {"tool_type": kind}, kind)
                    if result.status == "success":
                        found += read_tools(result.result)
        except (RemoteProtocolError, ConnectionClosed, ConnectionError, TimeoutError) as error:
            log.warning("The UFO³ device %s does not tell its tools: %s", self.id, error)
        return found

    async def call(self, skill: SkillCard, tool: ToolInfo, arguments: dict[str, Any]) -> Any:
        """See `agents.ufo3.tools.Call`."""
        try:
            result = await self._command(tool.tool_name, arguments, tool.tool_type)
        except (ConnectionClosed, ConnectionError):
            raise ToolServerLost(
                f"The UFO³ device {self.id!r} went away while {skill.name} ran.",
                remedy="Retry the task." if skill.idempotent else MAY_HAVE_RUN,
                skill=skill.name,
            ) from None
        except RemoteProtocolError as error:
            raise ToolFailed(error.message, remedy=error.remedy, skill=skill.name) from None
        if result.status != "success":
            reason = (result.error or "it does not say why")[:MAX_REASON]
            raise ToolFailed(
                f"{skill.name} ended as {result.status}: {reason}",
                remedy="Read what it says, and give it other arguments.",
                skill=skill.name,
            )
        return result.result

    async def _command(self, tool: str, arguments: dict[str, Any], tool_type: ToolType) -> Result:
        session, response, call = str(uuid4()), str(uuid4()), str(uuid4())
        waiting = self._open[response] = asyncio.get_running_loop().create_future()
        action = Command(tool_name=tool, parameters=arguments, tool_type=tool_type, call_id=call)
        try:
            await self.send(
                ServerMessage(
                    type="command",
                    status="continue",
                    session_id=session,
                    task_name=tool,
                    agent_name="constellation",
                    process_name="",
                    root_name="",
                    actions=(action,),
                    response_id=response,
                )
            )
            message: ClientMessage = await waiting
        finally:
            del self._open[response]
        results: list[Result] = list(message.action_results or ())
        if len(results) != 1 or results[0].call_id not in (call, None):
            raise RemoteProtocolError(
                f"The UFO³ device {self.id!r} answered one call with {len(results)} results.",
                remedy="Check that its client is of a version that is supported.",
            )
        failed = results[0].status != "success"
        end = ServerMessage(
            type="task_end", status="failed" if failed else "completed", session_id=session
        )
        # It has answered: that it is gone by now takes nothing from its result.
        with suppress(ConnectionClosed):
            await self.send(end)
        return results[0]


def _refusal(reason: str) -> ServerMessage:
    return ServerMessage(type="error", status="error", error=reason)
