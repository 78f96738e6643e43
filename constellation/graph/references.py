"""References from a task's arguments to what other tasks produced.

``${build.output.files[0].path}`` names a task, then ``output``, ``error``, ``state`` or ``device``,
then a path into it. ``${build.items}``, alone in a text, is what it puts out while it runs. A text
that is one reference takes the value as it is; references inside a longer text are put into it,
plain data as JSON. ``$${`` stands for a literal ``${``. Elements of a map task also have
``${item}``, ``${item.field}`` and ``${index}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from constellation.errors import GraphError

FIELDS = ("output", "error", "state", "device", "items")
MAX_DEPTH = 64

Lookup = Callable[["Reference"], Any]

_PATTERN = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
_PART = re.compile(r"\.([^.\[\]]+)|\[(-?\d{1,9})\]|\[\"([^\"]*)\"\]")
_TASK = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*?(?=\.(?:(?:output|error|state|device)\b|items$))")
# No task is named "item", so that an element's own fields may have any name.
_LOCAL = re.compile(r"item(?![^.\[])|index$")


class ReferenceSyntaxError(GraphError):
    """A reference cannot be read."""

    code = "graph.reference"


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference.

    Attributes:
        text: as written, without ``${`` and ``}``.
        task: the task it names; empty for ``item`` and ``index``.
        field: ``output``, ``error``, ``state``, ``device``, ``items``; or ``item``, ``index``.
        path: keys and indices into the field's value.
    """

    text: str
    task: str
    field: str
    path: tuple[str | int, ...] = ()

    def follow(self, value: Any) -> Any:
        """Go down the path.

        Raises:
            LookupError: something on the way is not there; says what.
        """
        for part in self.path:
            try:
                value = value[part] if not isinstance(value, str) else _no_field(part)
            except (KeyError, IndexError, TypeError):
                raise LookupError(f"{part!r} is not in {_kind(value)}") from None
        return value


def parse_reference(text: str) -> Reference:
    """Read what stands between ``${`` and ``}``.

    Raises:
        ReferenceSyntaxError: it is no reference.
    """
    stripped = text.strip()
    local = _LOCAL.match(stripped)
    task = None if local is not None else _TASK.match(stripped)
    if local is not None:
        name, field, tail = "", local[0], stripped[local.end() :]
    elif task is not None:
        name, rest = task[0], stripped[task.end() + 1 :]
        field = next(each for each in FIELDS if rest.startswith(each))
        tail = rest[len(field) :]
    else:
        raise _unreadable(stripped)
    path: list[str | int] = []
    position = 0
    while position < len(tail):
        part = _PART.match(tail, position)
        if part is None:
            raise _unreadable(stripped)
        key, index, quoted = part.groups()
        path.append(int(index) if index is not None else quoted if key is None else key)
        position = part.end()
    return Reference(stripped, name, field, tuple(path))


def references(value: Any) -> Iterator[Reference]:
    """Yield every reference in plain data, in order.

    Raises:
        ReferenceSyntaxError: one cannot be read.
        GraphError: the data nest too deeply.
    """
    stack = [(value, 0)]
    while stack:
        found, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise GraphError(f"Arguments nest more than {MAX_DEPTH} levels deep.")
        if isinstance(found, str):
            if "${" in found:
                for match in _PATTERN.finditer(found):
                    if match[1] is not None:
                        reference = parse_reference(match[1])
                        if reference.field == "items" and match[0] != found:
                            raise _inside_text(reference)
                        yield reference
        elif isinstance(found, Mapping):
            stack.extend((each, depth + 1) for each in reversed(list(found.values())))
        elif isinstance(found, list | tuple):
            stack.extend((each, depth + 1) for each in reversed(found))


def resolve(value: Any, lookup: Lookup) -> Any:
    """The data with every reference replaced by what ``lookup`` returns for it.

    Raises:
        LookupError: from ``lookup``.
    """
    if isinstance(value, str):
        return _resolve_text(value, lookup) if "${" in value else value
    if isinstance(value, Mapping):
        return {key: resolve(each, lookup) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(each, lookup) for each in value]
    return value


def _resolve_text(text: str, lookup: Lookup) -> Any:
    whole = _PATTERN.fullmatch(text)
    if whole is not None and whole[1] is not None:
        return lookup(parse_reference(whole[1]))

    def fill(match: re.Match[str]) -> str:
        if match[1] is None:
            return "${"
        reference = parse_reference(match[1])
        found = lookup(reference)
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)

    return _PATTERN.sub(fill, text)


def rename(value: Any, names: Mapping[str, str]) -> Any:
    """The data with its references naming tasks by other ids; those not in ``names`` keep theirs.

    Raises:
        ReferenceSyntaxError: a reference cannot be read.
    """
    if isinstance(value, str):
        return _PATTERN.sub(partial(_rename, names), value) if "${" in value else value
    if isinstance(value, Mapping):
        return {key: rename(each, names) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rename(each, names) for each in value]
    return value


def _rename(names: Mapping[str, str], match: re.Match[str]) -> str:
    reference = None if match[1] is None else parse_reference(match[1])
    if reference is None or reference.task not in names:
        return match[0]
    return f"${{{names[reference.task]}{reference.text[len(reference.task) :]}}}"


def _no_field(part: str | int) -> Any:
    raise KeyError(part)


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"an object with {', '.join(map(str, list(value)[:8])) or 'no fields'}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def _inside_text(reference: Reference) -> ReferenceSyntaxError:
    return ReferenceSyntaxError(
        f"${{{reference.text}}} stands inside a text, and items come one by one.",
        remedy=f"Let it be the whole argument, or refer to ${{{reference.task}.output}}.",
        reference=reference.text,
    )


def _unreadable(text: str) -> ReferenceSyntaxError:
    return ReferenceSyntaxError(
        f"${{{text}}} is no reference.",
        remedy="Write ${task.output.path}, with a task's id and one of output, error, state, "
        "device; ${task.items}; or ${item} and ${index} in a for_each task.",
        reference=text,
    )
