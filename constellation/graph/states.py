"""The states of a task: what may follow what, and the outcomes that the graph itself decides."""

from __future__ import annotations

from collections.abc import Sequence

from constellation.errors import InvalidTransition

from .node import Node
from .task import Outcome, TaskState

SUBMITTED = TaskState.SUBMITTED
WORKING = TaskState.WORKING
INPUT_REQUIRED = TaskState.INPUT_REQUIRED
COMPLETED = TaskState.COMPLETED
FAILED = TaskState.FAILED
CANCELED = TaskState.CANCELED
REJECTED = TaskState.REJECTED

# What may follow what. `retry` is an edit; every other event comes from the scheduler.
TRANSITIONS: dict[TaskState, dict[str, TaskState]] = {
    SUBMITTED: {"start": WORKING, "fail": FAILED, "reject": REJECTED, "cancel": CANCELED},
    WORKING: {
        "require input": INPUT_REQUIRED,
        "flow": WORKING,
        "requeue": SUBMITTED,
        "complete": COMPLETED,
        "fail": FAILED,
        "reject": REJECTED,
        "cancel": CANCELED,
    },
    INPUT_REQUIRED: {
        "answer": WORKING,
        "flow": INPUT_REQUIRED,
        "requeue": SUBMITTED,
        "complete": COMPLETED,
        "fail": FAILED,
        "reject": REJECTED,
        "cancel": CANCELED,
    },
    COMPLETED: {},
    FAILED: {"retry": SUBMITTED},
    CANCELED: {"retry": SUBMITTED},
    REJECTED: {"retry": SUBMITTED},
}

_ENDING = {COMPLETED: "complete", FAILED: "fail", REJECTED: "reject", CANCELED: "cancel"}


def check_transition(node: Node, event: str) -> None:
    """Refuse an event that the task's state does not allow.

    Raises:
        InvalidTransition: the table has no entry for it.
    """
    if event not in TRANSITIONS[node.state]:
        raise InvalidTransition(f"Task {node.id}", node.state, event)


def ending(state: TaskState) -> str:
    """The event that ends a task in a state; no table has it if the state is none to end in."""
    return _ENDING.get(state, f"end as {state}")


def canceled(reason: str) -> Outcome:
    """The outcome of a task that was canceled on request."""
    return Outcome(CANCELED, None, {"code": "task.canceled", "message": reason})


def skipped(task_id: str, reason: str) -> Outcome:
    """The outcome of a task that can never run."""
    error = {
        "code": "task.skipped",
        "message": f"Task {task_id} was skipped: {reason}.",
        "remedy": "Retry what it depends on, or change its dependencies.",
    }
    return Outcome(CANCELED, None, error)


def map_too_long(task_id: str, elements: int, limit: int) -> Outcome:
    """The outcome of a map task with more elements than a constellation may have tasks."""
    error = {
        "code": "task.failed.map.limit",
        "message": f"Task {task_id}: its list has {elements:,} elements; with them there would be "
        f"more than the {limit:,} tasks that a constellation may have.",
        "remedy": "Map over a shorter list, or let one task work through the whole list.",
    }
    return Outcome(FAILED, None, error)


def gang_failed(task_id: str, members: Sequence[Node]) -> Outcome:
    """The outcome of a gang of which a member did not complete: that of the first that ended so."""
    unwell = [each for each in members if each.state is not COMPLETED]
    first = min(unwell, key=lambda each: (each.state is CANCELED, each.finished_at or 0.0))
    error = dict(first.error or {"code": "task.failed"})
    error["message"] = f"Task {task_id}: of {len(members)} members, {first.id} {first.state}: " + (
        str(error.get("message", "no reason was given"))
    )
    return Outcome(first.state, [each.output for each in members], error)


def map_failed(task_id: str, reason: str, output: list[object] | None = None) -> Outcome:
    """The outcome of a map task that has no list, or elements that did not complete."""
    error = {"code": "task.failed.map", "message": f"Task {task_id}: {reason}."}
    return Outcome(FAILED, output, error)
