"""A tool of an MCP server as a skill."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Protocol

from jsonschema import Draft202012Validator, SchemaError
from jsonschema import ValidationError as ArgumentError
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import CallToolResult, Tool
from pydantic import ValidationError
from referencing import Registry as Schemas
from referencing.exceptions import Unresolvable

from constellation.aip.cards import Effect, SkillCard
from constellation.aip.codec import MSGPACK, flaw
from constellation.errors import LocalProtocolError, SkillError

from ..context import Context
from ..policy import Intent
from .results import OUTPUT, read_result

MAX_DESCRIPTION = 2000
# 512 of them fit into the body of a message.
MAX_BYTES = 15_000
MAX_DEPTH = 24
MAX_PROBLEMS = 10


class Call(Protocol):
    """How a tool is called; raises `ToolFailed` or `ToolServerLost`."""

    async def __call__(
        self, skill: SkillCard, tool: str, arguments: dict[str, Any], progress: ProgressFnT
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
        try:
            Draft202012Validator.check_schema(card.input)
        except SchemaError as error:
            raise _unusable(card.name, f"its input schema is wrong: {error.message}") from None
        self.card = card
        self.intent: Callable[..., Intent] | None = partial(_intent, card.name)
        self._tool = tool
        self._call = call
        # With a registry of its own, a schema cannot have others fetched from the network.
        self._validator = Draft202012Validator(card.input, registry=Schemas())

    @property
    def name(self) -> str:
        return self.card.name

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `agents.skills.AnySkill.bind`."""
        given = dict(arguments)
        try:
            found = sorted(self._validator.iter_errors(given), key=_depth)[:MAX_PROBLEMS]
        except Unresolvable as error:
            raise _unusable(self.name, f"its input schema refers elsewhere: {error}") from None
        if found:
            problems = [{"field": _field(each), "problem": each.message[:500]} for each in found]
            raise SkillError(
                f"{self.name} cannot take these arguments: {problems[0]['problem']}.",
                remedy=f"Its arguments are {', '.join(self.card.input.get('properties', ()))}.",
                skill=self.name,
                field=problems[0]["field"],
                problems=problems,
            )
        return given

    async def run(self, bound: Mapping[str, Any], context: Context) -> Any:
        """See `agents.skills.AnySkill.run`.

        Raises:
            ToolFailed: the tool failed.
            ToolServerLost: the server is gone.
        """

        async def report(progress: float, total: float | None, message: str | None) -> None:
            fraction = min(1.0, max(0.0, progress / total)) if total else None
            context.progress(fraction, message or "")

        result = await self._call(self.card, self._tool, dict(bound), report)
        return await read_result(self.name, result, context)


def make_skill(server: str, tool: Tool, effects: Mapping[str, Effect], call: Call) -> ToolSkill:
    """The skill of a tool.

    Raises:
        SkillError: the tool cannot be one; says why.
    """
    name = f"{server}.{re.sub(r'[^A-Za-z0-9_.-]', '_', tool.name)}"
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
        raise _unusable(name, f"{first['loc'][0]}: {first['msg']}") from None
    _check_travels(card)
    return ToolSkill(card, tool.name, call)


def _check_travels(card: SkillCard) -> None:
    """Refuse a card that the hub could not take: one tool must not cost the device its card."""
    plain = card.model_dump(mode="json")
    problem = flaw(plain, MAX_DEPTH)
    if problem is not None:
        raise _unusable(card.name, problem)
    try:
        size = len(MSGPACK.encode("card", 0, plain))
    except LocalProtocolError as error:
        raise _unusable(card.name, error.message.rstrip(".")) from None
    if size > MAX_BYTES:
        raise _unusable(card.name, f"it takes {size:,} bytes, the most is {MAX_BYTES:,}")


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


def _depth(error: ArgumentError) -> tuple[int, str]:
    return len(error.absolute_path), error.message


def _field(error: ArgumentError) -> str:
    return ".".join(map(str, error.absolute_path)) or "arguments"


def _unusable(skill: str, reason: str) -> SkillError:
    return SkillError(
        f"The tool {skill} cannot be a skill: {reason}.",
        remedy="See its server's manual, or use another one.",
        skill=skill,
    )
