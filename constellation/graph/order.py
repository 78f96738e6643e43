"""An incremental topological order: is a new dependency free of cycles?

Each node carries an integer label, larger than the labels of its predecessors. A dependency that
agrees with the labels is accepted at once. One that does not starts a search of the nodes whose
labels lie between its ends, forward from the target and backward from the source; either a cycle
is found or the labels of what was visited are dealt out anew. This is the algorithm of Pearce and
Kelly, "A Dynamic Topological Sort Algorithm for Directed Acyclic Graphs" (JEA 11, 2006), with gaps
between the labels, so that a node can be put between two others without moving anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from constellation.errors import CycleError

from .node import Node

GAP = 1 << 40
# Between two nodes there is room for so many in a row, at first; probing is bounded.
SPREAD_BITS = 12
MAX_PROBES = 64


class Order:
    """The labels of a graph's nodes.

    Args:
        nodes: the live mapping of the graph; only labels are written.

    Attributes:
        visited: how many nodes all searches so far looked at; for tests and benches.
    """

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._used = {node.label for node in nodes.values()}
        self._top = max(self._used, default=0)
        self._undo: list[tuple[Node, int]] | None = None
        self._last = (0, 0, 0)
        self._before = (self._top, self._last)
        self.visited = 0

    # ── positions ───────────────────────────────────────────────────────────────────────────────

    def place(self, node: Node, after: Node | None, before: Node | None) -> None:
        """Label a new node: between the two nodes if they are given and in order, else last."""
        if before is None or (after is not None and after.label >= before.label):
            self._set(node, self._top + GAP)
            return
        label = self._between(after, before)
        if label is None:
            self._relabel(node)
            label = self._between(after, before)
        self._set(node, self._top + GAP if label is None else label)

    def drop(self, node: Node) -> None:
        """Forget the label of a node that leaves the graph."""
        self._used.discard(node.label)

    def _between(self, after: Node | None, before: Node) -> int | None:
        high = before.label
        low = high - GAP if after is None else after.label
        step = max(1, (high - low) >> SPREAD_BITS)
        # Tasks put one after the other between the same two keep that order: no search follows.
        last_low, last_high, label = self._last
        label = label + step if (last_low, last_high) == (low, high) else (low + high) // 2
        for _ in range(MAX_PROBES):
            if low < label < high and label not in self._used:
                self._last = (low, high, label)
                return label
            label += step
        return None

    def _relabel(self, newcomer: Node) -> None:
        """The room between two labels is used up: deal all labels out anew, with gaps."""
        ordered = sorted(self._nodes.values(), key=_label)
        self._used.clear()
        self._top = 0
        self._last = (0, 0, 0)
        for node in ordered:
            if node is not newcomer and node.member_of is None:
                self._set(node, self._top + GAP, forget_old=False)

    def _set(self, node: Node, label: int, *, forget_old: bool = True) -> None:
        if self._undo is not None:
            self._undo.append((node, node.label))
        if forget_old:
            self._used.discard(node.label)
        node.label = label
        self._used.add(label)
        self._top = max(self._top, label)

    # ── edges ───────────────────────────────────────────────────────────────────────────────────

    def connect(self, source: Node, target: Node) -> None:
        """Make room for the edge ``source`` → ``target``, which the nodes hold already.

        Raises:
            CycleError: it would close a cycle; labels stay as they were.
        """
        if source.label < target.label:
            return
        if source is target:
            raise _cycle([source])
        forward = self._reach_forward(target, source)
        backward = self._reach_backward(source, target.label)
        self.visited += len(forward) + len(backward)
        moved = sorted(backward, key=_label) + sorted(forward, key=_label)
        labels = sorted(node.label for node in moved)
        for node, label in zip(moved, labels, strict=True):
            if self._undo is not None:
                self._undo.append((node, node.label))
            node.label = label

    def _reach_forward(self, start: Node, goal: Node) -> list[Node]:
        nodes, bound = self._nodes, goal.label
        came_from: dict[str, str | None] = {start.id: None}
        stack = [start]
        found = []
        while stack:
            node = stack.pop()
            found.append(node)
            for name in node.outgoing:
                if name in came_from:
                    continue
                follower = nodes[name]
                if follower is goal:
                    came_from[name] = node.id
                    raise _cycle(self._path(came_from, name))
                if follower.label < bound:
                    came_from[name] = node.id
                    stack.append(follower)
        return found

    def _reach_backward(self, start: Node, bound: int) -> list[Node]:
        nodes = self._nodes
        seen = {start.id}
        stack = [start]
        found = []
        while stack:
            node = stack.pop()
            found.append(node)
            for name in node.incoming:
                if name not in seen and nodes[name].label > bound:
                    seen.add(name)
                    stack.append(nodes[name])
        return found

    def _path(self, came_from: Mapping[str, str | None], last: str) -> list[Node]:
        path = []
        name: str | None = last
        while name is not None:
            path.append(self._nodes[name])
            name = came_from[name]
        return path[::-1]

    # ── undo ────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Remember label changes from here on, until `keep` or `undo`."""
        self._undo = []
        self._before = (self._top, self._last)

    def keep(self) -> None:
        """Forget how things were at `begin`."""
        self._undo = None

    def undo(self, added: Iterable[Node]) -> None:
        """Put all labels back to where they were at `begin`; ``added`` nodes are gone."""
        changes, self._undo = self._undo or [], None
        for node, _ in changes:
            self._used.discard(node.label)
        for node, label in reversed(changes):
            node.label = label
        gone = {id(node) for node in added}
        self._used.update(node.label for node, _ in changes if id(node) not in gone)
        self._top, self._last = self._before


def _label(node: Node) -> int:
    return node.label


def _cycle(path: list[Node]) -> CycleError:
    names = [node.id for node in path]
    shown = " → ".join([*names, names[0]] if len(names) <= 8 else [*names[:4], "…", *names[-3:]])
    return CycleError(
        f"This dependency would close a cycle: {shown}.",
        remedy="Remove one of the dependencies along it first, or turn this one around.",
        path=names,
        rule="acyclic",
    )
