"""How far what a task puts out while it runs may be ahead of those who read it.

The machine counts items; the items themselves are on the hub's disk (`spool.py`), and the shell
(`streaming.py`) moves them. A source may have so many items unacknowledged as its assignment says,
and an item is acknowledged to it once every reader that counts has taken it. So with one reader no
more items are on their way than that, wherever they wait: at the source, here or at the reader.

Whom a source does not wait for, or it would wait for ever:

- a reader that has no attempt now: it waits for a device, for other tasks, or for its next attempt;
- one that has ended, or closed the stream;
- one that waits for an item of another stream. Of all bounds together, one could else wait for the
  other in a ring (Parks, "Bounded Scheduling of Process Networks", 1995, resolves it likewise, by
  letting a full channel grow).

Then what is put out is kept, up to a bound, past which the source is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

KEPT_BYTES = 64 * 1024 * 1024

Error = Mapping[str, Any]


class Grant(NamedTuple):
    """Acknowledge items of a source, up to this number of them."""

    source: str
    items: int


class Refuse(NamedTuple):
    """A source has put out more than is kept for readers that do not come."""

    source: str


class Pump(NamedTuple):
    """There is more for a reader of a source, or the end."""

    reader: str
    source: str


class Trim(NamedTuple):
    """What a source put out before this item need not be kept."""

    source: str
    items: int


Instruction = Grant | Refuse | Pump | Trim


class Cursor:
    """How far a reader is in a stream.

    Attributes:
        taken: items that it has taken.
        is_open: it has asked for them, and they are sent to it.
        is_done: it wants no more.
    """

    __slots__ = ("is_done", "is_open", "taken")

    def __init__(self) -> None:
        self.taken = 0
        self.is_open = False
        self.is_done = False


@dataclass(slots=True)
class Flow:
    """What one attempt puts out.

    Attributes:
        written: items kept so far.
        size: bytes that are kept.
        granted: items acknowledged to the source.
        is_complete: the source has said that none follow.
        is_over: its attempt has ended.
        error: why its end is no good one.
    """

    written: int = 0
    size: int = 0
    granted: int = 0
    is_complete: bool = False
    is_over: bool = False
    error: Error | None = None


class Streams:
    """All streams of a hub. Readers and sources are named by the ids of their attempts.

    Args:
        kept_bytes: of one stream, beyond what its readers have taken.

    Attributes:
        flows: by source.
        kept_bytes: as given.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self.flows: dict[str, Flow] = {}
        self.kept_bytes = kept_bytes
        # Both ways: who reads a source, and what a reader reads.
        self._readers: dict[str, dict[str, Cursor]] = {}
        self._read_by: dict[str, dict[str, Cursor]] = {}

    def readers(self, source: str) -> list[str]:
        """The attempts that read a source."""
        return list(self._readers.get(source, ()))

    def cursor(self, reader: str, source: str) -> Cursor | None:
        """How far a reader is; None if it does not read that."""
        return self._readers.get(source, {}).get(reader)

    # ── sources ─────────────────────────────────────────────────────────────────────────────────

    def begin(self, source: str, written: int = 0, size: int = 0) -> Flow:
        """A source puts something out; one that is known goes on.

        Args:
            written, size: what is kept of it from an earlier life of the hub.
        """
        flow = self.flows.get(source)
        if flow is None:
            flow = self.flows[source] = Flow(written, size, written)
            self._readers[source] = {}
        return flow

    def wrote(self, source: str, items: int, size: int) -> list[Instruction]:
        """Items of a source are kept.

        Args:
            items: how many came.
            size: bytes that came.
        """
        flow = self.flows[source]
        flow.written += items
        flow.size += size
        if not items:
            return []
        pumps = [Pump(reader, source) for reader, each in self._open_at(source)]
        return [*pumps, *self._settle([source])]

    def completes(self, source: str) -> list[Instruction]:
        """A source says that no items follow: there is nothing to hold it back from."""
        self.flows[source].is_complete = True
        return self._settle([source])

    def ends(self, source: str, error: Error | None) -> list[Instruction]:
        """The attempt of a source has ended; without an error, what it put out is whole."""
        flow = self.flows[source]
        if flow.is_over:
            return []
        flow.is_over, flow.error = True, error
        return [Pump(reader, source) for reader, _ in self._open_at(source)]

    def drop(self, source: str) -> None:
        """Nothing of a source is kept any more."""
        if self.flows.pop(source, None) is not None:
            for reader in self._readers.pop(source):
                self._forget(reader, source)

    # ── readers ─────────────────────────────────────────────────────────────────────────────────

    def joins(self, reader: str, source: str) -> list[Instruction]:
        """An attempt that reads a source begins: from now on the source waits for it."""
        if reader not in self._readers[source]:
            cursor = self._readers[source][reader] = Cursor()
            self._read_by.setdefault(reader, {})[source] = cursor
        return []

    def opens(self, reader: str, source: str, taken: int) -> list[Instruction]:
        """A reader asks for what follows the items that it has taken, at first or again."""
        cursor = self._readers[source][reader]
        cursor.taken, cursor.is_open, cursor.is_done = taken, True, False
        return [Pump(reader, source), *self._settle(self._read_by[reader])]

    def took(self, reader: str, source: str, taken: int) -> list[Instruction]:
        """A reader has taken so many items in all."""
        cursor = self._readers[source][reader]
        if taken <= cursor.taken:
            return []
        cursor.taken = taken
        return self._settle(self._read_by[reader])

    def away(self, reader: str, source: str) -> None:
        """A reader cannot be reached now; it will ask again if it still reads."""
        cursor = self.cursor(reader, source)
        if cursor is not None:
            cursor.is_open = False

    def closes(self, reader: str, source: str) -> list[Instruction]:
        """A reader wants no more of a source."""
        cursor = self.cursor(reader, source)
        if cursor is None:
            return []
        cursor.is_done, cursor.is_open = True, False
        return self._settle(self._read_by[reader])

    def leaves(self, reader: str, source: str) -> list[Instruction]:
        """The attempt of a reader is over."""
        sources = list(self._read_by.get(reader, ()))
        del self._readers[source][reader]
        self._forget(reader, source)
        return self._settle(sources)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _forget(self, reader: str, source: str) -> None:
        read = self._read_by[reader]
        del read[source]
        if not read:
            del self._read_by[reader]

    def _open_at(self, source: str) -> list[tuple[str, Cursor]]:
        return [pair for pair in self._readers[source].items() if pair[1].is_open]

    def _waits_elsewhere(self, reader: str, source: str) -> bool:
        """Whether a reader has taken all that there is of another source, and waits for more."""
        for other, cursor in self._read_by[reader].items():
            if other != source and cursor.is_open:
                flow = self.flows[other]
                if not flow.is_over and cursor.taken >= flow.written:
                    return True
        return False

    def _settle(self, sources: Iterable[str]) -> list[Instruction]:
        """Acknowledge what may be, and forget what need not be kept."""
        done: list[Instruction] = []
        for source in sources:
            flow = self.flows[source]
            cursors = self._readers[source]
            binding = [
                cursor.taken
                for reader, cursor in cursors.items()
                if not cursor.is_done and not self._waits_elsewhere(reader, source)
            ]
            granted = min([*binding, flow.written])
            if not binding and not flow.is_complete and flow.size > self.kept_bytes:
                done.append(Refuse(source))
                continue
            if flow.is_complete:
                granted = flow.written
            if granted > flow.granted:
                flow.granted = granted
                done.append(Grant(source, granted))
            if binding and flow.size > self.kept_bytes:
                still = [cursor.taken for cursor in cursors.values() if not cursor.is_done]
                done.append(Trim(source, min(still)))
        return done
