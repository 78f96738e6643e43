"""The audit log: who connected, paired, submitted, edited, approved or was refused what, and when.

A line of JSON for each entry, in a file that is only ever appended to. Each carries the SHA-256 of
the one before and of itself, so that none can be changed, left out or moved without breaking the
chain; a file beside it, the head, says which entry was last, so that none can be cut off at the
end. Whoever may write both files may forge both: compare the head with one noted down elsewhere.

A file that has grown large is put aside under a name that says with which entry it ends, and the
chain goes on in a fresh one.

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
# Files that were put aside, by the number of their last entry.
ASIDE = "audit-{:012d}.jsonl"
ASIDE_FILES = "audit-????????????.jsonl"
FILE_BYTES = 64 * 1024 * 1024
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
        file_bytes: a file of that size is put aside before the next entry.

    Attributes:
        head: the last entry.

    Raises:
        JournalError: the files cannot be read or written.
    """

    def __init__(self, folder: Path, now: float, file_bytes: int = FILE_BYTES) -> None:
        self._path = folder / AUDIT_FILE
        self._before = ""
        self._file_bytes = file_bytes
        try:
            self._log = self._open()
            self._head = os.open(folder / HEAD_FILE, os.O_RDWR | os.O_CREAT, 0o600)
            noted = _read_head(folder)
            self.head = self._last_entry(self._log)
            self._size = os.fstat(self._log).st_size
            if not self._size:
                # The one before was put aside, and nothing was noted since.
                self.head = self._last_aside()
        except OSError as error:
            raise self._complaint(error) from error
        # A crash between the two writes leaves the head one behind.
        torn = self.head.number == noted.number + 1 and self._before == noted.hash
        if self.head != noted and not torn:
            found, expected = str(self.head), str(noted)
            self.note(now, BROKEN, "", found=found, expected=expected)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def _last_aside(self) -> Head:
        aside = _aside(self._path.parent)
        if not aside:
            return EMPTY
        log = os.open(aside[-1], os.O_RDWR)
        try:
            return self._last_entry(log)
        finally:
            os.close(log)

    def _put_aside(self) -> None:
        """Go on in a fresh file; whoever has this one open reads on in it."""
        aside = self._path.with_name(ASIDE.format(self.head.number))
        if aside.exists():
            return  # somebody has tampered with the numbers: nothing is overwritten
        os.fsync(self._log)
        self._path.rename(aside)
        os.close(self._log)
        self._log, self._size = self._open(), 0

    def _last_entry(self, log: int) -> Head:
        """The last whole line; what a crash left of another one is cut off."""
        end = os.lseek(log, 0, os.SEEK_END)
        start, tail = end, b""
        while start > 0 and tail.count(b"\n") < 2:
            step = min(start, 65_536)
            start -= step
            tail = os.pread(log, step, start) + tail
        whole, newline, rest = tail.rpartition(b"\n")
        if rest:
            os.ftruncate(log, end - len(rest))
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
        line = _line({**entry, "hash": hash})
        try:
            if self._size >= self._file_bytes:
                self._put_aside()
            _write_all(self._log, line)
            os.pwrite(self._head, f"{head.number:020d}:{head.hash}\n".encode(), 0)
        except OSError as error:
            raise self._complaint(error) from error
        self.head = head
        self._size += len(line)

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


def verify(folder: Path, known: Head | None = None, after: Head = EMPTY) -> Verdict:
    """Check every entry of an audit log, in all of its files; a hub may be writing it meanwhile.

    Args:
        folder: the hub's state directory.
        known: a head that was noted down elsewhere, of this log.
        after: the head of what was moved elsewhere; it begins with the entry after that.

    Raises:
        JournalError: there is no audit log.
    """
    noted = _read_head(folder)
    wanted = {noted.number, 0 if known is None else known.number}
    hashes: dict[int, str] = {0: NONE_BEFORE, after.number: after.hash}
    findings: list[str] = []
    before, number, line_number = after.hash, after.number, 0
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
            findings.append(
                f"Entry {found} does not follow entry {number}."
                if number or found == 1
                else f"The log begins with entry {found}: what was before is not here."
            )
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
        # This one first: if it is put aside meanwhile, it is still the one that is open here.
        with path.open("rb") as latest:
            mine = os.fstat(latest.fileno()).st_ino
            for aside in _aside(folder):
                with aside.open("rb") as file:
                    if os.fstat(file.fileno()).st_ino != mine:
                        yield from file
            for line in latest:
                # A hub is writing one, or a crash left a part of it.
                if line.endswith(b"\n"):
                    yield line
    except OSError as error:
        raise JournalError(
            f"The audit log {path} cannot be read: {error.strerror}.", path=str(path)
        ) from error


def _aside(folder: Path) -> list[Path]:
    """The files that were put aside, the oldest first."""
    return sorted(folder.glob(ASIDE_FILES))


def _read_head(folder: Path) -> Head:
    try:
        return Head.read((folder / HEAD_FILE).read_text("ascii", "replace"))
    except (FileNotFoundError, ValueError):
        return EMPTY


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
