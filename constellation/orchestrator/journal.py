"""The journal: an append-only record of facts in SQLite, from which a hub is rebuilt.

One hub writes it; anyone may read it at the same time. A commit stores all facts of one wake-up in
as few rows as possible: one row for each stretch of facts about the same constellation.

What a crash can take, by `Sync`:

- ``normal`` (default): WAL without a sync for each commit. Survives a killed process at any
  instruction; a power cut or kernel crash may lose the last commits, never corrupt earlier ones.
- ``full``: a sync for each commit. Survives a power cut as well, as far as the disk keeps its word.
- ``off``: for measurements; a crash of the machine may corrupt the file.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import msgpack

from constellation.errors import JournalError

from .events import Fact

Sync = Literal["normal", "full", "off"]

SCHEMA_VERSION = 1
CHECKPOINT_BYTES = 16 * 1024 * 1024

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY,      -- number of the first fact in the row
    count INTEGER NOT NULL,
    constellation TEXT NOT NULL,
    facts BLOB NOT NULL           -- msgpack [[time, kind, body], …]
);
CREATE INDEX IF NOT EXISTS events_by_constellation ON events (constellation, seq);
CREATE TABLE IF NOT EXISTS snapshots (
    constellation TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,         -- number of the last fact it includes
    ended INTEGER NOT NULL,
    summary BLOB NOT NULL,
    state BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL);
"""


def _pack(value: Any) -> bytes:
    return msgpack.packb(value, use_bin_type=True)  # type: ignore[no-any-return]


def _unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, raw=False, strict_map_key=False)


