"""The journal: an append-only record of facts in SQLite, from which a hub is rebuilt.

One hub writes it; anyone may read it at the same time. A commit stores all facts of one wake-up in
as few rows as possible: a row for each stretch of facts about the same constellation.

A starting hub replays the constellations that had not ended, each from its snapshot if it has one.
What has ended costs a start nothing: its facts stay, and it is rebuilt when somebody looks at it.

What a crash can take, by `Sync`:

- ``normal`` (default): WAL without a sync for each commit. Survives a killed process at any
  instruction; a power cut or kernel crash may lose the last commits, never corrupt earlier ones.
- ``full``: a sync for each commit. Survives a power cut as well, as far as the disk keeps its word.
- ``off``: for measurements; a crash of the machine may corrupt the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import IO, Any, Literal
from zlib import crc32

import msgpack
from anyio import to_thread

from constellation.errors import JournalError

from .events import Fact
from .journal_file import SCHEMA, Complaining, damaged, lock, open_reader, open_writer
from .ports import NOTHING_ENDED, Ended, Saved

Sync = Literal["normal", "full", "off"]

SCHEMA_VERSION = 2
# Whoever reads one fact reads its row.
ROW_FACTS = 500
MAINTAIN_BYTES = 16 * 1024 * 1024
MAINTAIN_FACTS = 20_000

_CONSTELLATION = attrgetter("constellation")
_INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?)"
# The row that holds a number is the last one that begins at or before it.
_ALL_FACTS = """
SELECT seq, constellation, crc, facts FROM events
WHERE seq >= coalesce((SELECT max(seq) FROM events WHERE seq <= :first), 0) ORDER BY seq
"""
_FACTS_OF_ONE = """
SELECT seq, constellation, crc, facts FROM events WHERE constellation = :constellation
AND seq >= coalesce(
    (SELECT max(seq) FROM events WHERE constellation = :constellation AND seq <= :first), 0
) ORDER BY seq
"""


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def _unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, raw=False, strict_map_key=False)


class Journal:
    """An open journal file.

    Args:
        path: the SQLite file; made if missing unless ``read_only``.
        sync: see the module's docstring.
        read_only: open beside a running hub, for looking only.

    Attributes:
        seq: number of the last fact; of a reader, when it was opened.

    Raises:
        JournalError: the file is no journal, is of another version, is damaged, cannot be read or
            written, or another hub writes it.
    """

    def __init__(self, path: Path, *, sync: Sync = "normal", read_only: bool = False) -> None:
        self.path = path
        self.sync = sync
        self.seq = 0
        self._lock: IO[str] | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._unfolded_bytes = 0
        self._unfolded_facts = 0
        # One commit at a time: it may have a packer of its own.
        self._pack_facts: Callable[[Any], bytes] = msgpack.Packer(use_bin_type=True).pack
        try:
            with Complaining(path, "opened"):
                if not read_only:
                    self._prepare()
                self._reader = open_reader(path)
                self._check_version()
                row = self._one("SELECT seq + count - 1 FROM events ORDER BY seq DESC LIMIT 1")
                self.seq = 0 if row is None else int(row[0])
        except JournalError:
            self.close()
            raise

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open a journal for reading, beside a running hub if there is one."""
        return cls(path, read_only=True)

    @property
    def syncs(self) -> bool:
        """True if a commit waits for the disk, and so belongs off the event loop."""
        return self.sync == "full"

    def _prepare(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = lock(self.path)
        self._writer = open_writer(self.path, self.sync)
        if self._writer.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
            # All or nothing: whoever is killed here leaves an empty file, not half a journal.
            self._writer.executescript(f"BEGIN; {SCHEMA}")
            _set_meta(self._writer, "version", SCHEMA_VERSION)
            self._writer.execute("COMMIT")

    def _check_version(self) -> None:
        version = self._meta("version")
        if version != SCHEMA_VERSION:
            raise JournalError(
                f"{self.path} is a journal of version {version}; this program reads "
                f"{SCHEMA_VERSION}.",
                remedy="Use the program that wrote it, or another --state-dir.",
                path=str(self.path),
            )

    # ── writing ─────────────────────────────────────────────────────────────────────────────────

    def commit(self, facts: Sequence[Fact], ended: Ended = NOTHING_ENDED) -> int:
        """Write facts in one transaction; return the number of the last one.

        Args:
            facts: in the order in which they were made.
            ended: of each constellation that ended with them, what listings show of it; None if it
                had ended and goes on.

        Raises:
            JournalError: nothing was written (disk full, file gone). The caller must not act.
        """
        rows, created = [], []
        seq = self.seq
        for name, group in groupby(facts, _CONSTELLATION):
            plain = [(fact.time, fact.kind, fact.body) for fact in group]
            if plain[0][1] == "created":
                created.append((name, seq + 1))
            for start in range(0, len(plain), ROW_FACTS):
                part = plain[start : start + ROW_FACTS]
                blob = self._pack_facts(part)
                rows.append((seq + 1, len(part), name, crc32(blob), blob))
                self._unfolded_bytes += len(blob)
                seq += len(part)
        with Complaining(self.path, "written"):
            self._write(rows, created, ended)
        self._unfolded_facts += seq - self.seq
        self.seq = seq
        return seq

    async def secure(self, facts: Sequence[Fact], ended: Ended = NOTHING_ENDED) -> int:
        """Like `commit`, in a thread: for a commit that waits for the disk."""
        return await to_thread.run_sync(self.commit, facts, ended)

    def _write(
        self,
        rows: list[tuple[int, int, str, int, bytes]],
        created: list[tuple[str, int]],
        ended: Ended,
    ) -> None:
        db = self._writing()
        if len(rows) == 1 and not created and not ended:
            # One statement is a transaction already.
            db.execute(_INSERT, rows[0])
            return
        db.execute("BEGIN")
        try:
            db.executemany(_INSERT, rows)
            db.executemany("INSERT INTO constellations (id, created) VALUES (?, ?)", created)
            db.executemany(
                "UPDATE constellations SET summary = ? WHERE id = ?",
                [(summary and _pack(summary), name) for name, summary in ended.items()],
            )
            db.execute("COMMIT")
        except sqlite3.Error:
            if db.in_transaction:
                db.rollback()
            raise

    @property
    def wants_maintenance(self) -> bool:
        """True if so much was written that `maintain` is worth its while."""
        return self._unfolded_bytes > MAINTAIN_BYTES or self._unfolded_facts > MAINTAIN_FACTS

    def maintain(self, learned: Mapping[str, Any]) -> None:
        """Fold the write-ahead log into the file, and store what the scheduler has learned.

        It may run in another thread while commits go on.

        Raises:
            JournalError: the file cannot be written.
        """
        self._unfolded_bytes = self._unfolded_facts = 0
        with Complaining(self.path, "written"), closing(open_writer(self.path, self.sync)) as db:
            _set_meta(db, "learned", learned)
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def save_snapshot(self, constellation: str, state: Mapping[str, Any], seq: int) -> None:
        """Store the state of an open constellation after the fact of that number.

        It may run in another thread while commits go on. Snapshots only save time: without them
        the same is replayed from the first fact on.

        Raises:
            JournalError: the file cannot be written.
        """
        row = (constellation, seq, _pack(state))
        with Complaining(self.path, "written"), closing(open_writer(self.path, self.sync)) as db:
            db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", row)

    def reader(self) -> Journal:
        """Open the same file for reading, for another thread."""
        return Journal.open(self.path)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def facts(self, constellation: str | None = None, after: int = 0) -> Iterator[tuple[int, Fact]]:
        """Yield ``(number, fact)`` in order, of one constellation or of all, after a number.

        Raises:
            JournalError: the journal is damaged.
        """
        query = _ALL_FACTS if constellation is None else _FACTS_OF_ONE
        arguments = {"constellation": constellation, "first": after + 1}
        with Complaining(self.path, "read"):
            for first, name, crc, blob in self._reading().execute(query, arguments):
                if crc32(blob) != crc:
                    raise damaged(self.path, f"the row of fact {first} is not what was written")
                for seq, (time, kind, body) in enumerate(_unpack(blob), first):
                    if seq > after:
                        yield seq, Fact(time, name, kind, body)

    def open_constellations(self) -> list[str]:
        """The ids of constellations that had not ended, oldest first."""
        query = "SELECT id FROM constellations WHERE summary IS NULL ORDER BY created"
        return [name for (name,) in self._all(query)]

    def saved(self, constellation: str) -> Saved:
        """The snapshot of a constellation, if there is one.

        Raises:
            JournalError: the journal is damaged.
        """
        row = self._one(
            "SELECT state, seq FROM snapshots WHERE constellation = ?", (constellation,)
        )
        if row is None:
            return Saved(constellation, None, 0)
        return Saved(constellation, self._read(row[0]), row[1])

    def summaries(self, limit: int, owner: str | None = None) -> list[dict[str, Any]]:
        """What listings show of the latest constellations that have ended, oldest first.

        Args:
            owner: leave out what others submitted.
        """
        query = (
            "SELECT summary FROM constellations WHERE summary IS NOT NULL "
            "ORDER BY created DESC LIMIT ?"
        )
        rows = self._all(query, (-1 if owner is not None else limit,))
        found = (self._read(blob) for (blob,) in rows)
        own = (each for each in found if owner is None or each["owner"] == owner)
        return list(islice(own, limit))[::-1]

    def last(self, constellation: str) -> int:
        """Number of the last fact about a constellation; 0 if there is none."""
        query = (
            "SELECT seq + count - 1 FROM events WHERE constellation = ? ORDER BY seq DESC LIMIT 1"
        )
        row = self._one(query, (constellation,))
        return 0 if row is None else int(row[0])

    def known(self, constellation: str) -> bool:
        """True if any fact about this constellation was ever written."""
        return self._one("SELECT 1 FROM constellations WHERE id = ?", (constellation,)) is not None

    def learned(self) -> dict[str, Any] | None:
        """What `maintain` was given last."""
        learned: dict[str, Any] | None = self._meta("learned")
        return learned

    def _meta(self, key: str) -> Any:
        row = self._one("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else self._read(row[0])

    def _read(self, blob: bytes) -> Any:
        try:
            return _unpack(blob)
        except (ValueError, msgpack.UnpackException) as error:
            raise damaged(self.path, str(error)) from error

    def _one(self, query: str, arguments: tuple[Any, ...] = ()) -> Any:
        with Complaining(self.path, "read"):
            return self._reading().execute(query, arguments).fetchone()

    def _all(self, query: str, arguments: tuple[Any, ...] = ()) -> list[Any]:
        with Complaining(self.path, "read"):
            return self._reading().execute(query, arguments).fetchall()

    # ── the file ────────────────────────────────────────────────────────────────────────────────

    def _writing(self) -> sqlite3.Connection:
        if self._writer is None:
            raise JournalError(f"The journal {self.path} is not open for writing.")
        return self._writer

    def _reading(self) -> sqlite3.Connection:
        if self._reader is None:
            raise JournalError(f"The journal {self.path} is closed.")
        return self._reader

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        for connection in (self._reader, self._writer, self._lock):
            if connection is not None:
                connection.close()
        self._reader = self._writer = self._lock = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _set_meta(db: sqlite3.Connection, key: str, value: Any) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, _pack(value)))
