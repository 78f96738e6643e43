"""The rules that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from constellation.graph.task import Requirement, Task
from constellation.orchestrator.placement import EarliestFinish, Fifo, Placement, RoundRobin
from constellation.orchestrator.settings import Settings

from .learned import learned_rule
from .model import Job, Machine, Workload
from .simulator import SETTINGS, Define, any_device

Assign = Callable[[Sequence[Machine]], Define]


class Planned(Placement, Protocol):
    """A policy that makes the tasks as well."""

    def define(self, job: Job) -> Task: ...


Ahead = Callable[[Workload, Mapping[str, Any]], Planned]


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to schedule.

    Attributes:
        placement: makes the policy, anew for each play.
        settings: of the scheduler.
        warm: whether the scheduler has learned durations before.
        assign: for a rule that names a device for each job beforehand.
        ahead: for one that looks at the whole workload, and at what was learned, beforehand; it
            makes the policy then.
    """

    placement: Callable[[], Placement]
    settings: Settings = SETTINGS
    warm: bool = True
    assign: Assign | None = None
    ahead: Ahead | None = None

    def prepare(
        self, workload: Workload, machines: Sequence[Machine], learned: Mapping[str, Any]
    ) -> tuple[Placement, Define]:
        """The policy, and what makes a job a task."""
        if self.ahead is not None:
            planned = self.ahead(workload, learned)
            return planned, planned.define
        define = any_device if self.assign is None else self.assign(machines)
        return self.placement(), define


def first_of_type(machines: Sequence[Machine]) -> Define:
    """Each kind of job has a type of device; all of its jobs go to the first one of that type.

    That is UFO³'s ``capability_match`` (its ``galaxy`` package, ``ConstellationManager``), which
    assigns before anything runs. There a model names the type; here it is the best one.
    """
    first: dict[str, Machine] = {}
    for machine in machines:
        first.setdefault(machine.type, machine)

    def define(job: Job) -> Task:
        best = min(first.values(), key=lambda machine: machine.takes_s(job) / machine.capacity)
        return replace(any_device(job), requirement=Requirement(device=best.name))

    return define


DEFAULT = "rank (default)"
_NEVER = 10**9
RULES: dict[str, Rule] = {
    "first come, first served": Rule(Fifo),
    "round robin": Rule(RoundRobin),
    "capability match, as UFO³": Rule(Fifo, assign=first_of_type),
    DEFAULT: Rule(EarliestFinish),
    "learned, graph network": Rule(EarliestFinish, ahead=learned_rule),
    "rank, never waiting": Rule(partial(EarliestFinish, patient=False)),
    "rank, nothing learned before": Rule(EarliestFinish, warm=False),
    "rank, no racing": Rule(EarliestFinish, replace(SETTINGS, racing=False)),
    "rank, no quarantine": Rule(EarliestFinish, replace(SETTINGS, quarantine_after=_NEVER)),
}
