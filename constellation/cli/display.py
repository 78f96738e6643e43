"""How a run is shown while it goes: a live table on a terminal, lines elsewhere, or nothing.

Progress goes to stderr, so that stdout holds the result alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import anyio
from rich.console import Group
from rich.live import Live
from rich.text import Text

from constellation.telling.text import clean
from constellation.telling.watched import Line, Watched

from .output import console, remark
from .render import counts_text, live_table

REFRESH_S = 0.2
RESERVED_ROWS = 8
REMARK_STYLE = "yellow"


class Display(Protocol):
    """Where a run is shown."""

    def show(self, watched: Watched, lines: Sequence[Line]) -> None:
        """Something happened."""

    def remark(self, text: str) -> None:
        """Tell the person something that did not happen there but here."""

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Leave the terminal to a question meanwhile."""

    async def animate(self) -> None:
        """Keep what moves moving, until canceled."""


class Silent:
    """Shows nothing but remarks: for ``--json``."""

    def show(self, watched: Watched, lines: Sequence[Line]) -> None:
        pass

    def remark(self, text: str) -> None:
        remark(text, REMARK_STYLE)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        yield

    async def animate(self) -> None:
        pass


class Lines(Silent):
    """One plain line for each thing that happens."""

    def show(self, watched: Watched, lines: Sequence[Line]) -> None:
        for line in lines:
            print(line.text, file=sys.stderr, flush=True)


class LiveTable(Silent):
    """A table that is redrawn in place a few times a second, as long as the context is open."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False)
        self._watched: Watched | None = None
        # Durations of running tasks grow on our clock, from the hub's time of the last event.
        self._hub_time = 0.0
        self._seen_at = 0.0

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._draw()
        self._live.stop()

    def show(self, watched: Watched, lines: Sequence[Line]) -> None:
        self._watched = watched
        if lines:
            self._hub_time, self._seen_at = lines[-1].time, time.monotonic()

    def remark(self, text: str) -> None:
        # Above the table: another console would write over it.
        self._console.print(Text(clean(text), style=REMARK_STYLE))

    @contextmanager
    def suspended(self) -> Iterator[None]:
        self._draw()
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    async def animate(self) -> None:
        while True:
            await anyio.sleep(REFRESH_S)
            self._draw()

    def _draw(self) -> None:
        if self._watched is None or not self._live.is_started:
            return
        now = self._hub_time + time.monotonic() - self._seen_at
        rows = max(self._console.height - RESERVED_ROWS, 4)
        graph = self._watched.constellation
        table = live_table(graph, now, self._watched.remarks, rows=rows, width=self._console.width)
        counts = {str(state): count for state, count in graph.counts.items()}
        self._live.update(Group(table, Text(counts_text(counts), style="dim")), refresh=True)


@contextmanager
def open_display(*, as_json: bool) -> Iterator[Display]:
    """The display that fits where we run."""
    if as_json:
        yield Silent()
    elif sys.stderr.isatty():
        with LiveTable() as table:
            yield table
    else:
        yield Lines()
