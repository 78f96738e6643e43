"""Which ready task comes first, and which device gets it: policies behind a small interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from constellation.graph.task import Task

from .device import Device
from .estimates import Estimates
from .health import Condition


class Placement(Protocol):
    """A policy. It may keep state, but must do the same again given the same calls.

    Attributes:
        patient: whether a task may wait for a better device that is busy, see `patience`.
    """

    @property
    def patient(self) -> bool: ...

    def urgency(self, priority: int, rank: float) -> tuple[float, float]:
        """The place of a ready task in its queue: what is smaller comes first.

        The first number is compared between constellations, the second only within one.

        Args:
            priority: of the task and its constellation together.
            rank: expected seconds from its start to the end of everything below it.
        """

    def choose(self, task: Task, devices: Sequence[Device], estimates: Estimates) -> Device:
        """One of the devices that may run a task and have room for it; there is at least one."""


class EarliestFinish:
    """Highest upward rank first, on the device that is expected to finish it earliest.

    The order is that of HEFT (Topcuoglu, Hariri, Wu, 2002), kept up to date while the graph runs.
    A device's expected finish is what it has been seen to need for the skill, stretched by how busy
    it is, plus its link's round trip and the time to fetch the artifacts that it lacks.

    Args:
        fetch_s: expected time to bring one artifact to a device, in seconds.
        contention: how much longer a task is expected to take on a device that is full.
        doubt: factor for a device whose health is degraded.
        patient: see `Placement`.
    """

    def __init__(
        self,
        *,
        fetch_s: float = 0.5,
        contention: float = 1.0,
        doubt: float = 4.0,
        patient: bool = True,
    ) -> None:
        self.patient = patient
        self.fetch_s = fetch_s
        self.contention = contention
        self.doubt = doubt

    def urgency(self, priority: int, rank: float) -> tuple[float, float]:
        return -priority, -rank

    def choose(self, task: Task, devices: Sequence[Device], estimates: Estimates) -> Device:
        best = devices[0]
        if len(devices) == 1:
            return best
        least = float("inf")
        skill, near = task.skill, task.requirement.near
        for device in devices:
            estimate = device.durations.get(skill)
            if estimate is None:
                expected = estimates.expected_on(device.durations, skill)
            else:
                expected = estimate.mean
            capacity = device.card.capacity
            expected *= 1.0 + self.contention * (capacity - device.credit) / capacity
            if device.health.condition is not Condition.WELL:
                expected *= self.doubt
            expected += device.rtt_s
            for artifact in near:
                if artifact not in device.artifacts:
                    expected += self.fetch_s
            if expected < least:
                best, least = device, expected
        return best


class Fifo:
    """First come, first served, on the first device that has room: a baseline to compare with."""

    patient = False

    def urgency(self, priority: int, rank: float) -> tuple[float, float]:
        return 0.0, 0.0

    def choose(self, task: Task, devices: Sequence[Device], estimates: Estimates) -> Device:
        return devices[0]


class RoundRobin:
    """First come, first served, on each device in turn: a baseline to compare with."""

    patient = False

    def __init__(self) -> None:
        self._turn = 0
        self._turns: dict[str, int] = {}

    def urgency(self, priority: int, rank: float) -> tuple[float, float]:
        return 0.0, 0.0

    def choose(self, task: Task, devices: Sequence[Device], estimates: Estimates) -> Device:
        chosen = min(devices, key=lambda device: self._turns.get(device.name, 0))
        self._turn += 1
        self._turns[chosen.name] = self._turn
        return chosen
