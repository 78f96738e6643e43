"""What all benches share: options, interleaved repetitions, medians with their spread, reports."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import psutil
from rich import box
from rich.table import Table

K = TypeVar("K")
T = TypeVar("T")

LIBRARIES = ("websockets", "msgpack", "pydantic", "uvloop", "networkx", "distributed", "ray")


@dataclass(frozen=True, slots=True)
class Options:
    """How a bench is run.

    Attributes:
        quick: small sizes and few repetitions: to see that it works, not to quote from.
        repetitions: how often each case is measured; None for the bench's own number.
        peers: also run the peers, if they are installed.
        extra: the bench's own options, as given with ``--set KEY=VALUE``.
    """

    quick: bool = False
    repetitions: int | None = None
    peers: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)

    def times(self, usual: int) -> int:
        """How often to measure each case."""
        return self.repetitions or (1 if self.quick else usual)

    def size(self, usual: int, quick: int) -> int:
        """How much to do."""
        return quick if self.quick else usual


@dataclass(slots=True)
class Report:
    """What a bench found.

    Attributes:
        data: for programs: nested plain data.
        tables: for people.
        notes: what to keep in mind when reading them, one sentence each.
    """

    data: dict[str, Any] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self, title: str, *columns: str) -> Table:
        """Add a table: the first column to the left, figures to the right."""
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for index, column in enumerate(columns):
            table.add_column(column, justify="left" if index == 0 else "right")
        self.tables.append(table)
        return table


@dataclass(frozen=True, slots=True)
class Summary:
    """Several measurements of one thing: the median, and the least and the most."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        if self.least == self.most:
            return figure(self.median)
        return f"{figure(self.median)} ({figure(self.least)}–{figure(self.most)})"

    def to_plain(self) -> dict[str, float]:
        """As plain data."""
        return {"median": self.median, "min": self.least, "max": self.most}


def summarise(values: Sequence[float]) -> Summary:
    """The median of some measurements, with their spread."""
    return Summary(statistics.median(values), min(values), max(values))


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which a share ``q`` of the values lies; values need not be sorted."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def interleave(cases: Mapping[K, Callable[[], T]], repetitions: int) -> dict[K, list[T]]:
    """Measure every case in turn, again and again.

    So a machine that is slow for a while is slow for all of them, and their ratios hold.
    """
    found: dict[K, list[T]] = {name: [] for name in cases}
    for _ in range(repetitions):
        for name, measure in cases.items():
            found[name].append(measure())
    return found


def figure(value: float) -> str:
    """A number with three digits that matter, and commas between thousands."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def circumstances() -> dict[str, Any]:
    """The machine, the versions and the load: what a figure means little without."""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "cpus": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "commit": _commit(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
