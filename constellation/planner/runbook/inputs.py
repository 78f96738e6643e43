"""The inputs of a runbook: their types, and the values that a person gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from constellation.errors import PlanError

from .fields import did_you_mean
from .model import Input, InputType, Runbook

INPUT_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list, tuple),
    "object": (dict,),
}


def kind_of(value: Any) -> InputType:
    """The type that a default stands for; text if there is none."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, list):
        return "list"
    return "object" if isinstance(value, dict) else "string"


def mismatch(declared: Input, value: Any) -> str:
    """Why a value does not fit an input, to be read after its name; empty if it does."""
    fits = isinstance(value, INPUT_TYPES[declared.type])
    if isinstance(value, bool) and declared.type != "boolean":
        fits = False
    if not fits:
        return f"is not of type {declared.type}: {value!r}"
    if declared.choices and value not in declared.choices:
        return f"is none of {', '.join(map(repr, declared.choices))}: {value!r}"
    return ""


def coerce(declared: Input, value: Any) -> Any:
    """Text from a command line, as the type that the input takes; anything else as it is.

    ``8080`` becomes a number for an integer, ``[1, 2]`` is read as JSON for a list.
    """
    if not isinstance(value, str) or declared.type == "string":
        return value
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return value if mismatch(declared, read) else read


def bind(runbook: Runbook, given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every input.

    Raises:
        PlanError: every missing, unknown or unfit input, in ``details["problems"]``.
    """
    problems = [
        (f"There is no input {name!r}.", did_you_mean(name, runbook.inputs))
        for name in given
        if name not in runbook.inputs
    ]
    values: dict[str, Any] = {}
    for name, declared in runbook.inputs.items():
        if name not in given:
            values[name] = declared.default
            if declared.required and declared.default is None:
                hint = f" ({declared.description})" if declared.description else ""
                remedy = f"Give it a value{hint}, as in --input {name}=VALUE."
                problems.append((f"Input {name!r} is missing.", remedy))
            continue
        values[name] = coerce(declared, given[name])
        if wrong := mismatch(declared, values[name]):
            problems.append((f"Input {name!r} {wrong}.", f"Give a {declared.type}."))
    if problems:
        raise PlanError(
            " ".join(message for message, _ in problems),
            remedy=problems[0][1],
            source=runbook.source,
            problems=[{"message": message, "remedy": remedy} for message, remedy in problems],
        )
    return values
