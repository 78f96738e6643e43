"""A journal in memory that survives its hub, and a disk that may be full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgpack

from constellation.errors import JournalError
from constellation.orchestrator.events import Fact
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.settings import Settings

from .spools import MemorySpools


class MemoryJournal:
    """What `constellation.orchestrator.journal` is to a real hub.

    A commit is written wholly or not at all, as SQLite has it.

    Attributes:
        full: True while the disk takes nothing.
        spools: what tasks put out, which is on the same disk and no part of the journal.
    """

    def __init__(self, settings: Settings) -> None:
        self.full = False
        self.spools = MemorySpools()
        self._settings = settings
        self._rows: dict[str, list[bytes]] = {}
        self._snapshots: dict[str, tuple[int, bytes]] = {}
        self._open: dict[str, bool] = {}
        self._learned: Mapping[str, Any] | None = None

    def commit(self, facts: Sequence[Fact]) -> None:
        """Write facts.

        Raises:
            JournalError: the disk is full; nothing was written.
        """
        if self.full:
            raise JournalError("The disk is full.")
        for fact in facts:
            self._write(fact)

    def _write(self, fact: Fact) -> None:
        rows = self._rows.setdefault(fact.constellation, [])
        rows.append(msgpack.packb((fact.time, fact.kind, fact.body)))
        if fact.kind in ("created", "reopened"):
            self._open[fact.constellation] = True
        elif fact.kind == "ended":
            self._open[fact.constellation] = False

    def known(self, constellation: str) -> bool:
        """True if anything was ever written of it."""
        return constellation in self._rows

    def open_constellations(self) -> list[str]:
        """Those that had not ended, oldest first."""
        return [name for name, is_open in self._open.items() if is_open]

    def replay(self, constellation: str, scheduler: Scheduler) -> None:
        """Have a scheduler take over a constellation."""
        done, snapshot = self._snapshots.get(constellation, (0, b""))
        if done:
            scheduler.restore_run(msgpack.unpackb(snapshot, strict_map_key=False))
        for row in self._rows[constellation][done:]:
            time, kind, body = msgpack.unpackb(row, strict_map_key=False)
            scheduler.restore(Fact(time, constellation, kind, body))

    def read_back(self, constellation: str) -> Mapping[str, Any]:
        """A constellation as its last fact left it, as plain data."""
        scheduler = Scheduler(settings=self._settings)
        self.replay(constellation, scheduler)
        return scheduler.snapshot_run(constellation)

    def save_snapshot(self, constellation: str) -> None:
        """Store the state of a constellation, so that what is before it need not be replayed."""
        snapshot = msgpack.packb(self.read_back(constellation))
        self._snapshots[constellation] = len(self._rows[constellation]), snapshot
