"""One workload through the hub's own scheduler, with devices and their links simulated.

Time is counted, not lived: the scheduler is a pure machine, so it is fed with events and the time
at which they come. The same arguments give the same schedule. How an attempt goes depends on its
task, its number and its device alone, so that rules are compared under the same luck.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.graph.edits import AddDependency, AddTask, Batch
from constellation.graph.task import Dependency, Outcome, RetryPolicy, Task, TaskState
from constellation.orchestrator.events import (
    Assign,
    AttemptFinished,
    CancelAttempt,
    DeviceDetached,
    DeviceDraining,
    DeviceJoined,
    DeviceLost,
    Event,
    Fact,
    Instruction,
    Submitted,
    Tick,
)
from constellation.orchestrator.placement import Placement
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.settings import Settings

from .model import FAILS_AFTER_S, STRAGGLES, Accidents, Graph, Job, Machine, Workload

SETTINGS = Settings(grace_s=5.0)
# A task is tried until it succeeds: what an accident costs shows as time.
_RETRY = RetryPolicy(attempts=10_000, backoff_s=0.5, factor=1.0)
_COMPLETED = Outcome(TaskState.COMPLETED)
_CANCELED = Outcome(TaskState.CANCELED)
_FAILED = Outcome(TaskState.FAILED, None, {"code": "agent.sick", "message": "It is not well."})

Define = Callable[[Job], Task]


def any_device(job: Job) -> Task:
    """A job as a task that any device may run."""
    return Task(job.id, job.kind, retry=_RETRY, idempotent=True)


@dataclass(frozen=True, slots=True)
class Played:
    """How a simulation went.

    Attributes:
        makespan_s: from the beginning to the end of the last graph.
        attempts: how many were begun.
        raced, requeued: how many of them had a rival, or ended without an outcome.
        learned: what the scheduler knows of durations now.
    """

    makespan_s: float
    attempts: int
    raced: int
    requeued: int
    learned: Mapping[str, Any]


class _Device:
    """A machine at work."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.alive = True
        self.leaving = False
        self.running: set[str] = set()


