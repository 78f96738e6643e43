"""The two halves of a stream between tasks: from a device to disk, and from there to a reader."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from constellation.aip.items import ITEMS
from constellation.aip.pipes import IncomingStream, Streams
from constellation.aip.writers import ByteWriter
from constellation.errors import (
    ConstellationError,
    LimitExceeded,
    UpstreamFailed,
    error_from_wire,
)

from .spool import SpoolPort

if TYPE_CHECKING:
    from .streaming import Streaming


# Parts of a stream that are not acknowledged to a source; one that keeps to its lag has fewer.
MAX_HELD = 1024


class Source:
    """What one attempt puts out, and the stream on which its device sends it now.

    Attributes:
        spool: what is kept of it.
        is_void: its attempt is followed by another: nobody begins to read it.
    """

    def __init__(self, streaming: Streaming, id: str, spool: SpoolPort) -> None:
        self.id = id
        self.spool = spool
        self.is_void = False
        self._streaming = streaming
        self._stream: IncomingStream | None = None
        self._skip = 0
        self._index = 0
        self._is_wanted = True
        # Of each part that came and is not acknowledged: items up to its end, and its bytes.
        self._held: deque[tuple[int, int]] = deque()

    def come_from(self, stream: IncomingStream, index: int) -> None:
        """From now on it comes on this stream, from an item on.

        Raises:
            UpstreamFailed: items before that one are missing.
        """
        if index > self.spool.items:
            raise UpstreamFailed(
                f"Items {self.spool.items} to {index - 1} of {self.id} were lost on the hub.",
                remedy="Run it again.",
            )
        self.spool.forget_partial()
        self._held.clear()
        self._skip, self._index = self.spool.items - index, index
        self._stream = stream
        stream.announces = stream.holds = True
        stream.pour_into(self)

    def write(self, data: bytes) -> None:
        """Bytes came."""
        if self._stream is None or not self._is_wanted:
            self._took(len(data))
            return
        fresh = self._unknown(data)
        self._index += data.count(b"\n")
        self._held.append((self._index, len(data)))
        if len(self._held) > MAX_HELD:
            raise LimitExceeded(
                f"{self.id} has {len(self._held):,} parts unacknowledged.",
                remedy="Keep to the lag of the assignment.",
            )
        before = self.spool.end
        count = self.spool.write(fresh)
        self._streaming.wrote(self, count, self.spool.end - before)
        self.grant(self._streaming.machine.flows[self.id].granted)

    def _unknown(self, data: bytes) -> bytes:
        """What is not kept yet: a source sends again what was not acknowledged."""
        while self._skip and data:
            _, found, data = data.partition(b"\n")
            if not found:
                return b""
            self._skip -= 1
        return data

    def close(self, error: ConstellationError | None) -> None:
        """All came, or the stream broke off; its attempt's result says more."""
        stream, self._stream = self._stream, None
        count = sum(size for _, size in self._held)
        self._held.clear()
        if error is None and stream is not None:
            stream.took(count, last=True)
            self._streaming.completes(self)

    def grant(self, items: int) -> None:
        """Acknowledge what is within so many items."""
        count = 0
        while self._held and self._held[0][0] <= items:
            count += self._held.popleft()[1]
        self._took(count)

    def refuse(self, error: ConstellationError) -> None:
        """Take no more."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.refuse(error)

    def let_run(self) -> None:
        """Nobody will read it: let the source go on, and keep no more."""
        self._is_wanted = False
        self._took(sum(size for _, size in self._held))
        self._held.clear()

    def _took(self, count: int) -> None:
        if self._stream is not None and count:
            self._stream.took(count)


class Reader:
    """The way of a stream to one attempt that reads it.

    Args:
        index, offset: the first item that it gets, and where that stands in the spool.
    """

    def __init__(
        self, streaming: Streaming, id: str, source: Source, pipes: Streams, index: int, offset: int
    ) -> None:
        self.id = id
        self._streaming = streaming
        self._source = source
        self._pipes = pipes
        self._offset = offset
        self._taken = self._sent_items = index
        self._sent = 0
        self._ends = False
        self._marks: deque[int] = deque()
        meta = {"attempt": id, "source": source.id, "index": index}
        self._writer: ByteWriter = pipes.open_bytes(ITEMS, meta)
        pipes.watch(self._writer, self.moved)

    def moved(self) -> None:
        """Its device may have taken something, or closed the stream."""
        writer = self._writer
        if writer.is_lost:
            self.stop()
            self._streaming.away(self.id, self._source)
            return
        if writer.is_closed:
            self.stop()
            self._streaming.closes(self.id, self._source)
            return
        taken = self._sent - writer.queued
        before = self._taken
        while self._marks and self._marks[0] <= taken:
            self._marks.popleft()
            self._taken += 1
        if self._taken > before:
            self._streaming.took(self.id, self._source, self._taken)
        self.pump()

    def pump(self) -> None:
        """Send what there is, as far as there is room for it, and the end after it."""
        writer, spool = self._writer, self._source.spool
        if writer.is_lost or writer.is_closed or self._ends:
            return
        while writer.has_room and (block := self._block(spool)):
            for piece in block.splitlines(keepends=True):
                writer.put(piece)
                self._sent += len(piece)
                if piece.endswith(b"\n"):
                    self._marks.append(self._sent)
            self._offset += len(block)
        flow = self._streaming.machine.flows[self._source.id]
        if not flow.is_over or self._offset < spool.end:
            return
        if flow.error is None:
            self._ends = True
            writer.put(b"", last=True)
        elif not writer.queued:
            # What waits would be dropped: first everything is taken.
            self._ends = True
            self.stop(error_from_wire(flow.error))

    def _block(self, spool: SpoolPort) -> bytes:
        try:
            # The lines of a block are split at line feeds alone, as JSON escapes all others.
            return spool.read(self._offset)
        except LookupError:
            self._ends = True
            self.stop(forgotten(self._source.id))
            return b""

    def stop(self, error: ConstellationError | None = None) -> None:
        """Send no more."""
        self._pipes.unwatch(self._writer)
        if not self._writer.is_lost and not self._writer.is_closed:
            self._writer.close(error)


def anew(task: str) -> UpstreamFailed:
    return UpstreamFailed(
        f"Task {task}, which it reads, begins anew: what came so far is void.",
        remedy="Run it again.",
        task=task,
        state="submitted",
    )


def forgotten(source: str) -> UpstreamFailed:
    return UpstreamFailed(
        f"What {source} put out first is not kept any more.",
        remedy="Add a task that does it again, and read that one.",
    )
