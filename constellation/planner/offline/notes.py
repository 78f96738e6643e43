"""What the planner understood, in sentences for the person who asked."""

from __future__ import annotations

from collections.abc import Iterable

from .places import Place
from .steps import Gate


def listed(names: Iterable[str]) -> str:
    """``desk, server and laptop``."""
    *most, last = tuple(names) or ("nothing",)
    return f"{', '.join(most)} and {last}" if most else last


def place_note(place: Place) -> str:
    """Where something runs, as the end of a sentence."""
    if not place.choice:
        return f"on {listed(place.names)}"
    if not place.names:
        return "on whichever device is free"
    return f"on {', '.join(place.names[:-1])} or {place.names[-1]}"


def command_note(text: str, skill: str, place: Place, left_out: tuple[str, ...]) -> str:
    """Which skill a clause became, and where."""
    note = f"“{text}”: {skill} {place_note(place)}."
    if not place.stated:
        note = f"{note[:-1]}, as the request names no device."
    if left_out:
        note += f" Left out: {listed(left_out)}, for want of that skill."
    return note


def gate_note(text: str, gate: Gate) -> str:
    """On which condition a clause runs."""
    looked_at = listed(dict.fromkeys(f"“{step.text}”" for step in gate.steps))
    return f"“{text}” runs only if: {gate.condition.text} (after {looked_at})."
