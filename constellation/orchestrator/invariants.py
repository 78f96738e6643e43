"""What must hold of a scheduler after each step, checked from scratch; for tests and simulators."""

from __future__ import annotations

from collections.abc import Iterator

from constellation.errors import SchedulingError
from constellation.graph.task import ACTIVE, TaskState

from .assigning import devices_for
from .attempts import Life
from .device import Device
from .patience import KEY
from .readers import need_in
from .run import Run
from .scheduler import Scheduler
from .state import State


class InvariantError(SchedulingError):
    """The scheduler contradicts itself; ``violations`` says where."""

    code = "scheduling.invariant"

    def __init__(self, violations: list[str]) -> None:
        super().__init__("\n".join(violations))
        self.violations = violations


def check(scheduler: Scheduler, now: float) -> None:
    """Check everything; costs a look at every task.

    Raises:
        InvariantError: lists what does not hold.
    """
    state = scheduler.state
    violations = [*_credits(state), *_resources(state)]
    for run in state.runs.values():
        violations += _counts(run)
        violations += _attempts(state, run)
        if run.ended_at is None:
            violations += _queued(state, run, now)
            violations += _idle(state, run)
        elif not state.is_over(run):
            violations.append(f"{run.id} has ended, but is not done")
    if violations:
        raise InvariantError(violations)


def _credits(state: State) -> Iterator[str]:
    for device in state.devices.values():
        expected, room = device.credit, dict(device.room)
        device.count()
        if (expected, room) != (device.credit, device.room):
            yield f"{device.name} counts credit {expected}, {room}, not {device.credit}"
        if (device.credit > 0) != (device.name in state.free):
            yield f"{device.name} is{'' if device.name in state.free else ' not'} among the free"
        for attempt in device.running.values():
            if attempt.device != device.name or attempt.life is Life.ENDED:
                yield f"{attempt.id} is {attempt.life} and on {attempt.device}, not {device.name}"


def _resources(state: State) -> Iterator[str]:
    holders: dict[str, str] = {}
    for device in state.devices.values():
        for attempt in device.running.values():
            for resource in attempt.exclusive:
                if resource in holders:
                    yield f"{resource} is held by {holders[resource]} and {attempt.id}"
                holders[resource] = attempt.id
        if state.settings.shared_resources:
            for resource in _in_use(device) - state.granted.keys():
                yield f"{resource} is in use on {device.name} and was not granted"
    if holders != state.resources:
        yield f"resources are {state.resources}, but held are {holders}"


def _in_use(device: Device) -> set[str]:
    """The exclusive resources that attempts on a device hold."""
    return {each for attempt in device.running.values() for each in attempt.exclusive}


def _counts(run: Run) -> Iterator[str]:
    counts = dict.fromkeys(TaskState, 0)
    for node in run.constellation.nodes.values():
        counts[node.state] += 1
    if counts != run.constellation.counts:
        yield f"{run.id} counts {run.constellation.counts}, not {counts}"


def _attempts(state: State, run: Run) -> Iterator[str]:
    """Each active task has exactly its live attempts, and nothing else has any."""
    for task, node in run.constellation.nodes.items():
        attempts = run.attempts(task)
        if node.state in ACTIVE and not node.task.has_elements and not attempts:
            yield f"{run.id}/{task} is {node.state} without an attempt"
        if node.state not in ACTIVE and attempts:
            yield f"{run.id}/{task} is {node.state} with {len(attempts)} attempts"
        asking = [attempt for attempt in attempts if attempt.life is Life.ASKING]
        if len(asking) != (node.state is TaskState.INPUT_REQUIRED):
            yield f"{run.id}/{task} is {node.state} with {len(asking)} asking attempts"
        for attempt in attempts:
            device = state.devices.get(attempt.device)
            if device is None or device.running.get(attempt.id) is not attempt:
                yield f"{attempt.id} is not on {attempt.device}"
            if attempt.life not in (Life.RUNNING, Life.ASKING):
                yield f"{attempt.id} is {attempt.life} and still decides {task}"
    for task in run.live:
        if task not in run.constellation.nodes:
            yield f"{run.id}/{task} has an attempt and is not in the graph"


def _queued(state: State, run: Run, now: float) -> Iterator[str]:
    """Each ready task is queued once, or waits for its next attempt; nothing else is queued."""
    backlog = state.queues.backlogs[run.id]
    waiting: dict[str, int] = {}
    for lane in backlog.lanes.values():
        for task in lane.waiting():
            waiting[task] = waiting.get(task, 0) + 1
    for task, node in run.constellation.nodes.items():
        whole = run.constellation.progress.gang_of(node)
        task = task if whole is None else whole.id
        trouble = run.trouble.get(task)
        delayed = trouble is not None and trouble.not_before > now
        if node.ready and not delayed and waiting.get(task) != 1:
            yield f"{run.id}/{task} is ready and queued {waiting.get(task, 0)} times"
        if node.ready and delayed and ("retry", run.id, task) not in state.timers:
            yield f"{run.id}/{task} waits for a retry that never comes"
    for task in waiting:
        queued = run.constellation.nodes.get(task)
        if queued is None or not all(
            each.ready for each in run.constellation.elements(queued) or [queued]
        ):
            yield f"{run.id}/{task} is queued and not ready"
    for task in run.revisions:
        if not run.planning and ("revision", run.id, task) not in state.timers:
            yield f"{run.id}/{task} waits for a planner without end"


def _idle(state: State, run: Run) -> Iterator[str]:
    """No task waits that a device could take now."""
    if run.paused:
        return
    for lane in state.queues.backlogs[run.id].lanes.values():
        for task in lane.waiting()[:1]:
            node = run.constellation.nodes[task]
            definition = node.task
            group = state.queues.groups[need_in(state, run, node)]
            if group is not lane.group:
                yield f"{run.id}/{task} waits in the queue of another need"
            need = group.need
            if need.asker and not state.may_use(need.asker, need.exclusive):
                asked = (need.asker, need.exclusive) in state.asked
                if not asked and devices_for(state, group):
                    yield f"{run.id}/{task} waits for resources that nobody asked for"
                continue
            if group in state.patient:
                if KEY not in state.timers:
                    yield f"{run.id}/{task} waits for a better device without end"
                continue
            kept, free = state.reservation, devices_for(state, group)
            if kept is not None and (kept.lane, kept.task) != (lane, task):
                free = kept.leaves(free, -run.priority - definition.priority)
            if len(free) >= (definition.gang or 1):
                names = ", ".join(device.name for device in free)
                yield f"{run.id}/{task} waits although {names} could take it"
    if state.is_over(run):
        yield f"{run.id} is done and has not ended"
