"""What an assistant did, written down line by line, and replayed without a model.

A trajectory is JSON lines. Each is an event (``{"at", "event", …}``) or an instruction that the
machine gave for it (``{"at", "does", …}``), ``at`` being seconds since the begin. Of a chat only
its length and hash are kept: the events before it make it up. Because the machine is pure, feeding
it the same events must give the same instructions; `replay` checks that they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from constellation.errors import AgentError, InvalidTransition

from .events import AskModel, Call, Event, Instruction
from .machine import Machine

_EVENTS: dict[str, TypeAdapter[Event]] = {
    kind.__name__: TypeAdapter(kind) for kind in get_args(Event)
}


class TrajectoryError(AgentError):
    """A trajectory cannot be read, or the machine now does something else than it did."""

    code = "agent.trajectory"


def line_of(item: Event | Instruction, at: float) -> str:
    """One line of a trajectory, without its newline."""
    word = "event" if isinstance(item, get_args(Event)) else "does"
    return json.dumps({"at": at, word: type(item).__name__, **_fields(item)})


def _fields(item: Event | Instruction) -> dict[str, Any]:
    if isinstance(item, AskModel):
        digest = hashlib.sha256(json.dumps(item.chat, sort_keys=True).encode()).hexdigest()
        return {"messages": len(item.chat), "sha256": digest}
    fields: dict[str, Any] = to_jsonable_python(item, fallback=str)
    return fields


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a trajectory says.

    Attributes:
        calls: the calls of skills, in their order.
        outcome: the last line: `Finish` or `Fail` as plain data, or where it breaks off.
    """

    calls: tuple[Call, ...]
    outcome: dict[str, Any]


def replay(lines: Iterable[str]) -> Replayed:
    """Do it again without a model and without calling anything.

    Raises:
        TrajectoryError: names the line that cannot be read or that differs.
    """
    machine = Machine()
    expected: list[str] = []
    calls: list[Call] = []
    number, last = 0, ""
    for number, line in enumerate(lines, 1):
        last = line.strip()
        plain = _read(last, number)
        if "event" in plain:
            if expected:
                raise _differs(number, expected[0], last)
            given = _give(machine, plain, number)
            calls += [each for each in given if isinstance(each, Call)]
            expected = [line_of(each, plain["at"]) for each in given]
        else:
            wanted = expected.pop(0) if expected else "nothing"
            if wanted == "nothing" or json.loads(wanted) != plain:
                raise _differs(number, wanted, last)
    if not number:
        raise TrajectoryError("The trajectory is empty.", remedy="Name another file.")
    return Replayed(tuple(calls), json.loads(last))


def _read(line: str, number: int) -> dict[str, Any]:
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _unreadable(number, str(error)) from None
    if not isinstance(plain, dict) or not isinstance(plain.get("at"), int | float):
        raise _unreadable(number, "it is no event and no instruction")
    return plain


def _give(machine: Machine, plain: dict[str, Any], number: int) -> list[Instruction]:
    fields = {key: value for key, value in plain.items() if key not in ("at", "event")}
    try:
        event = _EVENTS[str(plain["event"])].validate_python(fields)
        return machine.handle(event, plain["at"])
    except (KeyError, ValidationError, InvalidTransition) as error:
        raise _unreadable(number, str(error)) from None


def _unreadable(number: int, reason: str) -> TrajectoryError:
    return TrajectoryError(
        f"Line {number} of the trajectory cannot be read: {reason}.",
        remedy="Name a file that an assistant wrote.",
        line=number,
    )


def _differs(number: int, now: str, then: str) -> TrajectoryError:
    return TrajectoryError(
        f"Line {number} of the trajectory differs: the machine now says {now[:300]}, "
        f"and said {then[:300]}.",
        remedy="It was written by another version, or changed since.",
        line=number,
    )
