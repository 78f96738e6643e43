"""Upward ranks: how long the path below each task is expected to take.

The rank of a task is its own expected seconds plus the largest rank among its dependents, as in
Topcuoglu, Hariri and Wu, "Performance-Effective and Low-Complexity Task Scheduling for
Heterogeneous Computing" (TPDS 13, 2002).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping

from .node import Node
from .task import Task

# How many ancestors of what was edited are looked at: ranks steer priority only, so a bound on how
# far a change is carried does no harm.
CARRIED = 4


def update_ranks(
    nodes: Mapping[str, Node], names: Iterable[str], weights: Callable[[Task], float] | None
) -> None:
    """Compute the ranks of some tasks afresh, and carry changes to nearby ancestors.

    Args:
        names: tasks that are new, or gained or lost a dependent; each is computed.
        weights: expected seconds of a task; one second each if None.
    """
    own = _one_second if weights is None else weights
    heap = [(-nodes[name].label, name) for name in names if name in nodes]
    queued = {name for _, name in heap}
    heapq.heapify(heap)
    budget = len(heap) + CARRIED
    while heap and budget:
        budget -= 1
        _, name = heapq.heappop(heap)
        queued.remove(name)
        node = nodes[name]
        before = node.rank
        below = [nodes[target].rank for target in node.outgoing]
        node.rank = own(node.task) + (max(below) if below else 0.0)
        if node.rank == before:
            continue
        higher = max(before, node.rank)
        for source_id in node.incoming:
            source = nodes[source_id]
            # Where another path is longer than this one was and is, nothing changes.
            if source_id not in queued and own(source.task) + higher >= source.rank:
                queued.add(source_id)
                heapq.heappush(heap, (-source.label, source_id))


def _one_second(task: Task) -> float:
    return 1.0
