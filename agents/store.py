"""What an agent must not forget when it dies: attempts begun, and results not yet acknowledged.

A small SQLite file in WAL mode with ``synchronous=NORMAL``: it survives a killed process, not
always a power cut. Folding the log into the file takes syncs and is left to `maintain`, which may
run in a thread.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgpack

from constellation.errors import AgentError, ConfigError

_SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
PRAGMA wal_autocheckpoint=0;
CREATE TABLE IF NOT EXISTS begun (attempt TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
    number INTEGER PRIMARY KEY, attempt TEXT UNIQUE NOT NULL, body BLOB NOT NULL
);
"""
_WRITES_BETWEEN_MAINTENANCE = 2000


class Store:
    """The agent's memory; one process may have it open.

    Args:
        folder: where it lies; made if missing.

    Raises:
        ConfigError: it cannot be opened, or another agent uses it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "attempts.db"
        self._writes = 0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"The agent's folder {folder} cannot be used: {error.strerror}.",
                remedy="Make it writable, or name another one with --state-dir.",
                folder=str(folder),
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._db = sqlite3.connect(self._file, isolation_level=None)
            self._db.executescript(_SCHEMA)
        except BlockingIOError:
            os.close(self._lock)
            raise ConfigError(
                f"Another agent of this name runs on {folder}.",
                remedy="Stop it, or give this one another --name.",
                folder=str(folder),
            ) from None
        except sqlite3.Error as error:
            os.close(self._lock)
            raise self._unreadable(error) from None
        self._file.chmod(0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()
        os.close(self._lock)

    def begun(self) -> list[str]:
        """Attempts that were begun and of which no result is known.

        Raises:
            ConfigError: the file is damaged.
        """
        return [row[0] for row in self._rows("SELECT attempt FROM begun")]

    def results(self) -> list[dict[str, Any]]:
        """The bodies of the results that are not yet acknowledged, oldest first.

        Raises:
            ConfigError: the file is damaged.
        """
        rows = self._rows("SELECT body FROM results ORDER BY number")
        try:
            return [msgpack.unpackb(row[0]) for row in rows]
        except ValueError as error:
            raise self._unreadable(error) from None

    def write(
        self,
        *,
        begun: Sequence[str] = (),
        results: Sequence[tuple[str, bytes]] = (),
        acknowledged: Sequence[str] = (),
    ) -> None:
        """Remember what a wake-up brought, in one transaction.

        Args:
            begun: attempts about to run that must not run twice.
            results: attempts that ended, with the packed bodies of their ``result`` messages.
            acknowledged: attempts whose results the hub has secured.

        Raises:
            AgentError: it cannot be written; nothing of it is remembered then.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._write(begun, results, acknowledged)
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise AgentError(
                f"The agent's memory {self._file} cannot be written: {error}.",
                remedy="Make room on the disk; what it holds is handed in at the next start.",
                file=str(self._file),
            ) from error
        self._writes += 1

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"The agent's memory {self._file} cannot be read: {str(error) or 'it is damaged'}.",
            remedy="Move the file away; results that it holds are lost then.",
            file=str(self._file),
        )

    def _write(
        self,
        begun: Sequence[str],
        results: Sequence[tuple[str, bytes]],
        acknowledged: Sequence[str],
    ) -> None:
        if begun:
            rows = [(attempt,) for attempt in begun]
            self._db.executemany("INSERT OR IGNORE INTO begun VALUES (?)", rows)
        if results:
            self._db.executemany(
                "INSERT OR REPLACE INTO results (attempt, body) VALUES (?, ?)", results
            )
            rows = [(attempt,) for attempt, _ in results]
            self._db.executemany("DELETE FROM begun WHERE attempt = ?", rows)
        if acknowledged:
            rows = [(attempt,) for attempt in acknowledged]
            self._db.executemany("DELETE FROM results WHERE attempt = ?", rows)

    @property
    def wants_maintenance(self) -> bool:
        """True once `maintain` would be worth its syncs."""
        return self._writes >= _WRITES_BETWEEN_MAINTENANCE

    def maintain(self) -> None:
        """Fold the log into the file; readers and writers go on meanwhile."""
        self._writes = 0
        with closing(sqlite3.connect(self._file)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
