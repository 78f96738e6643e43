"""YAML as a tree that remembers where each value stood.

The tree is built from PyYAML's event stream with a stack of its own, so that deep nesting cannot
exhaust Python's, and nothing is ever constructed but text, numbers, booleans, lists and mappings.
Scalars follow YAML 1.2's core schema: ``on``, ``yes`` and ``12:30`` are text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import yaml

from .findings import START, Findings, Mark

MAX_DEPTH = 24

Scalar = str | int | float | bool | None

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_CONSTANTS: Mapping[str, Scalar] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Entry(NamedTuple):
    """One entry of a mapping: where its key stands, and its value."""

    mark: Mark
    value: Node


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its place. ``value`` is a scalar, a tuple of nodes, or a mapping of entries."""

    mark: Mark
    value: Scalar | tuple[Node, ...] | Mapping[str, Entry]

    @property
    def items(self) -> tuple[Node, ...] | None:
        return self.value if isinstance(self.value, tuple) else None

    @property
    def entries(self) -> Mapping[str, Entry] | None:
        return self.value if isinstance(self.value, Mapping) else None

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        if isinstance(self.value, Mapping):
            return {key: entry.value.plain() for key, entry in self.value.items()}
        return self.value

    def scalars(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Every scalar below, with its dotted path."""
        if isinstance(self.value, tuple):
            for index, node in enumerate(self.value):
                yield from node.scalars(f"{path}[{index}]")
        elif isinstance(self.value, Mapping):
            for key, entry in self.value.items():
                yield from entry.value.scalars(f"{path}.{key}" if path else key)
        else:
            yield path, self


def resolve(text: str) -> Scalar:
    """What an unquoted scalar means: a constant, a number or text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


@dataclass(slots=True)
class _Frame:
    mark: Mark
    mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: str | None = None
    key_mark: Mark = START

    def node(self) -> Node:
        return Node(self.mark, self.entries if self.mapping else tuple(self.items))


class _Position(Protocol):
    """A place as PyYAML tells it, from 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class _Composer:
    """Builds the tree; ``stopped`` once nothing more can be read."""

    def __init__(self, findings: Findings, origin: Mark) -> None:
        self.findings = findings
        self.origin = origin
        self.stack: list[_Frame] = []
        self.root: Node | None = None
        self.documents = 0
        self.stopped = False

    def mark(self, mark: _Position | None) -> Mark:
        if mark is None:
            return self.origin
        return Mark(self.origin.line + mark.line, self.origin.column + mark.column)

    def stop(self, mark: Mark, code: str, message: str, remedy: str) -> None:
        self.findings.add(mark, code, message, remedy)
        self.stopped = True

    def take(self, event: yaml.Event) -> None:
        mark = self.mark(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.stop(mark, "yaml.documents", "A second document starts here.", "Keep one.")
        elif isinstance(event, yaml.AliasEvent):
            self.stop(mark, "yaml.alias", "Aliases are not read.", "Write the value out.")
        elif isinstance(event, yaml.ScalarEvent):
            self.check_tag(event.tag, mark)
            self.add_scalar(event, mark)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.check_tag(event.tag, mark)
            self.open(mark, isinstance(event, yaml.MappingStartEvent))
        elif isinstance(event, yaml.CollectionEndEvent):
            self.add(self.stack.pop().node())

    def check_tag(self, tag: str | None, mark: Mark) -> None:
        if tag not in (None, "!"):
            self.stop(mark, "yaml.tag", f"The tag {tag} is not read.", "Leave the tag out.")

    def open(self, mark: Mark, mapping: bool) -> None:
        frame = self.stack[-1] if self.stack else None
        if frame and frame.mapping and frame.key is None:
            self.stop(mark, "yaml.key", "A key must be text.", "Quote it.")
        elif len(self.stack) >= MAX_DEPTH:
            self.stop(
                mark,
                "yaml.depth",
                f"Values nest more than {MAX_DEPTH} deep here.",
                "Flatten the document.",
            )
        else:
            self.stack.append(_Frame(mark, mapping))

    def add_scalar(self, event: yaml.ScalarEvent, mark: Mark) -> None:
        frame = self.stack[-1] if self.stack else None
        if frame and frame.mapping and frame.key is None:
            frame.key, frame.key_mark = event.value, mark
            if event.value in frame.entries:
                self.findings.add(
                    mark,
                    "yaml.duplicate",
                    f"The key {event.value!r} stands here a second time.",
                    f"Keep one; the first is on line {frame.entries[event.value].mark.line}.",
                )
            return
        self.add(Node(mark, resolve(event.value) if event.implicit[0] else event.value))

    def add(self, node: Node) -> None:
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        if not frame.mapping:
            frame.items.append(node)
        elif frame.key is not None:
            frame.entries.setdefault(frame.key, Entry(frame.key_mark, node))
            frame.key = None


def compose(text: str, findings: Findings, origin: Mark = START) -> Node | None:
    """Read one YAML document.

    Args:
        text: the document.
        findings: gets what is wrong with it.
        origin: the place of the text's first character in its file.

    Returns:
        The root; None if the document is empty or could not be read to its end.
    """
    composer = _Composer(findings, origin)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            composer.take(event)
            if composer.stopped:
                return None
    except yaml.MarkedYAMLError as error:
        problem = error.problem or error.context or "it cannot be read"
        findings.add(
            composer.mark(error.problem_mark or error.context_mark),
            "yaml.syntax",
            f"This is not YAML: {problem}.",
            "Check indentation, colons and quotes around here.",
        )
        return None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line = before.count("\n")
        column = error.position - (before.rfind("\n") + 1)
        findings.add(
            Mark(composer.origin.line + line, composer.origin.column + column),
            "yaml.character",
            f"The character {error.character!r} cannot stand in YAML.",
            "Remove it.",
        )
        return None
    return composer.root
