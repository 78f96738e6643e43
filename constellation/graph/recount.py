"""Readiness after edits: what they touched is counted afresh, in topological order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from .node import Node
from .progress import Ended, Progress
from .task import TaskState


def recount(progress: Progress, affected: Iterable[str], ended: Iterable[Node], now: float) -> bool:
    """Bring tasks in line with their dependencies, and what depends on them likewise.

    Each task is looked at once, after everything that it waits for.

    Args:
        affected: tasks whose dependencies changed; some may be gone.
        ended: tasks that the edits ended.

    Returns:
        Whether a map task was expanded.
    """
    nodes = progress.nodes
    names = dict.fromkeys(affected)
    for node in ended:
        names.update(dict.fromkeys(node.outgoing))
        if node.member_of is not None:
            for parent in progress.element_ended(node, now):
                names.update(dict.fromkeys(parent.outgoing))
    heap = [(nodes[name].label, name) for name in names if name in nodes]
    heapq.heapify(heap)
    expanded = False
    last = ""
    while heap:
        _, name = heapq.heappop(heap)
        if name == last:
            continue
        last = name
        node = nodes[name]
        waited = node.started_at is None
        for changed in _look_again(progress, node, now):
            for target in changed.outgoing:
                heapq.heappush(heap, (nodes[target].label, target))
        expanded = expanded or (waited and node.started_at is not None)
    return expanded


def _look_again(progress: Progress, node: Node, now: float) -> Ended:
    """Bring one task in line; return those whose dependents care."""
    if node.state is not TaskState.SUBMITTED and not node.skipped:
        return ()
    progress.count(node)
    revived = node.skipped and not node.hopeless
    if revived:
        progress.reopen(node)
    elif node.skipped or (node.ready and node.runnable):
        return ()
    progress.withdraw(node)
    node.ready_at = None
    ended = progress.review(node, now)
    return (node, *ended) if revived else ended
