"""Small formats: durations, times, and data from elsewhere made safe for a terminal."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Show control characters instead of obeying them.

    Output of tasks is data from other machines: it must not move the cursor, recolour a prompt or
    turn the direction of the text.
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def duration(seconds: float) -> str:
    """A duration as a person says it: ``40 ms``, ``2.5 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def clock(time: float) -> str:
    """Local time of day of a Unix time, to the millisecond."""
    return datetime.fromtimestamp(time).isoformat(sep=" ", timespec="milliseconds")[11:]


def date(time: float) -> str:
    """Local date and time of a Unix time, to the second."""
    return datetime.fromtimestamp(time).isoformat(sep=" ", timespec="seconds")


def one_line(value: Any, limit: int = 100) -> str:
    """The gist of a task's output in at most ``limit`` characters."""
    text = value if isinstance(value, str) else _gist(value)
    text = clean(" ".join(text.split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _gist(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(
            f"{key}: {_gist(each)}" for key, each in value.items() if each not in (None, "", [], {})
        )
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and len(value) > 3:
        return f"{len(value)} items"
    return json.dumps(value, ensure_ascii=False, default=str)


def full(value: Any) -> str:
    """The whole of a task's output, several lines if need be."""
    if isinstance(value, str):
        return clean(value.replace("\r\n", "\n").rstrip("\n"))
    return clean(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def plural(count: int, noun: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
