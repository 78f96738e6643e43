"""What a task's start consists of: a device chosen among those that may run it, and a message."""

from __future__ import annotations

from typing import Any

from constellation.graph.task import Task

from .attempts import Attempt
from .device import Device
from .ready import Group
from .run import Run
from .state import State

# A placement looks at no more devices than this for one task, the longest free first, so that the
# cost of a start does not grow with the number of idle devices.
MAX_CHOICES = 64


def devices_for(state: State, group: Group, without: str | None = None) -> list[Device]:
    """The devices that can take a task of a group now, the longest free first.

    Args:
        without: name of a device that is out of the question.
    """
    for resource in group.need.exclusive:
        if resource in state.resources:
            return []
    skill, candidates = group.need.skill, group.candidates
    fewer = state.free if len(state.free) < len(candidates) else candidates
    found = [
        device
        for name, device in fewer.items()
        if name in candidates and name != without and device.has_room(skill)
    ]
    return _preferred(group, found) if group.need.shunned else found


def choose(state: State, task: Task, devices: list[Device]) -> Device:
    """The device that a task should run on, of those that can take it; there is at least one."""
    few = devices if len(devices) <= MAX_CHOICES else devices[:MAX_CHOICES]
    return state.placement.choose(task, few, state.estimates)


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
    if task.tainted:
        body["context"]["tainted"] = task.tainted
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
        state.arm(attempt, "timeout", now + task.timeout_s + state.settings.timeout_slack_s)
