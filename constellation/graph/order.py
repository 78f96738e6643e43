"""An incremental topological order: is a new dependency free of cycles?

Each node carries an integer label, larger than the labels of its predecessors. A dependency that
agrees with the labels is accepted at once. One that does not starts two searches among the nodes
whose labels lie between its ends, forward from the target and backward from the source, edge by
edge in turn. Either they find a cycle, or one of them runs out; what that one visited is then moved
past the other end of the dependency. The cost is that of the smaller of the two searches.

This is the order of Pearce and Kelly, "A Dynamic Topological Sort Algorithm for Directed Acyclic
Graphs" (JEA 11, 2006), with the two-way search of Bender, Fineman, Gilbert and Tarjan, "A New
Approach to Incremental Cycle Detection and Related Problems" (TALG 12, 2015), over labels with
gaps, so that nothing else has to move. Labels of nodes that no path joins may be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError as GraphlibCycleError
from graphlib import TopologicalSorter
from operator import attrgetter

from constellation.errors import CycleError

from .node import Node
from .task import Dependency

GAP = 1 << 40
# New nodes between the same two get labels in a row, this fine a part of the gap apart.
STEP_BITS = 12
CYCLE_SHOWN = 8

Neighbours = Callable[[Node], Mapping[str, Dependency]]

_label: Callable[[Node], int] = attrgetter("label")
_incoming: Neighbours = attrgetter("incoming")
_outgoing: Neighbours = attrgetter("outgoing")


class Order:
    """The labels of a graph's nodes.

    Args:
        nodes: the live mapping of the graph; only labels are written.

    Attributes:
        top: no label is larger; new nodes go above it.
        visited: how many edges all searches so far looked at; for tests and benches.
    """

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self.top = 0
        self._last = (0, 0, 0)
        self._undo: list[tuple[Node, int]] | None = None
        self._top_before = 0
        self.visited = 0

    # ── positions ───────────────────────────────────────────────────────────────────────────────

    def place(self, node: Node, after: Node | None, before: Node | None) -> None:
        """Label a new node: between the two nodes if they are given and in order, else last."""
        if before is None or (after is not None and after.label >= before.label):
            self.top = node.label = self.top + GAP
            return
        if after is not None and before.label - after.label < 2:
            self._deal_anew()
        high = before.label
        low = high - GAP if after is None else after.label
        # Tasks put one after the other between the same two keep that order: no search follows.
        last_low, last_high, label = self._last
        label += max(1, (high - low) >> STEP_BITS)
        if (last_low, last_high) != (low, high) or label >= high:
            label = (low + high) // 2
        self._last = (low, high, label)
        self._set(node, label)

    def _set(self, node: Node, label: int) -> None:
        if self._undo is not None:
            self._undo.append((node, node.label))
        node.label = label
        self.top = max(self.top, label)

    def rebuild(self, top: int) -> None:
        """Take over the labels of a document, or find new ones if they contradict the edges.

        Raises:
            CycleError: the edges close a cycle.
        """
        nodes = self._nodes
        self.top = max(top, max((node.label for node in nodes.values()), default=0))
        for node in nodes.values():
            if any(nodes[name].label <= node.label for name in node.outgoing):
                self._sort()
                return

    def _sort(self) -> None:
        graph = {name: node.incoming for name, node in self._nodes.items()}
        try:
            names = list(TopologicalSorter(graph).static_order())
        except GraphlibCycleError as error:
            raise _cycle(error.args[1][1:]) from None
        self.top = 0
        for name in names:
            self._set(self._nodes[name], self.top + GAP)

    def _deal_anew(self) -> None:
        """The room between two labels is used up: give all nodes new labels, with gaps."""
        ordered = sorted(self._nodes.values(), key=_label)
        self._last = (0, 0, 0)
        self.top = 0
        for node in ordered:
            self._set(node, self.top + GAP)

    # ── edges ───────────────────────────────────────────────────────────────────────────────────

    def connect(self, source: Node, target: Node) -> None:
        """Make room for the edge ``source`` → ``target``, which the nodes hold already.

        Raises:
            CycleError: it would close a cycle; labels stay as they were.
        """
        if source.label < target.label:
            return
        if source is target:
            raise _cycle([source.id])
        below: dict[str, str] = {}
        above: dict[str, str] = {}
        forward = self._explore(target, source, below, _outgoing, upward=True)
        backward = self._explore(source, target, above, _incoming, upward=False)
        while True:
            self.visited += 1
            if not next(forward, False):
                self._raise(target, below, source)
                return
            if not next(backward, False):
                self._lower(source, above, target)
                return

    def _explore(
        self,
        start: Node,
        goal: Node,
        came_from: dict[str, str],
        neighbours: Neighbours,
        *,
        upward: bool,
    ) -> Iterator[bool]:
        """Visit what lies between two labels, yielding at each edge; fill ``came_from``.

        Raises:
            CycleError: ``goal`` was reached.
        """
        nodes, bound = self._nodes, goal.label
        stack = [start]
        while stack:
            node = stack.pop()
            for name in neighbours(node):
                yield True
                if name in came_from:
                    continue
                other = nodes[name]
                if other is goal:
                    came_from[name] = node.id
                    path = _trace(came_from, start.id, name)
                    raise _cycle(path if upward else path[::-1])
                if other.label <= bound if upward else other.label >= bound:
                    came_from[name] = node.id
                    stack.append(other)

    def _raise(self, target: Node, below: Mapping[str, str], source: Node) -> None:
        """Move the target, and what lies below it, above the source."""
        moved = self._moved(target, below)
        beyond = [
            self._nodes[name]
            for node in moved
            for name in node.outgoing
            if name not in below and name != target.id
        ]
        if beyond and min(map(_label, beyond)) - source.label <= len(moved):
            self._deal_anew()
        low = source.label
        high = min(map(_label, beyond), default=low + GAP * (len(moved) + 1))
        self._spread(moved, low, high)

    def _lower(self, source: Node, above: Mapping[str, str], target: Node) -> None:
        """Move the source, and what lies above it, below the target."""
        moved = self._moved(source, above)
        beyond = [
            self._nodes[name]
            for node in moved
            for name in node.incoming
            if name not in above and name != source.id
        ]
        if beyond and target.label - max(map(_label, beyond)) <= len(moved):
            self._deal_anew()
        high = target.label
        low = max(map(_label, beyond), default=high - GAP * (len(moved) + 1))
        self._spread(moved, low, high)

    def _moved(self, start: Node, visited: Mapping[str, str]) -> list[Node]:
        return sorted([start, *(self._nodes[name] for name in visited)], key=_label)

    def _spread(self, moved: list[Node], low: int, high: int) -> None:
        step = (high - low) // (len(moved) + 1)
        for place, node in enumerate(moved, 1):
            self._set(node, low + place * step)

    # ── undo ────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Remember label changes from here on, until `keep` or `undo`."""
        self._undo = []
        self._top_before = self.top
        self._last = (0, 0, 0)

    def keep(self) -> None:
        """Forget how things were at `begin`."""
        self._undo = None

    def undo(self) -> None:
        """Put all labels back to where they were at `begin`."""
        changes, self._undo = self._undo or [], None
        for node, label in reversed(changes):
            node.label = label
        self.top = self._top_before


def _trace(came_from: Mapping[str, str], start: str, last: str) -> list[str]:
    path = [last]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def _cycle(path: list[str]) -> CycleError:
    shown = [*path, path[0]] if len(path) <= CYCLE_SHOWN else [*path[:4], "…", *path[-3:]]
    return CycleError(
        f"This dependency would close a cycle: {' → '.join(shown)}.",
        remedy="Remove one of the dependencies along it first, or turn this one around.",
        path=path,
        rule="acyclic",
    )
