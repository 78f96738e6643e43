"""One workload on its devices, with what the hub has learned of them before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from constellation.orchestrator.placement import EarliestFinish

from .bounds import lower_bound_s
from .fleet import accidents, fleet
from .model import Accidents, Machine, Workload
from .rules import Rule
from .simulator import play


@dataclass(frozen=True, slots=True)
class Instance:
    """What a rule is tried on.

    Attributes:
        seed: of the devices and of what goes wrong.
        bound_s: no schedule is shorter.
        learned: durations, for a rule that may know of them.
    """

    seed: int
    workload: Workload
    machines: tuple[Machine, ...]
    bound_s: float
    learned: Mapping[str, Any]

    def makespan_s(self, rule: Rule, condition: str) -> float:
        """How long a rule takes under a condition of `CONDITIONS`."""
        placement, define = rule.prepare(self.workload, self.machines, self.learned)
        return play(
            self.workload,
            self.machines,
            accidents(condition, self.seed, self.machines, self.bound_s),
            placement,
            settings=rule.settings,
            define=define,
            learned=self.learned if rule.warm else None,
            seed=self.seed,
        ).makespan_s


def instance(seed: int, workload: Workload, before: Workload) -> Instance:
    """Draw the devices, and let the hub learn from a workload that came before."""
    kinds = {job.kind for graph in (*workload, *before) for job in graph.jobs.values()}
    machines = tuple(fleet(seed, kinds))
    learned = play(before, machines, Accidents(), EarliestFinish()).learned
    return Instance(seed, workload, machines, lower_bound_s(workload, machines), learned)
