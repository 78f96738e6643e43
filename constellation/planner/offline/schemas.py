"""What JSON Schemas say of a skill's arguments and of its result."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from constellation.aip.cards import SkillCard

from .words import bag, concept, concepts

ParameterKind = Literal[
    "url",
    "path",
    "folder",
    "pattern",
    "command",
    "code",
    "hash",
    "text",
    "instruction",
    "number",
    "boolean",
    "choice",
    "list",
    "any",
]

_PATH_NAMES = bag("path file filename filepath directory dir folder")
_FOLDER_NAMES = bag("cwd workdir")
_PATTERN_NAMES = bag("pattern glob")
_PLACE_NAMES = bag("source destination target src dst location")
_COMMAND_NAMES = bag("command cmd argv commandline shell")
_CODE_NAMES = bag("code script program expression query")
_HASH_NAMES = bag("hash digest sha256 checksum artifact")
_CONTENT_NAMES = bag(
    """
    content contents body text markdown message data value input stdin summary note sections
    """
)
_TEXT_RESULTS = ("content", "contents", "text", "body", "stdout", "markdown", "summary", "message")
_INSTRUCTION = "instruction"
"""The ``format`` of a text that takes the words of the task itself, as a person said them."""

_DEPTH = 3

BYTES = {
    **{"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12},
    **{"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40},
}
"""Bytes in each unit of size."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument that a skill takes.

    Attributes:
        name: its name.
        kind: what sort of value fits it.
        required: True if the skill cannot do without.
        content: it takes free content, such as the result of other work.
        schema: its schema, references resolved.
        items: likewise of the elements of a list.
        words: the meanings of the words of its name.
    """

    name: str
    kind: ParameterKind
    required: bool
    content: bool
    schema: Mapping[str, Any]
    items: Mapping[str, Any]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a result: its dotted path, its JSON type, and the meanings of its words."""

    path: str
    type: str
    words: frozenset[str]


def parameters(skill: SkillCard) -> tuple[Parameter, ...]:
    """The arguments of a skill, the required ones first, else in the order of the schema."""
    required = skill.input.get("required")
    names = set(required) if isinstance(required, list) else set()
    found = [
        _parameter(name, resolved(schema, skill.input), name in names, skill.input)
        for name, schema in properties(skill.input).items()
    ]
    return tuple(sorted(found, key=lambda parameter: not parameter.required))


def own_words(skill: SkillCard) -> str | None:
    """The argument that takes the words of the task itself; None if the skill has none."""
    found = (each.name for each in parameters(skill) if each.kind == "instruction")
    return next(found, None)


def unknown_arguments(skill: SkillCard, given: Collection[str]) -> list[str]:
    """Those of some arguments that a skill does not take."""
    known = properties(skill.input)
    open_ended = skill.input.get("additionalProperties", False)
    return [] if open_ended else [name for name in given if name not in known]


def missing_arguments(skill: SkillCard, given: Collection[str]) -> list[Parameter]:
    """What a skill cannot do without, beside some arguments."""
    return [each for each in parameters(skill) if each.required and each.name not in given]


def one_of(skill: SkillCard) -> list[frozenset[str]]:
    """Groups of arguments of which one group must be given, from ``anyOf`` or ``oneOf``."""
    branches = skill.input.get("anyOf") or skill.input.get("oneOf") or ()
    return [
        frozenset(branch["required"])
        for branch in branches
        if isinstance(branch, Mapping) and isinstance(branch.get("required"), list)
    ]


def _parameter(
    name: str, schema: Mapping[str, Any], required: bool, root: Mapping[str, Any]
) -> Parameter:
    items = schema.get("items")
    kind = _kind(name.lower(), schema)
    return Parameter(
        name=name,
        kind=kind,
        required=required and "default" not in schema,
        content=kind in ("text", "any", "list") and name.lower() in _CONTENT_NAMES,
        schema=schema,
        items=resolved(items, root) if isinstance(items, Mapping) else {},
        words=tuple(concepts(name)) or (name.lower(),),
    )


