"""What a field of a message may hold, and how that is checked at little cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field may hold.

    Attributes:
        name: for error messages.
        type: every value of exactly this type is of this kind; None if none is for its type alone.
        check: True if a value is of this kind.
        schema: the same as JSON Schema.
    """

    name: str
    type: type | None
    check: Callable[[Any], bool]
    schema: Mapping[str, Any]


def _plain(name: str, type_: type, schema: Mapping[str, Any]) -> Kind:
    """All values of one type."""
    return Kind(name, type_, lambda value: type(value) is type_, schema)


def _one_of(name: str, *values: str) -> Kind:
    return Kind(name, None, lambda value: value in values, {"enum": list(values)})


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _is_names(value: Any) -> bool:
    return type(value) is list and all(type(each) is str for each in value)


def _is_error(value: Any) -> bool:
    return type(value) is dict and type(value.get("code")) is str


def _is_question(value: Any) -> bool:
    return (
        type(value) is dict
        and type(value.get("id")) is str
        and value.get("kind") in ("approval", "text", "choice")
        and type(value.get("prompt")) is str
        and _is_names(value.get("options") or [])
    )


TEXT = _plain("text", str, {"type": "string"})
BOOLEAN = _plain("true or false", bool, {"type": "boolean"})
MAP = _plain("an object", dict, {"type": "object"})
BYTES = _plain("bytes", bytes, {"type": "string", "contentEncoding": "base64"})
INTEGER = Kind(
    "an integer of 0 or more",
    None,
    lambda value: type(value) is int and value >= 0,
    {"type": "integer", "minimum": 0},
)
NUMBER = Kind("a number", int, _is_number, {"type": "number"})
NAMES = Kind("a list of texts", None, _is_names, {"type": "array", "items": {"type": "string"}})
DATA = Kind("anything", None, lambda value: True, {})
ERROR = Kind(
    "an error",
    None,
    _is_error,
    {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}},
)
STATE = _one_of("completed, failed or canceled", "completed", "failed", "canceled")
QOS = _one_of("reliable, latest or deadline", "reliable", "latest", "deadline")
QUESTION = Kind(
    "a question",
    None,
    _is_question,
    {
        "type": "object",
        "required": ["id", "kind", "prompt"],
        "properties": {
            "id": {"type": "string"},
            "kind": {"enum": ["approval", "text", "choice"]},
            "prompt": {"type": "string"},
            "options": {"anyOf": [NAMES.schema, {"type": "null"}]},
        },
    },
)
