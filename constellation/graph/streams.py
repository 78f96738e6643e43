"""Dependencies of the kind ``stream``: the first item that a task puts out meets them.

A task that has put out an item is *flowing*. Its stream dependencies then count as met, until its
end decides them for good, or its next attempt begins with nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .node import Node
from .states import COMPLETED, SUBMITTED
from .task import Dependency

if TYPE_CHECKING:
    from .progress import Ended, Progress


def reads_stream(nodes: Mapping[str, Node], node: Node) -> bool:
    """Whether a task reads what others put out, or put out, while they run."""
    return any(
        dependency.condition == "stream" and nodes[source].flowing
        for source, dependency in node.incoming.items()
    )


def is_met(source: Node, dependency: Dependency) -> bool:
    """Whether an item that a flowing task put out meets a dependency, its end being undecided."""
    undecided = not source.ended or (source.state is COMPLETED and not source.settled)
    return undecided and dependency.condition == "stream"


def begin(progress: Progress, node: Node, now: float) -> Ended:
    """The first item of a task: those that read it may run; return what ended thereby."""
    node.flowing = True
    return _recount_readers(progress, node, now)


def dry(progress: Progress, node: Node, now: float) -> Ended:
    """Nothing more comes from a task's attempt, and whether another follows is not decided."""
    node.flowing = False
    return _recount_readers(progress, node, now)


def requeue(progress: Progress, node: Node, now: float) -> list[Node]:
    """A task waits for its next attempt; return what ended thereby."""
    # What it reads may have begun anew: then it waits for the first item again.
    ended = list(progress.review(node, now) if node.reads else progress.release(node, now))
    if node.flowing:
        ended += dry(progress, node, now)
    return ended


def end(
    progress: Progress, source: Node, target: Node, dependency: Dependency, now: float
) -> Ended:
    """Decide for good a dependency that counted as met while its source ran."""
    if progress.verdict(source, dependency):
        return ()
    target.met -= 1
    target.unmet += 1
    if target.ready and not target.runnable:
        progress.withdraw(target)
    return () if target.ready else progress.review(target, now)


def _recount_readers(progress: Progress, node: Node, now: float) -> Ended:
    ended: Ended = ()
    for target_id, dependency in node.outgoing.items():
        target = progress.nodes[target_id]
        if dependency.condition != "stream":
            continue
        if target.state is SUBMITTED or target.skipped:
            progress.count(target)
        if target.state is not SUBMITTED:
            continue
        # What stays ready is told anew: which devices can run it may have changed.
        progress.withdraw(target)
        ended += progress.review(target, now)
    return ended
