"""What a task puts out while it runs, on disk: a line for each item, in files of bounded size.

It outlives the hub's process, so that a hub that was killed goes on where it was. It is no part of
the journal: what is in it follows from running the task again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple, Protocol
from urllib.parse import quote

from constellation.aip.items import MAX_ITEM_BYTES
from constellation.errors import JournalError, LimitExceeded

SEGMENT_BYTES = 8 * 1024 * 1024
BLOCK_BYTES = 64 * 1024


class SpoolPort(Protocol):
    """The lines of one stream; see `Spool`."""

    @property
    def items(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def size(self) -> int: ...

    def write(self, data: bytes) -> int: ...

    def forget_partial(self) -> None: ...

    def read(self, offset: int) -> bytes: ...

    def find(self, index: int) -> int: ...

    def trim(self, index: int) -> None: ...

    def close(self) -> None: ...


class Spools(Protocol):
    """Where the lines of all streams are kept; see `SpoolFolder`."""

    def has(self, constellation: str, stream: str) -> bool: ...

    def open(self, constellation: str, stream: str) -> SpoolPort: ...

    def forget(self, constellation: str, stream: str | None = None) -> None: ...

    def keep(self, constellations: Collection[str]) -> None: ...


class SpoolFolder:
    """A folder of spools, by constellation and stream."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def has(self, constellation: str, stream: str) -> bool:
        """Whether anything of a stream is kept."""
        return self._place(constellation, stream).is_dir()

    def open(self, constellation: str, stream: str) -> SpoolPort:
        """The spool of a stream.

        Raises:
            JournalError: it cannot be kept.
        """
        return Spool(self._place(constellation, stream))

    def forget(self, constellation: str, stream: str | None = None) -> None:
        """Remove a stream, or all of a constellation."""
        rmtree(self._place(constellation, stream), ignore_errors=True)

    def keep(self, constellations: Collection[str]) -> None:
        """Remove all but what these have."""
        known = {self._place(each).name for each in constellations}
        if self._root.is_dir():
            for path in self._root.iterdir():
                if path.name not in known:
                    rmtree(path, ignore_errors=True)

    def _place(self, constellation: str, stream: str | None = None) -> Path:
        folder = self._root / f"c-{quote(constellation, safe='')}"
        return folder if stream is None else folder / stream


class _Segment(NamedTuple):
    """A file of whole lines.

    Attributes:
        offset: bytes of the stream before it.
        items: items before it.
    """

    path: Path
    offset: int
    items: int


class Spool:
    """The lines of one stream.

    Args:
        folder: where they are kept; what is there already is taken over.
        segment_bytes: size of a file, after which a new one is begun.

    Attributes:
        items: whole lines written so far, those that were forgotten included.
        end: bytes of them.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segments: deque[_Segment] = deque()
        self._file: int | None = None
        self._partial = bytearray()
        self.items = 0
        self.end = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._take_over()
        except OSError as error:
            raise _unwritable(folder, error) from error

    @property
    def begin(self) -> tuple[int, int]:
        """Offset and index of the first item that is still there."""
        first = self._segments[0] if self._segments else None
        return (self.end, self.items) if first is None else (first.offset, first.items)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.end - self.begin[0]

    def write(self, data: bytes) -> int:
        """Add bytes; return how many items they complete.

        What does not end in a line stays in memory until its rest comes.

        Raises:
            LimitExceeded: an item is larger than may be.
            JournalError: they cannot be written.
        """
        self._partial += data
        cut = self._partial.rfind(b"\n") + 1
        if len(self._partial) - cut > MAX_ITEM_BYTES:
            self._partial.clear()
            raise LimitExceeded(f"An item has at most {MAX_ITEM_BYTES:,} bytes.")
        if not cut:
            return 0
        lines = bytes(self._partial[:cut])
        del self._partial[:cut]
        self._append(lines)
        count = lines.count(b"\n")
        self.items += count
        return count

    def forget_partial(self) -> None:
        """The rest of an item that began will not come: it comes again from its beginning."""
        self._partial.clear()

    def read(self, offset: int) -> bytes:
        """Bytes from an offset on, at most a block; none at the end.

        Raises:
            LookupError: they are not kept any more.
            JournalError: they cannot be read.
        """
        if offset >= self.end:
            return b""
        segment = next((each for each in reversed(self._segments) if each.offset <= offset), None)
        if segment is None:
            raise LookupError(offset)
        try:
            with segment.path.open("rb") as file:
                file.seek(offset - segment.offset)
                return file.read(BLOCK_BYTES)
        except OSError as error:
            raise _unwritable(segment.path, error) from error

    def find(self, index: int) -> int:
        """The offset of an item.

        Raises:
            LookupError: it is not kept any more, or was never written.
        """
        offset, items = next(
            ((each.offset, each.items) for each in reversed(self._segments) if each.items <= index),
            (self.end, self.items),
        )
        while items < index:
            block = self.read(offset)
            lines = block.splitlines(keepends=True)
            if not lines:
                break
            for line in lines:
                if items == index:
                    break
                offset += len(line)
                items += line.endswith(b"\n")
        if items != index:
            raise LookupError(index)
        return offset

    def trim(self, index: int) -> None:
        """Forget files that hold nothing but items before this one."""
        while len(self._segments) > 1 and self._segments[1].items <= index:
            self._segments.popleft().path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the files, which stay."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _append(self, lines: bytes) -> None:
        try:
            if not self._segments or self.end - self._segments[-1].offset >= self._segment_bytes:
                self.close()
                path = self._folder / f"{self.end}-{self.items}"
                self._segments.append(_Segment(path, self.end, self.items))
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                self._file = os.open(self._segments[-1].path, flags, 0o600)
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        self.end += len(lines)

    def _take_over(self) -> None:
        """Go on from what an earlier process left; half a line at the end is forgotten."""
        found = []
        for path in self._folder.iterdir():
            offset, _, items = path.name.partition("-")
            found.append(_Segment(path, int(offset), int(items)))
        self._segments.extend(sorted(found, key=lambda each: each.offset))
        if self._segments:
            last = self._segments[-1]
            data = last.path.read_bytes()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.truncate(last.path, whole)
            self.end = last.offset + whole
            self.items = last.items + data.count(b"\n")


def _unwritable(path: Path, error: OSError) -> JournalError:
    return JournalError(
        f"What tasks put out cannot be kept in {path}: {error.strerror or error}.",
        remedy="Free disk space, or let the hub's user write there.",
        file=str(path),
    )
