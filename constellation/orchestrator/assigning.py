"""What a task's start consists of: a device chosen among those that may run it, and a message."""

from __future__ import annotations

from typing import Any

from constellation.graph.task import Task

from .attempts import Attempt
from .device import Device
from .ready import Group
from .run import Run
from .state import State, timeout_key

# A placement looks at no more devices than this for one task, the longest free first, so that the
# cost of a start does not grow with the number of idle devices.
MAX_CHOICES = 64


def choose(state: State, group: Group, task: Task, without: str | None = None) -> Device | None:
    """The device that a task should run on now; None if none can take it.

    Args:
        without: name of a device that is out of the question.
    """
    for resource in group.need.exclusive:
        if resource in state.resources:
            return None
    skill, candidates = task.skill, group.candidates
    fewer = state.free if len(state.free) < len(candidates) else candidates
    found = [
        device
        for name, device in fewer.items()
        if device.credit > 0
        and name in candidates
        and name != without
        and (skill not in device.room or device.room[skill] > 0)
    ]
    if group.need.shunned:
        found = _preferred(group, found)
    if not found:
        return None
    return state.placement.choose(task, found[:MAX_CHOICES], state.estimates)


def _preferred(group: Group, found: list[Device]) -> list[Device]:
    """Without the devices on which the task has failed, unless no other could ever run it."""
    shunned = group.need.shunned
    if all(name in shunned for name in group.candidates):
        return found
    return [device for device in found if device.name not in shunned]


def assignment(run: Run, task: Task) -> dict[str, Any]:
    """The body of AIP's ``assign`` message, but for what only the attempt knows.

    Raises:
        TaskFailed: a reference in the arguments or the instruction leads nowhere.
    """
    constellation = run.constellation
    body: dict[str, Any] = {
        "attempt": "",
        "skill": task.skill,
        "arguments": constellation.arguments(task.id) if task.arguments else {},
        "context": {"constellation": run.id, "task": task.id, "name": task.name or task.id},
    }
    if task.instruction:
        body["instruction"] = constellation.instruction(task.id)
    if task.timeout_s is not None:
        body["timeout_s"] = task.timeout_s
    if task.deadline_s is not None:
        body["deadline"] = run.created_at + task.deadline_s
    return body


def place(state: State, device: Device, attempt: Attempt, task: Task, now: float) -> None:
    """Give an attempt its place on a device, and its timeout."""
    state.take(device, attempt)
    if task.timeout_s is not None:
        due = now + task.timeout_s + state.settings.timeout_slack_s
        state.timers.set(timeout_key(attempt), due)
