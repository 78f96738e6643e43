"""Outcomes of attempts that decide nothing any more: which of them count all the same."""

from __future__ import annotations

from constellation.graph.task import ACTIVE, TaskState

from .attempts import AttemptName
from .events import AttemptFinished
from .run import Run


def was_given(run: Run, name: AttemptName, event: AttemptFinished) -> bool:
    """Whether the device that reports on an attempt had it once, and it is over."""
    former = run.former.get(name.task, {}).get(event.attempt)
    if former is not None:
        return former.device == event.device
    node = run.constellation.nodes.get(name.task)
    if node is None or any(each.id == event.attempt for each in run.attempts(name.task)):
        return False
    given = {(number, device) for number, device, *_ in node.history}
    given.add((node.attempt, node.device))
    return (name.number, event.device) in given


def why_unused(run: Run, name: AttemptName, event: AttemptFinished) -> str | None:
    """Why a late outcome changes nothing, as a clause; None if it counts.

    A success counts if its attempt was given up, as lost or out of time, and its task has no
    outcome yet: the first outcome wins.
    """
    node = run.constellation.nodes.get(name.task)
    former = run.former.get(name.task, {}).get(event.attempt)
    if run.ended_at is not None:
        return "its constellation has ended"
    if node is None or former is None:
        return "its task has another outcome, or is tried anew"
    if event.outcome.state is not TaskState.COMPLETED:
        return "it had been given up"
    if node.changed != former.changed:
        return "its task has been changed"
    if node.state not in ACTIVE and not node.ready:
        return "its task waits for others now"
    return None
