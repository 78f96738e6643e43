"""Corrections of single actions, alone and on top of the future state, where delays are long."""

from __future__ import annotations

from agents.robot.policies.inputs import Kind
from agents.robot.sims.robot import WORLDS
from bench.harness import Options, Report

from .grid import Cell, Way, play_all
from .play import Delay
from .simulated import seeds_of
from .statistics import mean_of

WAYS = {
    "a2c2": Way("a2c2", Kind.CORRECTED),
    "a2c2 and future state": Way("future-state", Kind.CORRECTED),
}
DELAYS = (Delay(8), Delay(12), Delay(8, 0.4))


def corrections(report: Report, options: Options) -> None:
    """Adds the table; ``--set world=NAME`` takes one world."""
    worlds = [name for name in WORLDS if name == options.extra.get("world", name)]
    delays = DELAYS[:1] if options.quick else DELAYS
    grid = play_all(
        [Cell(world, way, delay) for world in worlds for way in WAYS.values() for delay in delays],
        *seeds_of(options),
    )
    table = report.table(
        "Actions corrected when they are executed: success in % (95 % interval)", "world", *WAYS
    )
    report.data["corrections"] = {}
    for world in worlds:
        for delay in delays:
            means = {
                name: mean_of([each.score for each in grid[Cell(world, way, delay)]])
                for name, way in WAYS.items()
            }
            row = f"{world}, d={delay}"
            table.add_row(row, *(each.percent() for each in means.values()))
            report.data["corrections"][row] = {n: each.to_plain() for n, each in means.items()}
