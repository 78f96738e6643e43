"""The SQLite file under a journal: how it is opened, locked, folded in and complained about."""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import IO

from constellation.errors import JournalError

BUSY_TIMEOUT_S = 30.0
# Of a new file. A commit writes whole pages with a checksum over each, and most commits are small:
# with SQLite's own 4 KiB one of a single task takes a third longer.
PAGE_BYTES = 1024

SCHEMA = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,      -- number of the first fact in the row
    count INTEGER NOT NULL,
    constellation TEXT NOT NULL,
    crc INTEGER NOT NULL,         -- CRC-32 of facts
    facts BLOB NOT NULL           -- msgpack [[time, kind, body], …]
);
CREATE INDEX events_by_constellation ON events (constellation, seq);
CREATE TABLE constellations (
    id TEXT PRIMARY KEY,
    created INTEGER NOT NULL,     -- number of its first fact
    summary BLOB                  -- NULL until it ends
);
CREATE INDEX open_constellations ON constellations (created) WHERE summary IS NULL;
CREATE INDEX ended_constellations ON constellations (created) WHERE summary IS NOT NULL;
CREATE TABLE snapshots (
    constellation TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,         -- number of the last fact that it includes
    state BLOB NOT NULL
);
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL);
"""

_NOT_WRITABLE = "Let the hub's user write there, or name another --state-dir."
_REMEDIES = {
    sqlite3.SQLITE_FULL: "Free disk space, then start the hub again.",
    sqlite3.SQLITE_IOERR: "Free disk space or mend the disk, then start the hub again.",
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_CORRUPT: "Restore it from a backup, or start with another --state-dir.",
    sqlite3.SQLITE_NOTADB: "Name another file, or restore this one from a backup.",
}


def open_writer(path: Path, sync: str) -> sqlite3.Connection:
    """Open the file for the one who writes it; made if missing, readable for its owner alone."""
    db = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S
    )
    path.chmod(0o600)
    db.execute(f"PRAGMA page_size={PAGE_BYTES}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={sync.upper()}")
    # Moving pages from the log into the file takes syncs: that is done beside the commits.
    db.execute("PRAGMA wal_autocheckpoint=0")
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the file for looking: sees what is committed, and never waits for the writer."""
    if not path.is_file():
        raise JournalError(f"There is no journal at {path}.", path=str(path))
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)


def lock(path: Path) -> IO[str]:
    """Keep other hubs from writing; the lock goes with the process, however it ends.

    Raises:
        JournalError: another hub holds it.
    """
    file = path.with_name(path.name + ".lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise JournalError(
            f"Another hub is writing {path}.",
            remedy="Stop it, or give this one its own --state-dir.",
            path=str(path),
        ) from None
    return file


class Complaining:
    """A ``with`` block that turns errors of SQLite and the file system into `JournalError`.

    Args:
        path: of the journal.
        what: it cannot be that, such as ``written``.
    """

    __slots__ = ("_path", "_what")

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, sqlite3.DatabaseError):
            # The low byte is the primary code; those that Python itself raises have none.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            remedy = _REMEDIES.get(code, _REMEDIES[sqlite3.SQLITE_CORRUPT])
            raise self._complaint(str(error), remedy) from error
        if isinstance(error, OSError):
            raise self._complaint(error.strerror or str(error), _NOT_WRITABLE) from error

    def _complaint(self, why: str, remedy: str) -> JournalError:
        message = f"The journal {self._path} cannot be {self._what}: {why}."
        return JournalError(message, remedy=remedy, path=str(self._path))


def damaged(path: Path, why: str) -> JournalError:
    """The error of a journal that holds what was never written so."""
    return JournalError(
        f"The journal {path} is damaged: {why}.",
        remedy=_REMEDIES[sqlite3.SQLITE_CORRUPT],
        path=str(path),
    )
