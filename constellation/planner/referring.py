"""Whether what a task refers to can be there, by the cards of the skills. Pure.

A reference that leads nowhere is otherwise found when its task is about to start, after others have
worked for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from constellation.aip.cards import SkillCard
from constellation.graph.references import Reference
from constellation.planner.offline.schemas import properties, resolved, types_of

_SHOWN = 12


class Source(NamedTuple):
    """What is known of a task that others refer to.

    Attributes:
        skill: its skill.
        has_elements: True if it runs once for each element of a list, and gives a list of results.
        is_late: True if it began when nobody read what it puts out, so that it puts out nothing.
    """

    skill: SkillCard
    has_elements: bool = False
    is_late: bool = False


def wrong(reference: Reference, source: Source, reader: SkillCard) -> str | None:
    """What speaks against a reference, as a clause; None if nothing is known against it.

    Args:
        reference: to a task.
        source: that task.
        reader: the skill of the task that refers to it.
    """
    if reference.field == "items":
        return _wrong_items(reference, source, reader)
    if reference.field != "output":
        return None
    schema = source.skill.output
    path = reference.path
    if source.has_elements:
        if not path:
            return None
        if isinstance(path[0], str):
            return (
                f"{reference.task} gives a list, one result for each element, without {path[0]!r}"
            )
        path = path[1:]
    missing = _missing(schema, path, schema)
    return None if missing is None else f"the output of {reference.task} has no {missing}"


def _wrong_items(reference: Reference, source: Source, reader: SkillCard) -> str | None:
    skill = source.skill
    instead = f"; refer to ${{{reference.task}.output}}"
    if skill.emits and source.is_late:
        return f"{reference.task} began when nobody read what it puts out{instead}"
    if skill.emits and not source.has_elements:
        return None if reader.reads else f"{reader.name} reads no items as they come{instead}"
    if source.has_elements or not types_of(skill.output) or "array" in types_of(skill.output):
        return None
    return f"{skill.name} puts out no items while it runs{instead}"


def _missing(
    schema: Mapping[str, Any], path: Sequence[str | int], root: Mapping[str, Any]
) -> str | None:
    """What of a path a value of this schema cannot have; None if it may have all of it."""
    if not path:
        return None
    schema = resolved(schema, root)
    if "allOf" in schema:
        return None
    branches = [
        each for each in schema.get("anyOf") or schema.get("oneOf") or () if isinstance(each, dict)
    ]
    if branches:
        found = [_missing(each, path, root) for each in branches]
        return None if None in found else found[0]
    part, rest = path[0], path[1:]
    kinds = types_of(schema)
    if isinstance(part, int):
        if kinds and "array" not in kinds:
            return f"element {part}"
        items = schema.get("items")
        return _missing(items, rest, root) if isinstance(items, dict) else None
    if kinds and "object" not in kinds:
        return repr(part)
    known = properties(schema)
    if part in known:
        return _missing(known[part], rest, root)
    others = schema.get("additionalProperties", not known)
    if isinstance(others, Mapping):
        return _missing(others, rest, root)
    if others:
        return None
    return f"{part!r}; it has {', '.join(list(known)[:_SHOWN]) or 'no fields'}"
