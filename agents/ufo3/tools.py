"""A tool of a UFO³ device as a skill."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from pydantic import ValidationError

from constellation.aip.cards import Effect, SkillCard

from ..context import Context
from ..foreign import Arguments, check_travels, skill_name, unusable
from ..policy import Intent
from .messages import ToolInfo

MAX_DESCRIPTION = 2000


class Call(Protocol):
    """How a tool is called; raises `ToolFailed` or `ToolServerLost`."""

    async def __call__(
        self, skill: SkillCard, tool: ToolInfo, arguments: dict[str, Any]
    ) -> Any: ...


class DeviceTool:
    """A skill that a UFO³ device does; the attributes are those of `agents.skills.AnySkill`.

    Raises:
        SkillError: its schema is none.
    """

    timeout_s: float | None = None

    def __init__(self, card: SkillCard, tool: ToolInfo, call: Call) -> None:
        self.card = card
        self.intent: Callable[..., Intent] | None = partial(_intent, card.name)
        self._arguments = Arguments(card)
        self._tool = tool
        self._call = call

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
            ToolServerLost: the device is gone.
        """
        return await self._call(self.card, self._tool, dict(bound))


def make_skill(device: str, tool: ToolInfo, call: Call) -> DeviceTool:
    """The skill of a tool.

    Raises:
        SkillError: the tool cannot be one; says why.
    """
    name = skill_name(device, tool.tool_name)
    effect = effect_of(tool)
    hints = tool.annotations or {}
    try:
        card = SkillCard(
            name=name,
            description=(tool.description or "")[:MAX_DESCRIPTION],
            input=tool.input_schema,
            output=_output(tool),
            effect=effect,
            idempotent=effect == "read" or hints.get("idempotentHint") is True,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise unusable(name, f"{first['loc'][0]}: {first['msg']}") from None
    check_travels(card)
    return DeviceTool(card, tool, call)


def effect_of(tool: ToolInfo) -> Effect:
    """The side-effect class of a tool: what collects data reads, what says nothing is dangerous."""
    hints = tool.annotations or {}
    if tool.tool_type == "data_collection" or hints.get("readOnlyHint") is True:
        return "read"
    return "write" if hints.get("destructiveHint") is False else "dangerous"


def _output(tool: ToolInfo) -> dict[str, Any]:
    """The schema of what comes over the wire, where a wrapper around plain values is gone."""
    schema = tool.output_schema or {}
    if schema.get("x-fastmcp-wrap-result") is not True:
        return schema
    inner = schema.get("properties", {}).get("result", {})
    return inner if isinstance(inner, dict) else {}


def _intent(name: str, /, **arguments: Any) -> Intent:
    """What a person is asked to approve: not the device's own description, which may flatter."""
    said = json.dumps(arguments, ensure_ascii=False, indent=2, default=str)
    return Intent(f"Call the UFO³ tool {name} with {said}")
