"""Outcomes of attempts that decide nothing any more: which of them count all the same."""

from __future__ import annotations

from typing import Protocol

from constellation.graph.task import ACTIVE, Outcome, TaskState

from .attempts import AttemptName, read_attempt_id
from .events import AttemptFinished
from .run import Run
from .state import State


class EndTask(Protocol):
    """Ends a task (`Outcomes.end`)."""

    def __call__(
        self, run: Run, task: str, outcome: Outcome, now: float, *, device: str | None
    ) -> None: ...


class Latecomers:
    """Takes outcomes that nobody waits for.

    Args:
        end: ends a task whose outcome came late.
    """

    def __init__(self, state: State, end: EndTask) -> None:
        self._state = state
        self._end = end

    def unexpected(self, event: AttemptFinished, now: float) -> None:
        """A device reports on an attempt that holds no place on it."""
        name = read_attempt_id(event.attempt)
        if name is None:
            self.refuse(event.device, event.attempt, "that is no attempt", now)
            return
        run = self._state.runs.get(name.constellation)
        if run is None or was_given(run, name, event):
            self.late(event, now)
        else:
            self.refuse(event.device, event.attempt, "it was not given it", now)

    def late(self, event: AttemptFinished, now: float) -> None:
        """An outcome of an attempt that was given up, or told to stop."""
        name = read_attempt_id(event.attempt)
        run = None if name is None else self._state.runs.get(name.constellation)
        if name is None or run is None:
            self._tell(event, "its constellation is over", now)
            return
        reason = why_unused(run, name, event)
        if reason is None:
            self._accept(run, name.task, event, now)
        else:
            self._tell(event, reason, now)

    def refuse(self, device: str, attempt: str, reason: str, now: float) -> None:
        """A device reports on what it cannot know."""
        body = {
            "device": device,
            "attempt": attempt,
            "reason": f"{device} reported on {attempt}, but {reason}.",
        }
        self._state.notify("", "refused", body, now)

    def _accept(self, run: Run, task: str, event: AttemptFinished, now: float) -> None:
        node = run.constellation.nodes[task]
        if node.ready:
            # It counts as one more attempt, so that the task goes through its usual states.
            number = run.constellation.start(task, event.device, now)
            body = {"task": task, "attempt": number, "device": event.device, "late": True}
            self._state.fact(run, "started", body, now)
            self._state.queues.discard(run.id, task)
        self._end(run, task, event.outcome, now, device=event.device)

    def _tell(self, event: AttemptFinished, reason: str, now: float) -> None:
        name = read_attempt_id(event.attempt)
        body = {
            "device": event.device,
            "attempt": event.attempt,
            "state": event.outcome.state.value,
            "reason": f"The outcome was not used: {reason}.",
        }
        self._state.notify("" if name is None else name.constellation, "late", body, now)


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
    if node.reads or node.feeds:
        return "streams join it to other tasks, and those did not stand still"
    if node.changed != former.changed:
        return "its task has been changed"
    if node.state not in ACTIVE and not node.ready:
        return "its task waits for others now"
    return None
