"""A tool of an MCP server as a skill."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Protocol

from mcp.shared.dispatcher import ProgressFnT
from mcp_types import CallToolResult, Tool
from pydantic import ValidationError

from constellation.aip.cards import Effect, SkillCard

from ..context import Context
from ..foreign import Arguments, check_travels, skill_name, unusable
from ..policy import Intent
from .results import OUTPUT, read_result

MAX_DESCRIPTION = 2000


class Call(Protocol):
    """How a tool is called; raises `ToolFailed` or `ToolServerLost`."""

    async def __call__(
        self,
        skill: SkillCard,
        tool: str,
        arguments: dict[str, Any],
        progress: ProgressFnT,
        traceparent: str | None,
    ) -> CallToolResult: ...


class ToolSkill:
    """A skill that a server's tool does; the attributes are those of `agents.skills.AnySkill`.

    Args:
        card: what is published.
        tool: its name on the server.
        call: reaches the server.

    Raises:
        SkillError: its schema is none.
    """

    timeout_s: float | None = None

    def __init__(self, card: SkillCard, tool: str, call: Call) -> None:
        self.card = card
        self.intent: Callable[..., Intent] | None = partial(_intent, card.name)
        self._tool = tool
        self._call = call
        self._arguments = Arguments(card)

    @property
    def name(self) -> str:
        return self.card.name

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `agents.skills.AnySkill.bind`."""
        return self._arguments.bind(arguments)

    async def run(self, bound: Mapping[str, Any], context: Context) -> Any:
        """See `agents.skills.AnySkill.run`.

        Raises:
            ToolFailed: the tool failed.
            ToolServerLost: the server is gone.
        """

        async def report(progress: float, total: float | None, message: str | None) -> None:
            fraction = min(1.0, max(0.0, progress / total)) if total else None
            context.progress(fraction, message or "")

        arguments = dict(bound)
        result = await self._call(self.card, self._tool, arguments, report, context.traceparent)
        return await read_result(self.name, result, context)


def make_skill(server: str, tool: Tool, effects: Mapping[str, Effect], call: Call) -> ToolSkill:
    """The skill of a tool.

    Raises:
        SkillError: the tool cannot be one; says why.
    """
    name = skill_name(server, tool.name)
    hints = tool.annotations
    effect = effect_of(tool, effects)
    output = OUTPUT if tool.output_schema is None else tool.output_schema
    try:
        card = SkillCard(
            name=name,
            description=(tool.description or tool.title or "")[:MAX_DESCRIPTION],
            input=tool.input_schema,
            output=output,
            effect=effect,
            idempotent=effect == "read" or bool(hints and hints.idempotent_hint),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise unusable(name, f"{first['loc'][0]}: {first['msg']}") from None
    check_travels(card)
    return ToolSkill(card, tool.name, call)


def effect_of(tool: Tool, effects: Mapping[str, Effect]) -> Effect:
    """The side-effect class of a tool: the person's word, else the server's.

    A tool that says nothing is ``dangerous``, as the protocol has it: the default of its hint
    ``destructiveHint`` is true. Whoever knows better says so in the settings.
    """
    matching = [pattern for pattern in effects if fnmatchcase(tool.name, pattern)]
    if matching:
        return effects[max(matching, key=len)]
    hints = tool.annotations
    if hints is not None and hints.read_only_hint:
        return "read"
    return "write" if hints is not None and hints.destructive_hint is False else "dangerous"


def _intent(name: str, /, **arguments: Any) -> Intent:
    """What a person is asked to approve: not the server's own description, which may flatter."""
    said = json.dumps(arguments, ensure_ascii=False, indent=2, default=str)
    return Intent(f"Call the MCP tool {name} with {said}")
