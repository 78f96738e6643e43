"""Plots of success, reaction and delay against d, as SVG; they want the extra `bench`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from agents.robot.sims.world import RATE_HZ

from .grid import Cell, Way
from .play import Delay, Played
from .statistics import Mean

_STEP_MS = 1_000 / RATE_HZ
_MARKS = "osv^Dp*Xh<"


def plotted(
    world: str,
    grid: Mapping[Cell, Sequence[Played]],
    found: Mapping[Cell, Mean],
    ways: Sequence[Way],
    reacting: Sequence[Way],
    delays: Sequence[Delay],
    folder: str,
) -> Path:
    """Draws ``robot-WORLD.svg``: success with its interval, reaction, and delays as planned.

    Args:
        grid: what was played, `found` the means of it.
        ways: of which success is drawn; `reacting` those of which reaction is.
        delays: constant ones.
    """
    # The same figures make the same file.
    with mpl.rc_context({"svg.hashsalt": world, "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(10, 4.0), layout="constrained")
        success, reaction, delay = figure.subplots(1, 3, width_ratios=(2, 1.2, 1.2))
        steps = [each.steps for each in delays]
        for index, way in enumerate(ways):
            means = [found[Cell(world, way, each)] for each in delays]
            style = {"color": f"C{index}", "marker": _MARKS[index], "markersize": 4}
            success.plot(steps, [100 * each.mean for each in means], label=str(way), **style)
            low, high = ([100 * getattr(each, end) for each in means] for end in ("low", "high"))
            success.fill_between(steps, low, high, color=f"C{index}", alpha=0.08)
            if way in reacting:
                most = [
                    max(r for each in grid[Cell(world, way, d)] for r in each.reactions)
                    for d in delays
                ]
                reaction.plot(steps, [_STEP_MS * each for each in most], label=str(way), **style)
        bound = [_STEP_MS * (max(each, 1) + each + 1) for each in steps]
        reaction.plot(steps, bound, "k:", label="K + d + 1")
        _delays(delay, world, grid, reacting[-1], delays)
        _named(success, f"{world}: success", "%", (-3, 103))
        _named(reaction, "reaction, at most", "ms")
        _named(delay, "delay of answers", "control steps")
        # Below the panels: within one it would hide some of the lines.
        lines = success.get_legend_handles_labels()
        figure.legend(*lines, fontsize=7, loc="outside lower left", ncols=5)
        reaction.legend(fontsize=7)
        delay.legend(fontsize=7)
        path = Path(folder) / f"robot-{world}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
    return path


def _delays(
    axes: Any, world: str, grid: Mapping[Cell, Sequence[Played]], way: Way, delays: Sequence[Delay]
) -> None:
    """Planned and measured delays of one way: constant ones, and the lognormal ones there are."""
    jittery = [
        cell.delay for cell in grid if cell.world == world and cell.way == way and cell.delay.sigma
    ]
    for chosen, mark, name in ((delays, "o", "constant"), (jittery, "s", "lognormal")):
        for which, filled in ((1, True), (0, False)):
            taken = [
                [pair[which] for each in grid[Cell(world, way, d)] for pair in each.delays]
                for d in chosen
            ]
            if not taken:
                continue
            middle = np.array([np.median(each) for each in taken])
            low, high = (np.array([np.quantile(each, q) for each in taken]) for q in (0.05, 0.95))
            axes.errorbar(
                [each.steps + 0.25 * (name == "lognormal") + 0.12 * which for each in chosen],
                middle,
                yerr=(middle - low, high - middle),
                fmt=mark,
                markersize=4,
                linewidth=1,
                markerfacecolor=None if filled else "white",
                label=f"{name}, {'taken' if filled else 'planned'}",
            )


def _named(axes: Any, title: str, unit: str, limits: tuple[float, float] | None = None) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("d, control steps")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3)
    if limits:
        axes.set_ylim(limits)