class Journal:
    """An open journal file.

    Args:
        path: the SQLite file; made if missing unless ``read_only``.
        sync: see the module's docstring.
        read_only: open beside a running hub, for looking only.

    Raises:
        JournalError: the file is no journal, is of a newer version, or another hub writes it.
    """

    def __init__(self, path: Path, *, sync: Sync = "normal", read_only: bool = False) -> None:
        self.path = path
        self.sync = sync
        self._lock: IO[str] | None = None
        self._unflushed_bytes = 0
        try:
            if read_only:
                if not path.is_file():
                    raise JournalError(f"There is no journal at {path}.", path=str(path))
                self._db = sqlite3.connect(
                    f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False
                )
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = _lock(path)
                self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
                path.chmod(0o600)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute(f"PRAGMA synchronous={sync.upper()}")
                # Moving pages from the log into the file takes syncs: `maintain` does it off the
                # path of the commits.
                self._db.execute("PRAGMA wal_autocheckpoint=0")
                self._db.executescript(_SCHEMA)
                self._set_meta("version", SCHEMA_VERSION, only_if_missing=True)
            version = self._meta("version")
            self.seq = self._last_seq()
        except sqlite3.DatabaseError as error:
            self.close()
            raise JournalError(
                f"{path} cannot be used as a journal: {error}.",
                remedy="Name another file, or restore this one from a backup.",
                path=str(path),
            ) from error
        except JournalError:
            self.close()
            raise
        if version != SCHEMA_VERSION:
            self.close()
            raise JournalError(
                f"{path} is a journal of version {version}; this program reads {SCHEMA_VERSION}.",
                path=str(path),
            )

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open a journal for reading, beside a running hub if there is one."""
        return cls(path, read_only=True)

    @property
    def syncs(self) -> bool:
        """True if a commit waits for the disk, and so belongs off the event loop."""
        return self.sync == "full"

    # ── writing ─────────────────────────────────────────────────────────────────────────────────

    def commit(self, facts: Sequence[Fact]) -> int:
        """Write facts in one transaction; return the number of the last one.

        Raises:
            JournalError: nothing was written (disk full, file gone). The caller must not act.
        """
        rows = []
        seq = self.seq
        start = 0
        for end in range(1, len(facts) + 1):
            name = facts[start].constellation
            if end < len(facts) and facts[end].constellation == name:
                continue
            blob = _pack([(fact.time, fact.kind, fact.body) for fact in facts[start:end]])
            rows.append((seq + 1, end - start, name, blob))
            self._unflushed_bytes += len(blob)
            seq += end - start
            start = end
        try:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.rollback()
            raise JournalError(
                f"The journal {self.path} cannot be written: {error}.",
                remedy="Free disk space or mend the file system, then start the hub again.",
                path=str(self.path),
            ) from error
        self.seq = seq
        return seq

    def save_snapshot(
        self,
        constellation: str,
        state: Mapping[str, Any],
        *,
        ended: bool,
        summary: Mapping[str, Any],
    ) -> None:
        """Store the state of one constellation as of the last commit.

        ``summary`` is what listings show, so that they need not read the state.
        """
        blob = _pack(state)
        self._db.execute(
            "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)",
            (constellation, self.seq, ended, _pack(summary), blob),
        )
        self._unflushed_bytes += len(blob)

    def save_learned(self, learned: Mapping[str, Any]) -> None:
        """Store what the scheduler learned of devices and skills."""
        self._set_meta("learned", learned)

    @property
    def wants_maintenance(self) -> bool:
        """True if the write-ahead log has grown enough to be worth folding in."""
        return self._unflushed_bytes > CHECKPOINT_BYTES

    def maintain(self) -> None:
        """Fold the write-ahead log into the file. Safe in another thread while commits go on."""
        self._unflushed_bytes = 0
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def facts(self, constellation: str | None = None, after: int = 0) -> Iterator[tuple[int, Fact]]:
        """Yield ``(number, fact)`` in order, of one constellation or of all, after a number."""
        where = "seq + count > ?" + (" AND constellation = ?" if constellation else "")
        arguments: tuple[Any, ...] = (after + 1, constellation) if constellation else (after + 1,)
        query = f"SELECT seq, constellation, facts FROM events WHERE {where} ORDER BY seq"
        try:
            for first, name, blob in self._db.execute(query, arguments):
                for seq, (time, kind, body) in enumerate(_unpack(blob), first):
                    if seq > after:
                        yield seq, Fact(time, name, kind, body)
        except (sqlite3.DatabaseError, ValueError, msgpack.UnpackException) as error:
            raise JournalError(
                f"The journal {self.path} is damaged: {error}.",
                remedy="Restore it from a backup.",
                path=str(self.path),
            ) from error

    def tail(self) -> Iterator[tuple[int, Fact]]:
        """Yield the facts that no snapshot includes: what a starting hub replays."""
        covered = {
            name: (seq, bool(ended))
            for name, seq, ended in self._db.execute(
                "SELECT constellation, seq, ended FROM snapshots"
            )
        }
        open_seqs = [seq for seq, ended in covered.values() if not ended]
        start = self._meta("replay_from") or 0
        if open_seqs:
            start = min(start, *open_seqs)
        for seq, fact in self.facts(after=start):
            if seq > covered.get(fact.constellation, (0, False))[0]:
                yield seq, fact

    def covered(self) -> None:
        """Note that every open constellation has a snapshot: replay may start after this commit."""
        self._set_meta("replay_from", self.seq)

    def open_snapshots(self) -> Iterator[dict[str, Any]]:
        """Yield the stored states of constellations that had not ended."""
        for (blob,) in self._db.execute(
            "SELECT state FROM snapshots WHERE NOT ended ORDER BY constellation"
        ):
            yield _unpack(blob)

    def snapshot(self, constellation: str) -> dict[str, Any] | None:
        """The stored state of one constellation, or None."""
        row = self._db.execute(
            "SELECT state FROM snapshots WHERE constellation = ?", (constellation,)
        ).fetchone()
        return None if row is None else _unpack(row[0])

    def summaries(self) -> list[dict[str, Any]]:
        """The summaries of all ended constellations, oldest first."""
        rows = self._db.execute("SELECT summary FROM snapshots WHERE ended ORDER BY seq")
        return [_unpack(blob) for (blob,) in rows]

    def known(self, constellation: str) -> bool:
        """True if any fact about this constellation was ever written."""
        row = self._db.execute(
            "SELECT 1 FROM events WHERE constellation = ? LIMIT 1", (constellation,)
        ).fetchone()
        return row is not None

    def learned(self) -> dict[str, Any] | None:
        """What `save_learned` stored last."""
        return self._meta("learned")  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if hasattr(self, "_db"):
            self._db.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _last_seq(self) -> int:
        row = self._db.execute(
            "SELECT seq + count - 1 FROM events ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _meta(self, key: str) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else _unpack(row[0])

    def _set_meta(self, key: str, value: Any, *, only_if_missing: bool = False) -> None:
        verb = "IGNORE" if only_if_missing else "REPLACE"
        self._db.execute(f"INSERT OR {verb} INTO meta VALUES (?, ?)", (key, _pack(value)))


def _lock(path: Path) -> IO[str]:
    lock = path.with_name(path.name + ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise JournalError(
            f"Another hub is writing {path}.",
            remedy="Stop it, or give this one its own --state-dir.",
            path=str(path),
        ) from None
    return lock
