"""Ready tasks to devices: collect what became ready, place it, and see which runs are over."""

from __future__ import annotations

import heapq

from constellation.errors import NoCapableDevice, TaskFailed
from constellation.graph.node import Node
from constellation.graph.task import TaskState

from .assigning import assignment, choose, devices_for, place
from .attempts import Attempt
from .device import Device
from .events import Assign
from .gangs import Gangs, able
from .outcomes import Outcomes
from .patience import WORTH_S, Patience
from .racing import Racing
from .readers import need_in, streams_of
from .ready import Group, Lane, LaneKey
from .requirements import need_of, why_waiting
from .run import Run
from .sharing import Sharing
from .spending import share
from .state import State


class Dispatch:
    """Starts tasks, and ends runs that have nothing left to start."""

    def __init__(self, state: State, outcomes: Outcomes, racing: Racing, sharing: Sharing) -> None:
        self._state = state
        self._outcomes = outcomes
        self._racing = racing
        self._sharing = sharing
        self._patience = Patience(state)
        self._gangs = Gangs(state, outcomes)

    def settle(self, now: float) -> None:
        """Bring everything to rest: afterwards no task waits that could run."""
        state = self._state
        queues = state.queues
        if state.reservation is not None:
            self._gangs.review(now)
        while state.changed or state.freed or queues.touched:
            changed, state.changed = state.changed, {}
            for run in changed.values():
                self._collect(run, now)
            freed, state.freed = state.freed, {}
            for device in freed.values():
                queues.serve(device)
            touched, queues.touched = queues.touched, {}
            if state.patient:
                for group in touched:
                    state.patient.pop(group, None)
            if state.reservation is not None:
                self._gangs.review(now)
            self._assign(touched, now)
            for run in changed.values():
                if run.ended_at is None and run.id not in state.changed and state.is_over(run):
                    self._end_run(run, now)

    # ── what became ready ───────────────────────────────────────────────────────────────────────

    def _collect(self, run: Run, now: float) -> None:
        progress = run.constellation.progress
        changes = progress.take_changes()
        state, nodes = self._state, run.constellation.nodes
        if run.ended_at is not None:
            return
        for task in changes.unready:
            if task not in nodes or not nodes[task].ready:
                whole = None if task not in nodes else progress.gang_of(nodes[task])
                state.queues.discard(run.id, task if whole is None else whole.id)
        for task in changes.ready:
            if task in nodes and nodes[task].ready:
                self.enqueue(run, task, now)
        if changes.ended:
            for task in run.hold_maps(changes.ended):
                self._outcomes.ask_planner(run, task, now)
        for task, reason in changes.skipped:
            state.notify(run.id, "skipped", {"task": task, "reason": reason}, now)

    def enqueue(self, run: Run, task_id: str, now: float) -> None:
        """Let a ready task wait for a device; an entry that it has already is replaced."""
        state = self._state
        node = run.constellation.nodes[task_id]
        whole = run.constellation.progress.gang_of(node)
        if whole is not None:
            self._enqueue_gang(run, whole, now)
            return
        task = node.task
        if task.deadline_s is not None:
            due = run.created_at + task.deadline_s
            if due <= now:
                self.overdue(run, task_id, now)
                return
            state.timers.set(("deadline", run.id, task_id), due)
        trouble = run.trouble.get(task_id) if run.trouble else None
        if trouble is not None and trouble.not_before > now:
            state.timers.set(("retry", run.id, task_id), trouble.not_before)
            return
        group = state.queues.group(need_in(state, run, node), state.devices)
        urgency = state.placement.urgency(run.priority + task.priority, node.rank)
        state.queues.push(group, run.id, task_id, urgency)

    def _enqueue_gang(self, run: Run, whole: Node, now: float) -> None:
        """Let a gang wait for its devices, once all of its members are ready."""
        state, task = self._state, whole.task
        waits = whole.id in state.queues.backlogs[run.id].queued
        if waits or not all(member.ready for member in run.constellation.elements(whole)):
            return
        trouble = run.trouble.get(whole.id)
        if trouble is not None and trouble.not_before > now:
            state.timers.set(("retry", run.id, whole.id), trouble.not_before)
            return
        group = state.queues.group(need_of(task, trouble), state.devices)
        urgency = state.placement.urgency(run.priority + task.priority, whole.rank)
        state.queues.push(group, run.id, whole.id, urgency)

    def retry(self, run: Run, task_id: str, now: float) -> None:
        """The wait before another attempt is over."""
        node = run.constellation.nodes.get(task_id)
        if node is not None and node.task.gang is not None:
            self._enqueue_gang(run, node, now)
        elif node is not None and node.ready:
            self.enqueue(run, task_id, now)

    # ── who runs it ─────────────────────────────────────────────────────────────────────────────

    def _assign(self, groups: dict[Group, None], now: float) -> None:
        heap: list[tuple[LaneKey, int, Group]] = []
        for number, group in enumerate(groups):
            best = group.best()
            if best is not None:
                heap.append((best[0], number, group))
        if not heap:
            return
        heapq.heapify(heap)
        patience = self._patience
        served: Group | None = None
        devices: list[Device] = []
        while heap:
            key, number, group = heap[0]
            best = group.best()
            if best is None:
                heapq.heappop(heap)
                continue
            if best[0] != key and len(heap) > 1:
                heapq.heapreplace(heap, (best[0], number, group))
                continue
            if group.need.gang:
                served = None
                if not self._gangs.start_first(best[1], best[0][0], now):
                    heapq.heappop(heap)
                    self._explain(group, now)
                continue
            if group.need.asker and not self._sharing.may_start(group):
                heapq.heappop(heap)
                self._explain(group, now)
                continue
            if group is not served or group.need.exclusive:
                # What was found for a group holds until another one is served.
                served, devices = group, devices_for(self._state, group)
            kept = self._state.reservation
            if kept is not None and devices:
                served, devices = None, kept.leaves(devices, best[0][0])
            if not devices:
                heapq.heappop(heap)
                self._explain(group, now)
            elif patience.thinking and patience.is_enough(group):
                heapq.heappop(heap)
            else:
                self._assign_first(best[1], devices, now)
        if patience.thinking:
            patience.end()

    def _assign_first(self, lane: Lane, devices: list[Device], now: float) -> None:
        """Start the first task of a lane on one of its devices; one that is full then leaves.

        It may turn out that the task had better wait for a device that is busy.
        """
        state = self._state
        run = state.runs[lane.backlog.constellation]
        task = run.constellation.nodes[lane.first()].task
        skill = task.skill
        device = choose(state, task, devices)
        if state.placement.patient:
            known = device.durations.get(skill)
            worth = known is None or known.mean > WORTH_S
            if worth and self._patience.rather_waits(lane, task, device, now):
                return
        state.queues.take(lane, task.id, state.estimates.expected(skill))
        try:
            body = assignment(run, task)
            max_cost = share(run, task)
        except TaskFailed as error:
            self._outcomes.fail(run, task.id, error.to_wire(), now)
            return
        idempotent = task.idempotent
        if idempotent is None:
            idempotent = skill in device.idempotent
        number = run.constellation.start(task.id, device.name, now)
        name, exclusive = device.name, lane.group.need.exclusive
        attempt = Attempt(run.id, task.id, number, name, skill, now, idempotent, exclusive)
        attempt.max_cost = max_cost
        run.open(attempt)
        place(state, device, attempt, task, now)
        if not device.has_room(skill):
            devices.remove(device)
        fact = {"task": task.id, "attempt": number, "device": name, "idempotent": idempotent}
        if max_cost is not None:
            fact["max_cost"] = body["max_cost"] = max_cost
        state.fact(run, "started", fact, now)
        node = run.constellation.nodes[task.id]
        if node.incoming or node.outgoing:
            body["context"].update(streams_of(run, node, state.settings.stream_lag))
        body["attempt"] = attempt.id
        body["idempotent"] = idempotent
        state.act(Assign(name, body))
        if idempotent and max_cost is None:
            self._racing.watch(device, attempt)

    # ── who waits in vain ───────────────────────────────────────────────────────────────────────

    def _explain(self, group: Group, now: float) -> None:
        """Tell observers of tasks for which no device is there, once for each lane."""
        wanted = group.need.gang or 1
        if len(able(group)) >= wanted:
            return
        state = self._state
        patience = state.settings.no_device_fail_s
        reason = ""
        for lane in group.lanes.values():
            key = lane.key()
            if lane.told or key is None:
                continue
            lane.told = True
            constellation = lane.backlog.constellation
            reason = reason or why_waiting(group.need, list(state.devices.values()))
            state.notify(constellation, "waiting", {"task": lane.first(), "reason": reason}, now)
            if patience is not None and len(group.candidates) < wanted:
                state.timers.set(("no device", constellation, lane.id), now + patience)

    def fail_lane(self, run: Run, lane_id: str, now: float) -> None:
        """No device could ever run the tasks of a lane, for longer than is to be waited."""
        lane = self._state.queues.lane(run.id, lane_id)
        if lane is not None and len(lane.group.candidates) < (lane.group.need.gang or 1):
            lane.told = False
            for task_id in lane.waiting():
                self._outcomes.fail(run, task_id, self.no_device(run, task_id).to_wire(), now)

    def overdue(self, run: Run, task_id: str, now: float) -> None:
        """The deadline of a task has come."""
        node = run.constellation.nodes.get(task_id)
        if node is None or node.ended:
            return
        node = run.constellation.progress.gang_of(node) or node
        if node.task.for_each is not None and node.state is TaskState.WORKING:
            # Its elements have the same deadline; it ends with them.
            for element in run.constellation.elements(node):
                if not element.ended:
                    self.overdue(run, element.id, now)
            return
        if node.task.gang is None and node.ready and self._is_stranded(node, run):
            self._outcomes.fail(run, task_id, self.no_device(run, task_id).to_wire(), now)
            return
        doing = "waited for its turn" if node.ready else "waited for other tasks"
        if node.state is not TaskState.SUBMITTED:
            doing = "ran" if node.device is None else f"ran on {node.device}"
        error = {
            "code": "task.timeout.deadline",
            "message": f"The deadline of task {node.id} passed while it {doing}.",
            "remedy": "Give it more time, or a faster device.",
        }
        self._outcomes.fail(run, node.id, error, now)

    def _is_stranded(self, node: Node, run: Run) -> bool:
        state = self._state
        group = state.queues.group(need_in(state, run, node), state.devices)
        return all(device.unavailable() for device in group.candidates.values())

    def no_device(self, run: Run, task_id: str) -> NoCapableDevice:
        """The error of a task that no device can run."""
        need = need_in(self._state, run, run.constellation.nodes[task_id])
        return NoCapableDevice(
            f"Task {task_id} found no device. {why_waiting(need, self._devices())}",
            remedy="Connect a device that can run it, or change its requirement.",
            task=task_id,
        )

    def _devices(self) -> list[Device]:
        return list(self._state.devices.values())

    # ── who is done ─────────────────────────────────────────────────────────────────────────────

    def _end_run(self, run: Run, now: float) -> None:
        state = self._state
        run.ended_at = now
        state.queues.drop(run.id)
        self._sharing.forget(run.id)
        counts = run.constellation.counts
        body = {
            "state": run.state.value,
            "counts": {each.value: count for each, count in counts.items() if count},
            "duration_s": now - run.created_at,
        }
        if run.reason:
            body["reason"] = run.reason
        state.fact(run, "ended", body, now)
        for node in run.constellation.nodes.values():
            if node.task.deadline_s is not None:
                state.timers.drop(("deadline", run.id, node.id))
