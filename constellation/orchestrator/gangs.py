"""Gangs: tasks that run on several devices at once, all members or none.

The scheduler places all members in one step, so no gang ever holds some places while it waits for
others, and two gangs cannot block each other. A gang that finds too few places has those that are
free kept for it until there are enough, or small tasks would take each place as it comes free. Only
one gang at a time has places kept for it: the first that asked.

What ends one member without success ends the others. If the gang may be repeated, all members begin
anew, also those that had completed: what a member did is worth nothing without the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from constellation.errors import TaskFailed
from constellation.graph.node import Node
from constellation.graph.states import canceled
from constellation.graph.task import Outcome, TaskState

from .assigning import assignment, choose, devices_for, place
from .attempts import Attempt
from .device import Device
from .events import Assign
from .ready import Group, Lane
from .requirements import need_of, obstacle
from .retrying import backoff, is_retried
from .run import Cause, Run, Trouble
from .state import State

if TYPE_CHECKING:
    from .outcomes import Outcomes


@dataclass(slots=True)
class Reservation:
    """Places that are kept for a gang that waits.

    Attributes:
        lane, task: whose they are.
        rank: the gang's priority class, as in its `LaneKey`; what comes before it may still start.
        devices: names of the devices on which a place is kept.
    """

    lane: Lane
    task: str
    rank: float
    devices: frozenset[str] = field(default=frozenset())

    def leaves(self, devices: Sequence[Device], rank: float) -> list[Device]:
        """Which of some devices a task of a priority class may have."""
        if rank < self.rank:
            return list(devices)
        return [device for device in devices if device.name not in self.devices]


class Gangs:
    """Starts gangs."""

    def __init__(self, state: State, outcomes: Outcomes) -> None:
        self._state = state
        self._outcomes = outcomes

    def review(self, now: float) -> None:
        """Look at the gang for which places are kept: it starts, or there are more of them now."""
        kept = self._state.reservation
        if kept is None:
            return
        queued = kept.lane.backlog.queued
        key = kept.lane.key()
        alive = self._state.queues.groups.get(kept.lane.group.need) is kept.lane.group
        is_first = alive and key is not None and kept.task in queued
        if not is_first or not self._is_possible(kept.lane.group):
            self._let_go(kept)
        elif kept.lane.first() == kept.task:
            self.start_first(kept.lane, kept.rank, now)
        else:
            # Another one of the same constellation has become more urgent.
            self._let_go(kept)

    def start_first(self, lane: Lane, rank: float, now: float) -> bool:
        """Start the first gang of a lane; False if there are too few places, some being kept."""
        state, group = self._state, lane.group
        kept, task = state.reservation, lane.first()
        mine = kept is not None and (kept.lane, kept.task) == (lane, task)
        devices = devices_for(state, group)
        if kept is not None and not mine:
            devices = kept.leaves(devices, rank)
        if len(devices) < group.need.gang:
            if mine or (kept is None and self._is_possible(group)):
                names = frozenset(device.name for device in devices)
                state.reservation = Reservation(lane, task, rank, names)
            return False
        if kept is not None and mine:
            self._let_go(kept)
        self._start(lane, task, devices, now)
        return True

    def _is_possible(self, group: Group) -> bool:
        return len(able(group)) >= group.need.gang

    def _let_go(self, kept: Reservation) -> None:
        state = self._state
        state.reservation = None
        for name in kept.devices:
            device = state.devices.get(name)
            if device is not None:
                state.queues.serve(device)

    def _start(self, lane: Lane, task: str, devices: list[Device], now: float) -> None:
        state = self._state
        run = state.runs[lane.backlog.constellation]
        members = run.constellation.elements(run.constellation.nodes[task])
        state.queues.take(
            lane, task, len(members) * state.estimates.expected(members[0].task.skill)
        )
        try:
            bodies = [assignment(run, member.task) for member in members]
        except TaskFailed as error:
            self._outcomes.fail(run, task, error.to_wire(), now)
            return
        chosen: list[Device] = []
        for member in members:
            device = choose(state, member.task, devices)
            devices.remove(device)
            chosen.append(device)
        common = self._meeting(chosen)
        for rank, (member, device, body) in enumerate(zip(members, chosen, bodies, strict=True)):
            body["context"]["gang"] = {**common, "rank": rank}
            self._start_member(run, task, member, device, body, now)

    def _meeting(self, devices: Sequence[Device]) -> dict[str, Any]:
        """Where the members of a gang meet: the device of rank 0, and a port of our choice."""
        state = self._state
        settings = state.settings
        port = settings.gang_port + state.gangs % settings.gang_ports
        state.gangs += 1
        return {
            "size": len(devices),
            "devices": [device.name for device in devices],
            "host": devices[0].card.labels.get("address", ""),
            "port": port,
        }

    def _start_member(
        self, run: Run, gang: str, member: Node, device: Device, body: dict[str, Any], now: float
    ) -> None:
        state, task, name = self._state, member.task, device.name
        idempotent = task.idempotent
        if idempotent is None:
            idempotent = task.skill in device.idempotent
        number = run.constellation.start(task.id, name, now)
        attempt = Attempt(run.id, task.id, number, name, task.skill, now, idempotent, gang=gang)
        run.open(attempt)
        place(state, device, attempt, task, now)
        fact = {"task": task.id, "attempt": number, "device": name, "idempotent": idempotent}
        state.fact(run, "started", fact, now)
        body["attempt"] = attempt.id
        body["idempotent"] = idempotent
        state.act(Assign(name, body))


def able(group: Group) -> list[Device]:
    """The devices that may run a member now or once they have room."""
    return [device for device in group.candidates.values() if not device.unavailable()]


def broke(
    outcomes: Outcomes,
    state: State,
    run: Run,
    attempt: Attempt,
    cause: Cause,
    error: Mapping[str, Any],
    now: float,
) -> None:
    """A member of a gang ended without success: the gang begins anew, or ends with it."""
    whole = run.constellation.nodes[attempt.gang]
    if not _begins_anew(state, run, whole, attempt, cause, str(error.get("code", ""))):
        end_all(
            outcomes, run, whole, attempt.task, Outcome(TaskState.FAILED, None, error), now, attempt
        )
        return
    failures = run.trouble.get(whole.id, Trouble()).failures + 1
    counts = cause in ("failed", "timeout")
    not_before = now + backoff(whole.task.retry, failures) if counts else 0.0
    reason = f"{attempt.task} on {attempt.device}: {error.get('message') or error.get('code')}"
    run.constellation.restart_gang(whole.id, reason, now)
    body = {
        "task": whole.id,
        "member": attempt.task,
        "attempt": attempt.number,
        "device": attempt.device,
        "cause": cause,
        "reason": reason,
        "not_before": not_before,
    }
    state.fact(run, "regrouped", body, now)
    for other in run.regroup(whole.id, whole.size, attempt.device, cause, not_before):
        if other is not attempt:
            outcomes.stop(other, f"the gang begins anew: {reason}", now)
    state.changed[run.id] = run


def end_all(
    outcomes: Outcomes,
    run: Run,
    whole: Node,
    first: str,
    outcome: Outcome,
    now: float,
    ended: Attempt | None = None,
) -> None:
    """End a member of a gang, and the others because of it."""
    outcomes.end(run, first, outcome, now, ended)
    for member in run.constellation.elements(whole):
        if not member.ended:
            outcomes.end(run, member.id, canceled(f"{first} ended as {outcome.state}"), now)


def _begins_anew(
    state: State, run: Run, whole: Node, attempt: Attempt, cause: Cause, code: str
) -> bool:
    """Whether a gang may and should be tried again; its other members have run in part."""
    trouble = run.trouble.get(whole.id, Trouble())
    members = run.constellation.elements(whole)
    others = [run.live[each.id] for each in members if each.id in run.live]
    if not all(each.idempotent for each in (attempt, *others)):
        return False
    match cause:
        case "failed" | "timeout":
            policy = whole.task.retry
            return trouble.failures + 1 < policy.attempts and is_retried(policy, code, True)
        case "lost":
            return trouble.losses < state.settings.max_losses
        case "rejected":
            need = need_of(whole.task, trouble.refusing(attempt.device))
            fit = [device for device in state.devices.values() if obstacle(need, device) is None]
            return len(fit) >= whole.size
    return True
