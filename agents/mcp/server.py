"""The life of an MCP server under the agent's care: started, listened to, started again."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio
from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import (
    CONNECTION_CLOSED,
    CallToolResult,
    Implementation,
    RequestParamsMeta,
    Tool,
    ToolListChangedNotification,
)

from constellation.aip.backoff import Backoff
from constellation.aip.cards import SkillCard
from constellation.aip.endpoint import Guard
from constellation.config import McpServerSettings
from constellation.errors import SkillError

from ..errors import MAY_HAVE_RUN, ToolFailed, ToolServerLost
from ..skills import Registry
from .tools import ToolSkill, make_skill
from .transports import reach

# A server that says nothing is asked so often whether it is there.
CHECK_S = 30.0
# How long it may take to start, or to say what its tools are.
ANSWER_S = 60.0
MAX_PAGES = 100
# More skills do not fit on a card.
MAX_SKILLS = 512

log = logging.getLogger("constellation.agent")


class ToolServer:
    """One server, and its tools in the device's registry while it runs.

    Listing the tools serves twice: it tells what there is, and that the server is still there. So
    it is done at the start, when the server says that its tools changed, when its stream ends,
    when a call ends strangely, and from time to time.

    Args:
        name: the first part of its skills' names.
        settings: how to reach it.
        registry: where its tools are put, and from where they are taken.
        changed: called after the registry changed.
        backoff, sleep: how long to wait before it is started again.
    """

    def __init__(
        self,
        name: str,
        settings: McpServerSettings,
        registry: Registry,
        changed: Callable[[], None],
        *,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._name = name
        self._settings = settings
        self._registry = registry
        self._changed = changed
        self._backoff = backoff or Backoff(random.random, first_s=1.0, most_s=60.0)
        self._sleep = sleep
        self._client: Client | None = None
        self._look = anyio.Event()
        self._tools: list[Tool] = []
        self._published: list[str] = []

    async def run(self) -> None:
        """Keep it running until canceled; it is stopped then, with all that it started."""
        while True:
            try:
                with Guard(self._fell):
                    await self._serve()
            finally:
                self._client = None
                self._publish([])
            await self._sleep(self._backoff.next_s())

    async def _serve(self) -> None:
        with anyio.fail_after(ANSWER_S) as starting:
            async with Client(
                reach(self._settings, self._stir),
                message_handler=self._heard,
                client_info=Implementation(name="constellation", version="1"),
                cache=None,
            ) as client:
                self._client = client
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._listen, client)
                    await self._look_again(client)
                    starting.deadline = float("inf")
                    while True:
                        with anyio.move_on_after(CHECK_S) as quiet:
                            await self._look.wait()
                        self._look = anyio.Event()
                        with anyio.fail_after(ANSWER_S):
                            await self._look_again(client)
                        if quiet.cancelled_caught:
                            # It lives: should it die later, it is no server that dies at once.
                            self._backoff.reset()

    def _fell(self, error: Exception) -> None:
        reason: BaseException = error
        while isinstance(reason, BaseExceptionGroup):
            reason = reason.exceptions[0]
        log.warning(
            "The MCP server %s is not there (%s); it is started again.",
            self._name,
            str(reason) or type(reason).__name__,
        )

    # ── its tools ───────────────────────────────────────────────────────────────────────────────

    def _stir(self) -> None:
        self._look.set()

    async def _heard(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._stir()

    async def _listen(self, client: Client) -> None:
        """Newer servers tell what changed only those who listen."""
        try:
            async with client.listen(tools_list_changed=True) as subscription:
                async for _ in subscription:
                    self._stir()
        except (ListenNotSupportedError, MCPError):
            return
        except SubscriptionLost:
            self._stir()

    async def _look_again(self, client: Client) -> None:
        found: list[Tool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        self._publish(found)

    def _publish(self, tools: list[Tool]) -> None:
        if tools == self._tools:
            return
        for name in self._published:
            self._registry.remove(name)
        self._tools, self._published = tools, []
        for tool in tools:
            try:
                skill = make_skill(self._name, tool, self._settings.effects, self._call)
                self._add(skill)
            except SkillError as error:
                log.warning("%s", error)
        self._changed()

    def _add(self, skill: ToolSkill) -> None:
        if len(self._registry) == MAX_SKILLS:
            raise SkillError(
                f"{skill.name} is left out: a device has at most {MAX_SKILLS} skills.",
                remedy="Give the device fewer servers.",
                skill=skill.name,
            )
        self._registry.add(skill)
        self._published.append(skill.name)

    # ── calls ───────────────────────────────────────────────────────────────────────────────────

    async def _call(
        self,
        skill: SkillCard,
        tool: str,
        arguments: dict[str, Any],
        progress: ProgressFnT,
        traceparent: str | None,
    ) -> CallToolResult:
        """See `agents.mcp.tools.Call`. Canceling it cancels the call on the server."""
        if self._client is None:
            raise ToolServerLost(
                f"The MCP server {self._name!r} is down, so {skill.name} was not called.",
                remedy="It is started again: retry the task.",
                skill=skill.name,
            )
        # Open to any key, as type checkers cannot be told yet.
        meta = {} if traceparent is None else {"traceparent": traceparent}
        try:
            return await self._client.call_tool(
                tool, arguments, progress_callback=progress, meta=cast(RequestParamsMeta, meta)
            )
        except MCPError as error:
            self._stir()
            if error.code == CONNECTION_CLOSED:
                raise self._lost(skill) from error
            raise ToolFailed(
                f"The MCP server {self._name!r} refused {skill.name}: {error}",
                remedy="Give it other arguments, or see its log.",
                skill=skill.name,
            ) from error
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise self._lost(skill) from error

    def _lost(self, skill: SkillCard) -> ToolServerLost:
        remedy = "Retry the task." if skill.idempotent else MAY_HAVE_RUN
        return ToolServerLost(
            f"The MCP server {self._name!r} went away while {skill.name} ran; it is started again.",
            remedy=remedy,
            skill=skill.name,
        )
