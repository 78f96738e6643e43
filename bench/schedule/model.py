"""What is scheduled, on what, and what goes wrong meanwhile: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """A task to be.

    Attributes:
        id: unique in its graph.
        kind: the skill that it calls; how well a device does is a matter of the kind.
        work_s: seconds that it takes at speed 1.
    """

    id: str
    kind: str
    work_s: float


@dataclass(frozen=True, slots=True)
class Graph:
    """Jobs, and which of them wait for which: one constellation.

    Attributes:
        jobs: by id, each after those that it waits for.
        edges: (source, target) by id.
    """

    jobs: Mapping[str, Job]
    edges: tuple[tuple[str, str], ...]

    def sources(self) -> dict[str, list[str]]:
        """What each job waits for."""
        found: dict[str, list[str]] = {id: [] for id in self.jobs}
        for source, target in self.edges:
            found[target].append(source)
        return found


Workload = tuple[Graph, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """A device to be.

    Attributes:
        name: unique.
        type: such as ``linux``; a rule may assign by it.
        capacity: how many jobs it takes at once, each at full speed.
        speeds: by kind of job.
        delay_s: of a message, one way.
    """

    name: str
    type: str
    capacity: int
    speeds: Mapping[str, float]
    delay_s: float

    def takes_s(self, job: Job) -> float:
        """How long a job takes here if nothing goes wrong."""
        return job.work_s / self.speeds[job.kind]


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which something is wrong with a machine, seconds from the beginning."""

    machine: str
    begins_s: float
    ends_s: float


@dataclass(frozen=True, slots=True)
class Accidents:
    """What goes wrong.

    Attributes:
        straggling: share of the attempts that take `STRAGGLES` times as long.
        outages: machines are dead, and forget what they had.
        absences: machines are away, and said so before: they finish what they had, and take leave.
            One that is away from the beginning has not come yet.
        sick: machines fail whatever they are given, at once.
    """

    straggling: float = 0.0
    outages: tuple[Spell, ...] = ()
    absences: tuple[Spell, ...] = ()
    sick: tuple[Spell, ...] = ()


# How many times longer a straggler takes, and after how long a sick machine fails.
STRAGGLES = 8.0
FAILS_AFTER_S = 0.2
