"""Lives of a simulated fabric, with faults: how many a minute, and that none goes wrong."""

from __future__ import annotations

import time
from collections import Counter

from constellation.testing.simulation import Violation, play, tell

from .harness import Options, Report, summarise


def run(options: Options) -> Report:
    """Play; ``--seeds N`` says how many lives, ``--set first=N`` from which seed on."""
    seeds = int(options.extra.get("seeds", options.size(3_000, 100)))
    first = int(options.extra.get("first", 0))
    faults: Counter[str] = Counter()
    started = steps = 0
    wrong: list[str] = []
    minutes: list[float] = []
    tenth = max(1, seeds // 10)
    for begin in range(first, first + seeds, tenth):
        began = time.perf_counter()
        part = range(begin, min(begin + tenth, first + seeds))
        for seed in part:
            story = tell(seed)
            faults.update(fault.kind for fault in story.faults)
            try:
                life = play(story)
            except Violation as violation:
                wrong.append(f"{seed}: {violation}")
                continue
            started += life.checker.started
            steps += life.world.steps
        minutes.append(60 * len(part) / (time.perf_counter() - began))
    report = Report()
    rate = summarise(minutes)
    table = report.table("Simulated lives", "", "")
    table.add_row("lives", f"{seeds:,}")
    table.add_row("lives a minute", str(rate))
    table.add_row("attempts begun", f"{started:,}")
    table.add_row("steps", f"{steps:,}")
    for kind, count in sorted(faults.items()):
        table.add_row(f"fault: {kind}", f"{count:,}")
    table.add_row("lives that went wrong", str(len(wrong)))
    report.data = {
        "lives": seeds,
        "lives_per_minute": rate.median,
        "attempts": started,
        "steps": steps,
        "faults": dict(faults),
        "wrong": wrong,
    }
    report.notes += wrong[:10] or ["Each life is judged by what devices did and the journal says."]
    return report
