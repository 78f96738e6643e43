"""T90, median and honoured turns against false alarms, as SVG; it wants the extra `bench`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from .interruptions import Figures, Interval
from .judge import RULES, SWEPT, Found
from .mixtures import Condition

_ROWS = {"t90_s": "T90, s", "median_s": "median, s", "honoured": "honoured, %"}
# Rules that are single points.
_MARKS = {"LiveKit's": "s", "Pipecat's": "^"}
_LEAST = 1.0  # % of false alarms; the axis is logarithmic.
_LATEST_S = {"t90_s": 3.0, "median_s": 1.5}


def plotted(heard: Mapping[Condition, Found], folder: str) -> Path:
    """Draws ``voice-barge-in.svg``: a column for each condition."""
    # The same figures make the same file.
    with mpl.rc_context({"svg.hashsalt": "voice", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(12, 6.6), layout="constrained")
        panels = figure.subplots(len(_ROWS), len(heard), sharex=True, sharey="row")
        for column, (condition, found) in enumerate(heard.items()):
            _rules(panels[:, column], found)
            panels[0, column].set_title(str(condition), fontsize=10)
            panels[-1, column].set_xlabel("false, %")
        for (quantity, name), row in zip(_ROWS.items(), panels, strict=True):
            row[0].set_ylabel(name)
            row[0].set_ylim(0, _LATEST_S.get(quantity, 105))
        panels[0, 0].set_xlim(_LEAST, 125)
        panels[0, 0].set_xscale("log")
        panels[0, 0].set_xticks([1, 2, 4, 8, 16, 32, 100], labels=[1, 2, 4, 8, 16, 32, 100])
        panels[0, 0].minorticks_off()
        lines = panels[0, 0].get_legend_handles_labels()
        figure.legend(*lines, loc="outside lower center", ncols=4, fontsize=8)
        path = Path(folder) / "voice-barge-in.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
    return path


def _rules(column: Any, found: Found) -> None:
    for number, (rule, name) in enumerate(SWEPT.items()):
        sweep = found.sweeps[rule]
        line, points = sweep.line(), sweep.points()
        false = [100 * each.figures.false.value for each in points]
        for axes, quantity in zip(column, _ROWS, strict=True):
            scale = 100 if quantity == "honoured" else 1
            drawn = scale * np.where(
                np.isfinite(getattr(line, quantity)), getattr(line, quantity), np.nan
            )
            axes.plot(100 * line.false, drawn, color=f"C{number}", linewidth=1.4, label=name)
            spans: list[Interval] = [getattr(each.figures, quantity) for each in points]
            low, high = (
                # What never comes is beyond the panel.
                [min(scale * getattr(each, end), 1e3) for each in spans]
                for end in ("low", "high")
            )
            axes.fill_between(false, low, high, color=f"C{number}", alpha=0.15, linewidth=0)
            axes.grid(alpha=0.3)
    for number, (rule, mark) in enumerate(_MARKS.items(), len(SWEPT)):
        figures: Figures = found.events[rule].figures()
        for axes, quantity in zip(column, _ROWS, strict=True):
            span = getattr(figures, quantity)
            scale = 100 if quantity == "honoured" else 1
            axes.plot(
                100 * figures.false.value,
                scale * span.value,
                mark,
                color=f"C{number}",
                markersize=5,
                label=RULES[rule],
            )
