"""Outputs of tasks, which are any plain data, as words for people: in one line, or whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from constellation.redaction import redact

from .text import clean, date, duration, plural, size

# Fields that hold the text that was asked for; what stands beside them is about it.
TEXT_FIELDS = ("stdout", "content", "text")
LONG_LIST = 5
_FIRST_DATE_S, _LAST_DATE_S = 1e9, 1e10


def one_line(value: Any, limit: int = 100) -> str:
    """The gist of an output in at most ``limit`` characters, without what looks secret."""
    text = clean(" ".join(redact(_gist(value)).split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def full(value: Any) -> str:
    """The whole of an output, several lines if need be."""
    text = _text_of(value)
    lines = _lines(value) if text is None else text.splitlines()
    return "\n".join(clean(line) for line in lines)


def _text_of(value: Any) -> str | None:
    """The text in an output, if it is one."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        for field in TEXT_FIELDS:
            if isinstance(value.get(field), str):
                extra = value.get("stderr") or ""
                return "\n".join(part.rstrip("\n") for part in (value[field], extra) if part)
    return None


def say_answer(answer: Any) -> str:
    """The answer to a question in words."""
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return clean(str(answer))


def measured(field: tuple[Any, Any]) -> tuple[Any, Any]:
    """A field whose name tells the unit of its number, in words; others as they are.

    ``free_bytes: 4096`` becomes ``free: 4.0 KiB``, ``wait_s: 90`` becomes ``wait: 1 min 30 s``.
    Seconds that are so many that they count from 1970 are a date.
    """
    name, value = field
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return field
    plain, separator, unit = str(name).rpartition("_")
    if separator and unit == "bytes":
        return plain, size(value)
    if separator and unit == "s":
        dated = _FIRST_DATE_S <= value < _LAST_DATE_S
        return plain, date(value) if dated else duration(value)
    return field


def _gist(value: Any) -> str:
    text = _text_of(value)
    if text is not None:
        return text
    if isinstance(value, Mapping):
        told = ((key, _short(each)) for key, each in map(measured, value.items()))
        return ", ".join(f"{key}: {text}" for key, text in told if text)
    return _short(value)


def _short(value: Any) -> str:
    """A value beside others; empty if it says nothing."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, list):
        if len(value) <= LONG_LIST and not any(isinstance(each, list | Mapping) for each in value):
            return ", ".join(_short(each) for each in value)
        return plural(len(value), "item")
    if isinstance(value, Mapping):
        return plural(len(value), "field")
    return _scalar(value)


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, each in map(measured, value.items()):
            yield from _entry(f"{key}:", each)
    elif isinstance(value, list | tuple) and value:
        for each in value:
            yield from _entry("-", each)
    elif isinstance(value, str):
        yield from value.splitlines()
    else:
        yield _scalar(value)


def _entry(label: str, value: Any) -> Iterator[str]:
    """A value behind its label: beside it if it is one line, else indented below."""
    lines = list(_lines(value))
    if len(lines) <= 1 and (not value or not isinstance(value, list | tuple | Mapping)):
        yield " ".join([label, *lines])
    elif label == "-":
        yield f"- {lines[0]}"
        yield from (f"  {line}" for line in lines[1:])
    else:
        yield label
        yield from (f"  {line}" for line in lines)
