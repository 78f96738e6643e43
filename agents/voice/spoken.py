"""Results as sentences that can be spoken: short, and without what only a screen can show. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .hands import Outcome

_LONGEST = 240
_MOST = 4
_UNITS = ((1e12, "tera"), (1e9, "giga"), (1e6, "mega"), (1e3, "kilo"))


def ending(outcome: Outcome) -> str:
    """How some work ended, in one or a few sentences."""
    match outcome.state:
        case "completed":
            return result(outcome.output)
        case "refused":
            return str(outcome.output)
        case "canceled":
            return "It was canceled."
        case "lost":
            return "I have lost sight of it."
    return f"It failed. {result(outcome.output)}"


def result(output: Any) -> str:
    """A result in one or a few sentences."""
    said = phrase(output)
    if not said:
        return "It is done."
    sentence = said[0].upper() + said[1:]
    return sentence if sentence[-1] in ".!?" else f"{sentence}."


def phrase(value: Any, name: str = "") -> str:
    """A value as a phrase; ``name`` says what it is, such as ``free_bytes``."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return _number(value, name)
        case str():
            return _text(value)
        case Mapping() if "content" in value:
            return phrase(value["content"])
        case Mapping():
            # Tables are for screens, if there is anything to say beside them.
            plain = {key: each for key, each in value.items() if not isinstance(each, list)}
            value = plain or value
            parts = [_entry(str(key), each) for key, each in value.items()]
            return _several([part for part in parts if part])
        case Sequence():
            return _several([phrase(each) for each in value])
    return _text(str(value))


def _entry(name: str, value: Any) -> str:
    said = phrase(value, name)
    if name == "percent":
        return said
    words = re.sub(r"_(s|bytes|percent)$", "", name).replace("_", " ")
    return f"{words}: {said}" if said else ""


def _number(value: float, name: str) -> str:
    if name.endswith("bytes"):
        for size, prefix in _UNITS:
            if value >= size:
                return f"{value / size:.0f} {prefix}bytes"
        return f"{value:g} bytes"
    if name.endswith("percent"):
        return f"{value:.0f} percent"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _text(value: str) -> str:
    lines = [line.strip() for line in value.splitlines() if line.strip()]
    if len(lines) > _MOST:
        return f"{len(lines)} lines, of which the first is: {_cut(lines[0])}"
    return _cut(". ".join(lines))


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return text[:_LONGEST].rsplit(" ", 1)[0] + ", and so on"


def _several(parts: list[str]) -> str:
    if len(parts) > _MOST:
        return f"{', '.join(parts[:_MOST])}, and {len(parts) - _MOST} more"
    return ", ".join(parts)


def listed(names: Sequence[str]) -> str:
    """Names as a sentence."""
    return f"{joined(names, 'and')}." if names else "There are none."


def joined(names: Sequence[str], by: str) -> str:
    """One or more names, the last one with a word before it."""
    *others, last = names
    return f"{', '.join(others)} {by} {last}" if others else last
