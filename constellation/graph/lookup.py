"""What the references of a task refer to, in a constellation as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .node import Node
from .references import Reference
from .task import TaskState


class _Nothing:
    """The output of an optional task that failed: null, however deep one looks."""

    def __getitem__(self, key: str | int) -> _Nothing:
        return self


_NOTHING = _Nothing()

# Stands in arguments for what a task puts out while it runs; whoever runs it reads them.
ITEMS = "$items"


def look_up(nodes: Mapping[str, Node], node: Node, reference: Reference) -> Any:
    """The value that a reference of ``node`` stands for.

    Raises:
        LookupError: it leads nowhere; says which and why.
    """
    try:
        found = reference.follow(_base(nodes, node, reference))
    except LookupError as error:
        raise LookupError(f"${{{reference.text}}}: {error.args[0]}") from None
    return None if found is _NOTHING else found


def element_id(map_id: str, index: int) -> str:
    """The id of an element of a map task."""
    return f"{map_id}[{index}]"


def index_of(element: str) -> int:
    """The index of an element, from its id."""
    return int(element[element.rindex("[") + 1 : -1])


def _base(nodes: Mapping[str, Node], node: Node, reference: Reference) -> Any:
    if not reference.task:
        if node.member_of is None:
            raise LookupError("only the elements of a for_each task have it")
        return node.item if reference.field == "item" else index_of(node.id)
    source = nodes.get(reference.task)
    if source is None:
        raise LookupError(f"there is no task {reference.task!r}")
    if reference.field == "items":
        return _items(source)
    if not source.ended:
        raise LookupError(f"task {source.id} has not ended")
    failed = source.state is not TaskState.COMPLETED
    if reference.field == "output" and failed and source.task.optional:
        return _NOTHING
    return getattr(source, reference.field)


def _items(source: Node) -> Any:
    """What a task puts out while it runs; of one that put out nothing so, its output."""
    if source.flowing:
        return {ITEMS: source.id}
    if not source.ended:
        raise LookupError(f"task {source.id} has put out nothing yet")
    if source.state is not TaskState.COMPLETED and source.task.optional:
        return []
    if not isinstance(source.output, list | tuple):
        raise LookupError(f"task {source.id} put out no items, and its output is no list")
    return source.output
