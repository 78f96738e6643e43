"""References and conditions in the text of a runbook.

A reference is ``${inputs.name}``, ``${item}``, ``${index}``, or ``${step.output}`` (also ``state``,
``error``, ``device``), each with a path after it, or ``${step.items}``. Any other ``${…}`` is plain
text, so that a shell command keeps its ``${HOME}``; so is ``$${…}``, with one dollar sign less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

_FIELDS = r"(?:output|state|error|device)"
_PATH = r"(?:\.[\w-]+|\[[^\[\]{}]*\])*"
_NAME = r"[A-Za-z0-9_-]+"
_OF_STEP = rf"{_NAME}\.(?:{_FIELDS}\b{_PATH}|items(?=\s*\}}))"
_BODY = rf"inputs\.{_NAME}{_PATH}|item{_PATH}|index|{_OF_STEP}"
REFERENCE = re.compile(rf"\$\{{\s*({_BODY})\s*\}}")
_IN_TEXT = re.compile(rf"\$\$\{{|{REFERENCE.pattern}|\$\{{")
_MENTION = re.compile(rf"(?<![\w.\-])({_NAME})\.({_FIELDS})\b")
_INPUT = re.compile(rf"(?<![\w.\-])inputs\.({_NAME})({_PATH})")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


class Reference(NamedTuple):
    """One ``${…}``: its first name and the path after it, with its dot or bracket."""

    head: str
    path: str

    @property
    def takes_output(self) -> bool:
        """True if it needs the step's result, rather than how it ended."""
        return self.path.startswith(".output") or self.takes_items

    @property
    def takes_items(self) -> bool:
        """True if it is what the step puts out while it runs."""
        return self.path == ".items"


def references(text: str) -> Iterator[Reference]:
    """Every reference in a text, in order."""
    for match in _IN_TEXT.finditer(text):
        if match[1]:
            yield split_reference(match[1])


def all_references(value: Any) -> Iterator[Reference]:
    """Every reference in plain data."""
    for text in texts(value):
        yield from references(text)


def split_reference(body: str) -> Reference:
    end = re.search(r"[.\[]", body)
    return (
        Reference(body, "") if end is None else Reference(body[: end.start()], body[end.start() :])
    )


def texts(value: Any) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


def replace(value: Any, resolve: Callable[[str, bool], Any]) -> Any:
    """A copy of plain data with its references replaced.

    What is no reference is written so that it stays plain text: ``${HOME}`` as ``$${HOME}``.

    Args:
        value: plain data.
        resolve: gets a reference's body, and whether the reference is the whole text; returns what
            takes its place, which must be text unless it is the whole.
    """
    if isinstance(value, str):
        whole = REFERENCE.fullmatch(value)
        if whole:
            return resolve(whole[1], True)
        return _IN_TEXT.sub(
            lambda match: str(resolve(match[1], False)) if match[1] else "$${", value
        )
    if isinstance(value, dict):
        return {key: replace(item, resolve) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace(item, resolve) for item in value]
    return value


def mentioned(expression: str) -> list[str]:
    """The steps whose ``output``, ``state``, ``error`` or ``device`` a condition names."""
    bare = _QUOTED.sub(lambda match: " " * len(match[0]), expression)
    return list(dict.fromkeys(match[1] for match in _MENTION.finditer(bare)))


def without_step(expression: str, step: str) -> str:
    """A condition over ``step.output…`` as a predicate over ``output…``."""
    return _outside_quotes(
        expression,
        lambda text: _MENTION.sub(lambda match: match[2] if match[1] == step else match[0], text),
    )


def without_braces(expression: str) -> str:
    """``${disks.output.percent} > 80`` as ``disks.output.percent > 80``."""
    return _outside_quotes(expression, lambda text: REFERENCE.sub(r"\1", text))


def _outside_quotes(expression: str, change: Callable[[str], str]) -> str:
    pieces, position = [], 0
    for quoted in _QUOTED.finditer(expression):
        pieces += [change(expression[position : quoted.start()]), quoted[0]]
        position = quoted.end()
    return "".join([*pieces, change(expression[position:])])


def looks_at_result(expression: str) -> bool:
    """True if a condition speaks of ``output``, ``state`` and so on without naming a step."""
    bare = _QUOTED.sub(lambda match: " " * len(match[0]), expression)
    return re.search(rf"(?<![\w.\-])(?:{_FIELDS})\b", bare) is not None


def with_inputs(expression: str, write: Callable[[str, str], str]) -> str:
    """A condition with each ``inputs.…`` written by ``write``, which gets name and path."""
    return _outside_quotes(
        expression,
        lambda text: _INPUT.sub(lambda match: write(match[1], match[2]), text),
    )


def conjuncts(expression: str) -> list[str]:
    """The parts of a condition that ``and`` joins at its top level."""
    if len(_split(expression, "or")) > 1:
        return [expression.strip()]
    return [part.strip() for part in _split(expression, "and")]


def _split(expression: str, word: str) -> list[str]:
    bare = _QUOTED.sub(lambda match: "\0" * len(match[0]), expression)
    parts, depth, start = [], 0, 0
    for match in re.finditer(rf"[(\[]|[)\]]|\b{word}\b", bare):
        if match[0] in "([":
            depth += 1
        elif match[0] in ")]":
            depth -= 1
        elif depth == 0:
            parts.append(expression[start : match.start()])
            start = match.end()
    parts.append(expression[start:])
    return parts


def names_step(name: str, steps: Collection[str]) -> str | None:
    """The step that a name stands for: itself, or the step of which it is one device's task."""
    if name in steps:
        return name
    owners = [step for step in steps if name.startswith(f"{step}-")]
    return max(owners, key=len) if owners else None
