"""What foreign tools must pass to become skills, whatever ecosystem they come from (jsonschema)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from jsonschema import ValidationError as ArgumentError
from referencing import Registry as Schemas
from referencing.exceptions import Unresolvable

from constellation.aip.cards import SkillCard
from constellation.aip.codec import MSGPACK, flaw
from constellation.errors import LocalProtocolError, SkillError

# 512 of them fit into the body of a message.
MAX_BYTES = 15_000
MAX_DEPTH = 24
MAX_PROBLEMS = 10


class Arguments:
    """Checks the arguments of a foreign tool by its schema.

    Raises:
        SkillError: the schema is none.
    """

    def __init__(self, card: SkillCard) -> None:
        self._card = card
        try:
            Draft202012Validator.check_schema(card.input)
        except SchemaError as error:
            raise unusable(card.name, f"its input schema is wrong: {error.message}") from None
        # With a registry of its own, a schema cannot have others fetched from the network.
        self._validator = Draft202012Validator(card.input, registry=Schemas())

    def bind(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `agents.skills.AnySkill.bind`."""
        name = self._card.name
        given = dict(arguments)
        try:
            found = sorted(self._validator.iter_errors(given), key=_depth)[:MAX_PROBLEMS]
        except Unresolvable as error:
            raise unusable(name, f"its input schema refers elsewhere: {error}") from None
        if found:
            problems = [{"field": _field(each), "problem": each.message[:500]} for each in found]
            raise SkillError(
                f"{name} cannot take these arguments: {problems[0]['problem']}.",
                remedy=f"Its arguments are {', '.join(self._card.input.get('properties', ()))}.",
                skill=name,
                field=problems[0]["field"],
                problems=problems,
            )
        return given


def skill_name(source: str, tool: str) -> str:
    """The name of a tool's skill; characters that such a name cannot have become ``_``."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"{source}.{tool}")


def check_travels(card: SkillCard) -> None:
    """Refuse a card that the hub could not take: one tool must not cost the device its card.

    Raises:
        SkillError: it is too deep or too large, or holds what cannot be sent.
    """
    plain = card.model_dump(mode="json")
    problem = flaw(plain, MAX_DEPTH)
    if problem is not None:
        raise unusable(card.name, problem)
    try:
        size = len(MSGPACK.encode("card", 0, plain))
    except LocalProtocolError as error:
        raise unusable(card.name, error.message.rstrip(".")) from None
    if size > MAX_BYTES:
        raise unusable(card.name, f"it takes {size:,} bytes, the most is {MAX_BYTES:,}")


def unusable(skill: str, reason: str) -> SkillError:
    """A tool that cannot be a skill."""
    return SkillError(
        f"The tool {skill} cannot be a skill: {reason}.",
        remedy="See its server's manual, or use another one.",
        skill=skill,
    )


def _depth(error: ArgumentError) -> tuple[int, str]:
    return len(error.absolute_path), error.message


def _field(error: ArgumentError) -> str:
    return ".".join(map(str, error.absolute_path)) or "arguments"