def _kind(name: str, schema: Mapping[str, Any]) -> ParameterKind:
    if "enum" in schema:
        return "choice"
    kind = type_of(schema)
    if kind in ("integer", "number"):
        return "number"
    if kind == "boolean":
        return "boolean"
    if kind == "array":
        return "command" if name in _COMMAND_NAMES else "list"
    if kind not in ("string", ""):
        return "any"
    if schema.get("format") == _INSTRUCTION:
        return "instruction"
    words = {name, *name.split("_")}
    if schema.get("format") in ("uri", "url") or words & {"url", "uri", "link", "address"}:
        return "url"
    described = set(concepts(str(schema.get("description", ""))))
    if words & _PLACE_NAMES and described & _OF_FILES:
        return "path"
    for names, meant in _BY_NAME:
        if words & names:
            return meant
    return "any" if kind == "" else "text"


_OF_FILES = frozenset(map(concept, ("file", "path", "folder")))
_BY_NAME: tuple[tuple[frozenset[str], ParameterKind], ...] = (
    (_HASH_NAMES, "hash"),
    (_COMMAND_NAMES, "command"),
    (_CODE_NAMES, "code"),
    (_PATH_NAMES, "path"),
    (_FOLDER_NAMES, "folder"),
    (_PATTERN_NAMES, "pattern"),
)


def types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types that fit, null aside; empty if any does."""
    kind = schema.get("type")
    kinds = {kind} if isinstance(kind, str) else set(kind) if isinstance(kind, list) else set()
    for branch in schema.get("anyOf") or schema.get("oneOf") or ():
        if isinstance(branch, Mapping):
            kinds |= types_of(branch)
    return frozenset(str(kind) for kind in kinds) - {"null"}


def type_of(schema: Mapping[str, Any]) -> str:
    """The JSON type; text if that is one of several, empty if any fits."""
    kinds = types_of(schema)
    return "string" if "string" in kinds else min(kinds, default="")


def takes_data(schema: Mapping[str, Any]) -> bool:
    """True if a mapping fits."""
    return not types_of(schema) or "object" in types_of(schema)


def properties(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The schema of each property of an object."""
    found = schema.get("properties")
    if not isinstance(found, Mapping):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, Mapping)}


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a local reference such as ``#/$defs/Disk`` means."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = root
    for part in reference[2:].split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


# ── results ─────────────────────────────────────────────────────────────────────────────────────


def fields(schema: Mapping[str, Any]) -> list[Field]:
    """The fields of a result, the outer ones first; nothing below a list."""
    return sorted(_fields(schema, schema, "", 0), key=lambda field: field.path.count("."))


def _fields(
    schema: Mapping[str, Any], root: Mapping[str, Any], path: str, depth: int
) -> Iterator[Field]:
    for name, inner in properties(schema).items():
        found = resolved(inner, root)
        place = f"{path}.{name}" if path else name
        kind = type_of(found)
        if kind == "object" and depth < _DEPTH:
            yield from _fields(found, root, place, depth + 1)
        elif name.isidentifier():
            described = f"{place} {found.get('description', '')}"
            yield Field(place, kind, frozenset(concepts(described)))


def text_field(schema: Mapping[str, Any]) -> str | None:
    """The field that holds a result's main text; None if it has none, or is text itself."""
    known = {field.path: field for field in fields(schema)}
    return next((n for n in _TEXT_RESULTS if n in known and known[n].type in ("string", "")), None)


@lru_cache(maxsize=1)
def time_factors() -> dict[str, float]:
    """Seconds in each unit of time, by every form in which people write it."""
    units = {
        0.001: "ms millisecond milliseconds",
        1.0: "s sec secs second seconds",
        60.0: "m min mins minute minutes",
        3600.0: "h hr hrs hour hours",
        86400.0: "d day days",
    }
    return {form: factor for factor, forms in units.items() for form in forms.split()}
