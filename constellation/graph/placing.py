"""Where new tasks belong in the order: between what a batch says comes before and after them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

from .edits import AddDependency, AddTask, Edit
from .node import Node

Bounds = tuple[Node | None, Node | None]

_label: Callable[[Node], int] = attrgetter("label")


def bounds(nodes: Mapping[str, Node], edits: Sequence[Edit]) -> dict[str, Bounds]:
    """Between which nodes those new tasks belong that are put before something that exists.

    All other new tasks go last, where every dependency on an older task agrees with the order.
    """
    new = {edit.task.id for edit in edits if isinstance(edit, AddTask)} if nodes else set()
    if not new:
        return {}
    low: dict[str, Node] = {}
    high: dict[str, Node] = {}
    inner: list[tuple[str, str]] = []
    for edit in edits:
        if not isinstance(edit, AddDependency):
            continue
        source, target = edit.dependency.source, edit.dependency.target
        if source in new and target in new:
            inner.append((source, target))
        elif source in new and target in nodes:
            high[source] = min(high.get(source, nodes[target]), nodes[target], key=_label)
        elif target in new and source in nodes:
            low[target] = max(low.get(target, nodes[source]), nodes[source], key=_label)
    if not high:
        return {}
    high = _carried(high, ((target, source) for source, target in inner), falling=False)
    low = _carried(low, inner, falling=True)
    return {name: (low.get(name), before) for name, before in high.items()}


def _carried(
    given: Mapping[str, Node], arrows: Iterable[tuple[str, str]], *, falling: bool
) -> dict[str, Node]:
    """Carry bounds along arrows; where several arrive, the tightest holds, which comes first."""
    following: dict[str, list[str]] = {}
    for start, end in arrows:
        following.setdefault(start, []).append(end)
    found: dict[str, Node] = {}
    for first in sorted(given, key=lambda name: given[name].label, reverse=falling):
        stack = [first]
        while stack:
            name = stack.pop()
            if name not in found:
                found[name] = given[first]
                stack.extend(following.get(name, ()))
    return found
