"""Every rule on every workload under every condition, over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Options, Report
from constellation.errors import ConfigError

from .fleet import CONDITIONS
from .instance import instance
from .model import Workload
from .recording import read_journal
from .rules import DEFAULT, RULES
from .statistics import Median, median_of
from .workloads import WORKLOADS

# Seeds from here on are for learning alone; those that are tested lie below.
LEARNING = 1_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """One workload under one condition with one seed.

    Attributes:
        workload, condition, seed: which.
        bound_s: no schedule is shorter.
        makespans_s: by rule.
    """

    workload: str
    condition: str
    seed: int
    bound_s: float
    makespans_s: dict[str, float]


def run(options: Options) -> Report:
    """Play; see the package for what can be set."""
    extra = options.extra
    seeds = int(extra.get("seeds", options.size(40, 2)))
    first = int(extra.get("first", 0))
    if not 0 <= first < first + seeds <= LEARNING:
        raise ConfigError(f"The seeds of the test lie from 0 to {LEARNING - 1:,}.")
    journal = Path(extra["journal"]) if "journal" in extra else None
    names = ["journal"] if journal is not None else _chosen(extra.get("only", ""))
    recorded = read_journal(journal) if journal is not None else ()
    cases = []
    for name in names:
        for seed in range(first, first + seeds):
            cases += play_cases(name, seed, recorded or WORKLOADS[name](seed))
    return _report(cases, seeds)


def _chosen(prefix: str) -> list[str]:
    names = [name for name in WORKLOADS if name.lower().startswith(prefix.lower())]
    if not names:
        raise ConfigError(f"No workload is called {prefix!r}; there are {', '.join(WORKLOADS)}.")
    return names


def play_cases(name: str, seed: int, workload: Workload) -> list[Case]:
    """One workload and its devices under every condition, by every rule."""
    before = WORKLOADS[name](LEARNING + seed) if name in WORKLOADS else workload
    found = instance(seed, workload, before)
    cases = []
    for condition in CONDITIONS:
        makespans_s = {
            rule_name: found.makespan_s(rule, condition) for rule_name, rule in RULES.items()
        }
        cases.append(Case(name, condition, seed, found.bound_s, makespans_s))
    return cases


# ── what is told ────────────────────────────────────────────────────────────────────────────────


def _report(cases: Sequence[Case], seeds: int) -> Report:
    report = Report()
    workloads = list(dict.fromkeys(case.workload for case in cases))
    for condition in CONDITIONS:
        title = f"Makespan over the lower bound: {condition}, {seeds} seeds"
        table = report.table(title, "", *workloads)
        of_condition = report.data.setdefault(condition, {})
        for rule in RULES:
            row = {name: _over_bound(_of(cases, name, condition), rule) for name in workloads}
            table.add_row(rule, *map(str, row.values()))
            of_condition[rule] = {name: each.to_plain() for name, each in row.items()}
    table = report.table(f"Makespan beside that of {DEFAULT}, all workloads", "", *CONDITIONS)
    beside = report.data["beside default"] = {}
    for rule in RULES:
        if rule == DEFAULT:
            continue
        ratios = {
            condition: median_of(
                [
                    case.makespans_s[rule] / case.makespans_s[DEFAULT]
                    for case in cases
                    if case.condition == condition
                ]
            )
            for condition in CONDITIONS
        }
        table.add_row(rule, *map(str, ratios.values()))
        beside[rule] = {name: each.to_plain() for name, each in ratios.items()}
    report.notes += [
        "Medians with 95 % intervals over seeds; each seed draws jobs, devices and accidents.",
        "The bound is the longest path on the best devices, or all work on all devices; it knows "
        "of no accident, so that 1 is out of reach.",
    ]
    return report


def _of(cases: Sequence[Case], workload: str, condition: str) -> list[Case]:
    return [case for case in cases if (case.workload, case.condition) == (workload, condition)]


def _over_bound(cases: Sequence[Case], rule: str) -> Median:
    return median_of([case.makespans_s[rule] / case.bound_s for case in cases])
