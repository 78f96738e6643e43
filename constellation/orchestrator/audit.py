"""The audit log: who connected, paired, submitted, edited, approved or was refused what, and when.

A line of JSON for each entry, in a file that is only ever appended to. Each carries the SHA-256 of
the one before and of itself, so that none can be changed, left out or moved without breaking the
chain; a file beside it, the head, says which entry was last, so that none can be cut off at the
end. Whoever may write both files may forge both: compare the head with one noted down elsewhere.

Arguments of tasks are not in it: they may be secret, and the journal has them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from constellation.errors import JournalError

AUDIT_FILE = "audit.jsonl"
HEAD_FILE = "audit.head"
NONE_BEFORE = "0" * 64
# What an entry says that was made because the files did not agree.
BROKEN = "broken"


class Head(NamedTuple):
    """The last entry: its number, from 1, and its hash."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"

    @classmethod
    def read(cls, text: str) -> Head:
        """Read it as it was printed.

        Raises:
            ValueError: it is none.
        """
        number, _, hash = text.strip().partition(":")
        if not number.isdecimal() or len(hash) != 64:
            raise ValueError(f"{text.strip()[:80]!r} is no head of an audit log")
        return cls(int(number), hash)


EMPTY = Head(0, NONE_BEFORE)


class AuditLog:
    """An open audit log, with one writer.

    What a crash left unfinished is mended; whatever else does not agree with the head is told in an
    entry of its own, which stays: it was not a crash.

    Args:
        folder: the hub's state directory.
        now: Unix seconds.

    Attributes:
        head: the last entry.

    Raises:
        JournalError: the files cannot be read or written.
    """

    def __init__(self, folder: Path, now: float) -> None:
        self._path = folder / AUDIT_FILE
        self._before = ""
        flags = os.O_RDWR | os.O_CREAT
        try:
            self._log = os.open(self._path, flags | os.O_APPEND, 0o600)
            self._head = os.open(folder / HEAD_FILE, flags, 0o600)
            noted = _read_head(folder)
            self.head = self._last_entry()
        except OSError as error:
            raise self._complaint(error) from error
        # A crash between the two writes leaves the head one behind.
        torn = self.head.number == noted.number + 1 and self._before == noted.hash
        if self.head != noted and not torn:
            found, expected = str(self.head), str(noted)
            self.note(now, BROKEN, "", found=found, expected=expected)

    def _last_entry(self) -> Head:
        """The last whole line; what a crash left of another one is cut off."""
        end = os.lseek(self._log, 0, os.SEEK_END)
        start, tail = end, b""
        while start > 0 and tail.count(b"\n") < 2:
            step = min(start, 65_536)
            start -= step
            tail = os.pread(self._log, step, start) + tail
        whole, newline, rest = tail.rpartition(b"\n")
        if rest:
            os.ftruncate(self._log, end - len(rest))
        if not newline:
            return EMPTY
        line = whole.rpartition(b"\n")[2]
        try:
            entry = json.loads(line)
            self._before = str(entry["before"])
            return Head(int(entry["number"]), str(entry["hash"]))
        except (ValueError, KeyError, TypeError):
            return Head(0, "unreadable".ljust(64, "-"))

    def note(self, now: float, what: str, who: str, **about: Any) -> None:
        """Append an entry.

        Args:
            now: Unix seconds.
            what: happened, such as ``submit`` or ``refused``.
            who: the name of the credential; empty for nobody known.
            about: plain data.

        Raises:
            JournalError: it cannot be written.
        """
        entry = {
            "number": self.head.number + 1,
            "time": round(now, 3),
            "what": what,
            "who": who,
            **about,
            "before": self.head.hash,
        }
        hash = hash_of(entry)
        head = Head(self.head.number + 1, hash)
        try:
            _write_all(self._log, _line({**entry, "hash": hash}))
            os.pwrite(self._head, f"{head.number:020d}:{head.hash}\n".encode(), 0)
        except OSError as error:
            raise self._complaint(error) from error
        self.head = head

    def close(self) -> None:
        """Bring it to the disk, and close it."""
        for handle in (self._log, self._head):
            os.fsync(handle)
            os.close(handle)

    def _complaint(self, error: OSError) -> JournalError:
        return JournalError(
            f"The audit log {self._path} cannot be written: {error.strerror}.",
            remedy="Free disk space, or let the hub's user write there; then start the hub again.",
            path=str(self._path),
        )


def hash_of(entry: Mapping[str, Any]) -> str:
    """The hash of an entry, over all of it but the hash itself."""
    plain = {key: value for key, value in entry.items() if key != "hash"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _line(entry: Mapping[str, Any]) -> bytes:
    # Escaped, so that no text in it can begin a line.
    return json.dumps(entry).encode() + b"\n"


def entries(folder: Path) -> Iterator[dict[str, Any]]:
    """Every entry that can be read, the oldest first.

    Raises:
        JournalError: there is no audit log.
    """
    for line in _lines(folder):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


class Verdict(NamedTuple):
    """What checking an audit log found.

    Attributes:
        number: of entries that were read.
        head: the last of them.
        findings: what is wrong, a sentence each.
    """

    number: int
    head: Head
    findings: tuple[str, ...]


def verify(folder: Path, known: Head | None = None) -> Verdict:
    """Check every entry of an audit log; a hub may be writing it meanwhile.

    Args:
        folder: the hub's state directory.
        known: a head that was noted down elsewhere, of this log.

    Raises:
        JournalError: there is no audit log.
    """
    noted = _read_head(folder)
    wanted = {noted.number, 0 if known is None else known.number}
    hashes: dict[int, str] = {0: NONE_BEFORE}
    findings: list[str] = []
    before, number, line_number = NONE_BEFORE, 0, 0
    for line_number, line in enumerate(_lines(folder), 1):
        try:
            entry = json.loads(line)
            found = int(entry["number"])
            claimed, previous = str(entry["hash"]), str(entry["before"])
        except (ValueError, KeyError, TypeError):
            findings.append(f"Line {line_number} is no entry.")
            continue
        if hash_of(entry) != claimed or _line(entry) != line:
            findings.append(f"Entry {found} was changed.")
        if found != number + 1 or previous != before:
            findings.append(f"Entry {found} does not follow entry {number}.")
        if entry.get("what") == BROKEN:
            findings.append(
                f"Entry {found}: when the hub started, the log ended with {entry.get('found')}, "
                f"and the head said {entry.get('expected')}."
            )
        before, number = claimed, found
        if found in wanted:
            hashes[found] = claimed
    for what, head in (("The head", noted), ("The head that you know", known)):
        if head is not None and hashes.get(head.number) != head.hash:
            lost = head.number > number
            wrong = f"ends before it, with {number}" if lost else "has another one there"
            findings.append(f"{what} is entry {head.number}, and the log {wrong}.")
    return Verdict(line_number, Head(number, before), tuple(findings))


def _lines(folder: Path) -> Iterator[bytes]:
    path = folder / AUDIT_FILE
    try:
        with path.open("rb") as file:
            for line in file:
                # A hub is writing one, or a crash left a part of it.
                if line.endswith(b"\n"):
                    yield line
    except OSError as error:
        raise JournalError(
            f"The audit log {path} cannot be read: {error.strerror}.", path=str(path)
        ) from error


def _read_head(folder: Path) -> Head:
    try:
        return Head.read((folder / HEAD_FILE).read_text("ascii", "replace"))
    except (FileNotFoundError, ValueError):
        return EMPTY


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