class Simulation:
    """One play.

    Args:
        define: makes the task of a job.
        learned: what the scheduler knows before it begins.
    """

    def __init__(
        self,
        workload: Workload,
        machines: Sequence[Machine],
        accidents: Accidents,
        placement: Placement,
        *,
        settings: Settings = SETTINGS,
        define: Define = any_device,
        learned: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self._scheduler = Scheduler(placement, settings)
        if learned is not None:
            self._scheduler.restore_learned(learned)
        self._accidents = accidents
        self._seed = seed
        self._devices = {each.name: _Device(each) for each in machines}
        self._jobs = {f"g{n}": graph.jobs for n, graph in enumerate(workload)}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._now = 0.0
        self._open = len(workload)
        self._kinds = sorted({job.kind for graph in workload for job in graph.jobs.values()})
        self._tally = {"started": 0, "raced": 0, "requeued": 0}
        late = {each.machine for each in accidents.absences if each.begins_s <= 0}
        for device in self._devices.values():
            if device.machine.name in late:
                device.alive = False
            else:
                self._feed(self._joined(device))
        for spell in accidents.outages:
            device = self._devices[spell.machine]
            self._at(spell.begins_s, partial(self._dies, device))
            self._at(spell.ends_s, partial(self._starts, device))
        for spell in accidents.absences:
            device = self._devices[spell.machine]
            if spell.begins_s > 0:
                self._at(spell.begins_s, partial(self._takes_leave, device))
            self._at(spell.ends_s, partial(self._starts, device))
        for number, graph in enumerate(workload):
            self._feed(Submitted(f"g{number}", _batch(graph, define)))

    def play(self) -> Played:
        """Play until every graph has ended."""
        while self._open:
            due = self._scheduler.deadline()
            at = self._queue[0][0] if self._queue else None
            if due is not None and (at is None or due < at):
                self._now = max(self._now, due)
                self._feed(Tick())
            else:
                self._now, _, call = heapq.heappop(self._queue)
                call()
        learned = self._scheduler.snapshot_learned()
        tally = self._tally
        return Played(self._now, tally["started"], tally["raced"], tally["requeued"], learned)

    def _at(self, time: float, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (time, self._count, call))

    # ── the hub ─────────────────────────────────────────────────────────────────────────────────

    def _feed(self, event: Event) -> None:
        for each in self._scheduler.handle(event, self._now):
            self._act(each)

    def _act(self, instruction: Instruction) -> None:
        match instruction:
            case Fact(kind=kind, body=body):
                if kind in self._tally:
                    self._tally[kind] += 1
                elif kind == "ended":
                    self._open -= 1
                    assert body["state"] == "completed", body
            case Assign(name, body):
                self._send(name, lambda device: self._begin(device, body))
            case CancelAttempt(name, attempt):
                self._send(name, lambda device: self._stop(device, attempt))

    def _send(self, name: str, call: Callable[[_Device], None]) -> None:
        device = self._devices[name]

        def arrive() -> None:
            if device.alive:
                call(device)

        self._at(self._now + device.machine.delay_s, arrive)

    def _joined(self, device: _Device) -> DeviceJoined:
        machine = device.machine
        skills = tuple(SkillCard(name=kind, idempotent=True) for kind in self._kinds)
        card = DeviceCard(
            name=machine.name, platform=machine.type, capacity=machine.capacity, skills=skills
        )
        # One that is back before it had gone still has what it was given.
        known = self._scheduler.devices.get(machine.name)
        running = tuple(known.running) if known is not None and device.leaving else ()
        return DeviceJoined(card, running, rtt_s=2 * machine.delay_s)

    # ── devices ─────────────────────────────────────────────────────────────────────────────────

    def _begin(self, device: _Device, body: Mapping[str, Any]) -> None:
        attempt, context = body["attempt"], body["context"]
        job = self._jobs[context["constellation"]][context["task"]]
        device.running.add(attempt)
        takes_s, outcome = self._fate(device.machine, job, attempt)
        self._at(self._now + takes_s, lambda: self._end(device, attempt, outcome, takes_s))

    def _fate(self, machine: Machine, job: Job, attempt: str) -> tuple[float, Outcome]:
        for spell in self._accidents.sick:
            if spell.machine == machine.name and spell.begins_s <= self._now < spell.ends_s:
                return FAILS_AFTER_S, _FAILED
        takes_s = machine.takes_s(job)
        if self._accidents.straggling:
            luck = Random(f"{self._seed} {attempt.rstrip('b')} {machine.name}").random()
            if luck < self._accidents.straggling:
                takes_s *= STRAGGLES
        return takes_s, _COMPLETED

    def _end(self, device: _Device, attempt: str, outcome: Outcome, took_s: float) -> None:
        if attempt in device.running:
            device.running.remove(attempt)
            self._report(AttemptFinished(device.machine.name, attempt, outcome, took_s))

    def _stop(self, device: _Device, attempt: str) -> None:
        self._end(device, attempt, _CANCELED, 0.0)

    def _report(self, event: AttemptFinished) -> None:
        device = self._devices[event.device]

        def arrive() -> None:
            self._feed(event)
            self._goes_once_idle(device)

        self._at(self._now + device.machine.delay_s, arrive)

    def _dies(self, device: _Device) -> None:
        device.alive = False
        device.running.clear()
        self._feed(DeviceDetached(device.machine.name))

    def _takes_leave(self, device: _Device) -> None:
        device.leaving = True
        self._feed(DeviceDraining(device.machine.name))
        self._goes_once_idle(device)

    def _goes_once_idle(self, device: _Device) -> None:
        name = device.machine.name
        if device.leaving and not self._scheduler.devices[name].running:
            device.alive = device.leaving = False
            self._feed(DeviceLost(name, "it took its leave"))

    def _starts(self, device: _Device) -> None:
        device.alive = True
        joined = self._joined(device)
        device.leaving = False
        self._feed(joined)


def play(
    workload: Workload,
    machines: Sequence[Machine],
    accidents: Accidents,
    placement: Placement,
    **more: Any,
) -> Played:
    """Play one simulation; `Simulation` documents what else it takes."""
    return Simulation(workload, machines, accidents, placement, **more).play()


def _batch(graph: Graph, define: Define) -> Batch:
    tasks = [AddTask(define(job)) for job in graph.jobs.values()]
    return Batch((*tasks, *(AddDependency(Dependency(*edge)) for edge in graph.edges)))
