"""What a batch of edits has changed so far, so that a refused one leaves no trace.

The cost is that of what the batch touches, whatever the size of the graph: of each node touched the
attributes are kept, not its mappings of dependencies. Those only grow in place, and are copied
before something is taken out, so that even their order comes back.
"""

from __future__ import annotations

from typing import Any

from .node import Node
from .order import Order
from .progress import Progress
from .task import Dependency


class Ledger:
    """The changes of one batch to the shape of a graph.

    Attributes:
        added, removed: nodes by id. Removed ones leave the graph in `keep`.
    """

    def __init__(self, progress: Progress, order: Order) -> None:
        self.added: dict[str, Node] = {}
        self.removed: dict[str, Node] = {}
        self._nodes = progress.nodes
        self._progress = progress
        self._order = order
        self._counts = dict(progress.counts)
        self._unready = len(progress.changes.unready)
        self._saved: dict[str, tuple[Node, tuple[Any, ...]]] = {}
        self._grown: list[tuple[dict[str, Dependency], str]] = []
        self._copies: dict[int, dict[str, Dependency]] = {}
        order.begin()

    def find(self, name: str) -> Node | None:
        """The node of that id, unless this batch has removed it."""
        node = self._nodes.get(name)
        return None if self.removed and self.removed.get(name) is node else node

    def save(self, node: Node) -> None:
        """Keep a node's attributes, before its first change."""
        if node.id not in self._saved and node.id not in self.added:
            self._saved[node.id] = (node, node.values())

    def add(self, node: Node) -> None:
        """Put a new node into the graph."""
        self._nodes[node.id] = self.added[node.id] = node
        self._progress.counts[node.state] += 1

    def remove(self, node: Node) -> None:
        """Take a node without dependencies out of the graph."""
        self._progress.counts[node.state] -= 1
        if self.added.pop(node.id, None) is None:
            self.removed[node.id] = node
        elif node.id in self.removed:
            self._nodes[node.id] = self.removed[node.id]
        else:
            del self._nodes[node.id]

    def connect(self, source: Node, target: Node, dependency: Dependency) -> None:
        """Put an edge between two saved nodes."""
        # The ids are those of the nodes: each came over the wire once more with each of its edges.
        edge = Dependency(source.id, target.id, dependency.condition, dependency.when)
        source.outgoing[target.id] = target.incoming[source.id] = edge
        if source.id not in self.added:
            self._grown.append((source.outgoing, target.id))
        if target.id not in self.added:
            self._grown.append((target.incoming, source.id))

    def disconnect(self, source: Node, target: Node) -> None:
        """Take the edge between two saved nodes out."""
        source.outgoing = self._without(source.outgoing, target.id)
        target.incoming = self._without(target.incoming, source.id)

    def keep(self) -> None:
        """The batch is accepted: what it removed leaves the graph."""
        for name, node in self.removed.items():
            if self._nodes[name] is node:
                del self._nodes[name]
        self._order.keep()

    def undo(self) -> None:
        """The batch is refused: everything is put back."""
        for mapping, name in reversed(self._grown):
            mapping.pop(name, None)
        for node, values in self._saved.values():
            node.put_back(values)
        for name in self.added:
            if name in self.removed:
                self._nodes[name] = self.removed[name]
            else:
                del self._nodes[name]
        self._progress.counts.update(self._counts)
        del self._progress.changes.unready[self._unready :]
        self._order.undo()

    def _without(self, mapping: dict[str, Dependency], name: str) -> dict[str, Dependency]:
        if id(mapping) not in self._copies:
            mapping = dict(mapping)
            self._copies[id(mapping)] = mapping
        del mapping[name]
        return mapping
