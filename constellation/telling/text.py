"""Small formats: durations, times, and data from elsewhere made safe for a terminal."""

from __future__ import annotations

import re
from datetime import datetime

from constellation.llm.spending import money
from constellation.redaction import hide_sealed

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def clean(text: str) -> str:
    """Show control characters instead of obeying them.

    Output of tasks is data from other machines: it must not move the cursor, recolour a prompt or
    turn the direction of the text.
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", hide_sealed(text))


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


def size(count: float) -> str:
    """A number of bytes as a person says it: ``12 bytes``, ``4.0 MiB``; in steps of 1,024."""
    if count < 1024:
        return plural(round(count), "byte")
    bits = min(round(count).bit_length() - 1, 10 * len(_UNITS))
    return f"{count / (1 << bits // 10 * 10):.1f} {_UNITS[bits // 10 - 1]}"


def clock(time: float) -> str:
    """Local time of day of a Unix time, to the millisecond."""
    return datetime.fromtimestamp(time).isoformat(sep=" ", timespec="milliseconds")[11:]


def date(time: float) -> str:
    """Local date and time of a Unix time, to the second."""
    return datetime.fromtimestamp(time).isoformat(sep=" ", timespec="seconds")


def models(tokens: int, cost: float, bound: float | None = None) -> str:
    """What language models took, such as ``1,200 tokens, 0.05 of 0.50``; empty for nothing."""
    if not tokens:
        return ""
    most = "" if bound is None else f" of {money(bound)}"
    return f"{tokens:,} tokens{f', {money(cost)}{most}' if cost or most else ''}"


def plural(count: int, noun: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
