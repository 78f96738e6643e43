"""What a person reads before a device does something: in a sentence, to the last argument but
secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from constellation.aip.cards import SkillCard
from constellation.redaction import HIDDEN, redact, secrets_in

from .policy import Intent


def shown(text: str) -> str:
    """Text as a person must see it before approving: nothing in it can act on a terminal."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def approval_prompt(
    card: SkillCard, arguments: Mapping[str, Any], intent: Intent | None, tainted: str = ""
) -> str:
    """Ask to allow a call.

    Args:
        card: of the skill.
        arguments: bound, as the skill takes them.
        intent: what the call would do, in the skill's own words; None if it has none: then its
            description says it, and every argument stands on a line of its own.
        tainted: what its planner had read before; empty if nothing.
    """
    hidden = [each for each in secrets_in(arguments, card.input) if isinstance(each, str)]
    doubt = f"\n(Planned after reading {tainted}, which may have asked for it.)" if tainted else ""
    if intent is not None:
        return shown(_without(hidden, intent.prompt) + doubt)
    does = card.description.split(". ")[0].rstrip(".") or "Do something that it does not explain"
    lines = [f"{name}: {_said(value)}" for name, value in arguments.items()]
    return shown(_without(hidden, "\n".join([f"{does} ({card.name})", *lines])) + doubt)


def _without(hidden: Iterable[str], text: str) -> str:
    """A question goes to the hub, its journal and whoever looks: no secret stands in it."""
    for each in sorted(filter(None, hidden), key=len, reverse=True):
        text = text.replace(each, HIDDEN)
    return redact(text)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value or "(empty)"
    return json.dumps(to_jsonable_python(value, fallback=str), ensure_ascii=False)
