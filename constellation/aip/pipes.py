"""Streams of bytes and of items, as the application sees them.

Bytes arrive whole and in order, across reconnects; a slow reader holds the sender back. Items are
for what is worthless when it is late: of those that wait the newest is kept, or those that are
younger than a deadline.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal, Protocol
from weakref import WeakValueDictionary

from constellation.errors import (
    ConstellationError,
    LimitExceeded,
    PermissionDenied,
    SessionLost,
    error_from_wire,
)

from .session import State, StreamClosed, StreamData, StreamOpened
from .writers import ByteWriter, ItemWriter, Outgoing, StreamHost

Qos = Literal["reliable", "latest", "deadline"]

# Items that wait for a reader; older ones are dropped. Bytes are bounded by the stream's window.
_MAX_WAITING = {"latest": 1, "deadline": 64}


class Sink(Protocol):
    """Takes what a stream brings; called in the event loop, so it must not block for long.

    A `ConstellationError` that it raises refuses the stream.
    """

    def write(self, data: bytes) -> None:
        """Take bytes, or an item."""

    def close(self, error: ConstellationError | None) -> None:
        """The stream has ended: whole if there is no error."""


class IncomingStream(AsyncIterator[bytes]):
    """A stream that the peer opened: iterate over it, or pour it into a sink, or refuse it.

    Attributes:
        number: names it among the streams of its session.
        qos: ``reliable``, ``latest`` or ``deadline``.
        deadline_s: after which an item is of no use, for ``deadline``.
        label, meta: what its sender says of it.
        announces: tells the sender of all that is taken in at once, for senders who wait for it.
        holds: bytes that a sink was given are taken in when it calls `took`, not before.
    """

    def __init__(self, streams: Streams, number: int, body: Mapping[str, Any]) -> None:
        self.announces = False
        self.holds = False
        self.number = number
        self.qos: str = body["qos"]
        deadline_ms = body.get("deadline_ms")
        self.deadline_s: float | None = None if deadline_ms is None else deadline_ms / 1000
        self.label: str = body.get("label") or ""
        self.meta: Mapping[str, Any] = body.get("meta") or {}
        self._streams = streams
        self._sink: Sink | None = None
        self._waiting: deque[StreamData] = deque()
        self._wanted: asyncio.Future[None] | None = None
        self._is_over = False
        self._error: ConstellationError | None = None

    def pour_into(self, sink: Sink) -> None:
        """Give everything that came and still comes to a sink."""
        self._sink = sink
        while self._waiting:
            self._give(sink, self._waiting.popleft())
        if self._is_over and self._error is not None:
            sink.close(self._error)

    def refuse(self, error: ConstellationError | None = None) -> None:
        """Take no more of it; without an error because no more is needed."""
        if not self._is_over:
            self._is_over = True
            self._waiting.clear()
            self._streams.drop(self.number, error)

    async def __anext__(self) -> bytes:
        while True:
            while not self._waiting:
                if self._error is not None:
                    raise self._error
                if self._is_over:
                    raise StopAsyncIteration
                self._wanted = asyncio.get_running_loop().create_future()
                await self._wanted
            part = self._waiting.popleft()
            self._took(part)
            if not self._is_late(part):
                return part.payload

    # ── for `Streams` ───────────────────────────────────────────────────────────────────────────

    def take(self, part: StreamData) -> None:
        """Data came."""
        if self._sink is not None:
            self._give(self._sink, part)
            return
        self._waiting.append(part)
        if len(self._waiting) > _MAX_WAITING.get(self.qos, len(self._waiting)):
            self._waiting.popleft()
        self._wake()

    def end(self, error: ConstellationError | None) -> None:
        """Nothing more will come."""
        if self._is_over:
            return
        self._is_over = True
        self._error = error
        if self._sink is not None:
            self._sink.close(error)
        self._wake()

    def _give(self, sink: Sink, part: StreamData) -> None:
        if self._is_over or self._is_late(part):
            return
        try:
            sink.write(part.payload)
            if part.last:
                sink.close(None)
        except ConstellationError as error:
            self.refuse(error)
            return
        if not self.holds:
            self._took(part)
        elif part.last:
            self._is_over = True

    def took(self, count: int, *, last: bool = False) -> None:
        """The sink took in so many bytes more, of those that it was given.

        Args:
            last: nothing is outstanding, and nothing follows.
        """
        self._streams.took(self.number, count, last, self.announces)

    def _is_late(self, part: StreamData) -> bool:
        """True for an item that waited here for too long."""
        return part.late_at is not None and self._streams.now() > part.late_at

    def _took(self, part: StreamData) -> None:
        self._is_over = part.last
        self._streams.took(self.number, len(part.payload), part.last, self.announces)

    def _wake(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)


class Streams:
    """The streams of one session.

    Attributes:
        takers: called with each stream that the peer opens, by its label; ``""`` for all others.
    """

    def __init__(self, endpoint: StreamHost) -> None:
        self.takers: dict[str, Callable[[IncomingStream], None]] = {"": _refuse}
        self._endpoint = endpoint
        self._incoming: dict[int, IncomingStream] = {}
        self._outgoing: WeakValueDictionary[int, Outgoing] = WeakValueDictionary()
        self._pumped: dict[ByteWriter, Iterator[bytes]] = {}
        self._watched: dict[ByteWriter, Callable[[], None]] = {}

    def open_bytes(self, label: str = "", meta: Mapping[str, Any] | None = None) -> ByteWriter:
        """Open a stream of bytes.

        Raises:
            LimitExceeded: the peer takes no more streams.
            SessionLost: there is no session yet, or no longer.
        """
        writer = ByteWriter(self._endpoint, self._open("reliable", label, meta, None))
        self._outgoing[writer.number] = writer
        return writer

    def open_items(
        self,
        label: str = "",
        meta: Mapping[str, Any] | None = None,
        *,
        deadline_s: float | None = None,
    ) -> ItemWriter:
        """Open a stream of items; without a deadline only the newest is kept.

        Raises:
            LimitExceeded: the peer takes no more streams.
            SessionLost: there is no session yet, or no longer.
        """
        qos: Qos = "latest" if deadline_s is None else "deadline"
        writer = ItemWriter(self._endpoint, self._open(qos, label, meta, deadline_s))
        self._outgoing[writer.number] = writer
        return writer

    async def send_bytes(
        self,
        label: str,
        data: bytes | Iterable[bytes] | AsyncIterable[bytes],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """Send bytes on a stream of their own, and wait until the peer has taken them in.

        Raises:
            LimitExceeded: the peer takes no more streams.
            SessionLost: there is no session, or it was lost.
            ConstellationError: why the peer refused the stream.
        """
        writer = self.open_bytes(label, meta)
        if isinstance(data, bytes):
            await writer.write(data)
        elif isinstance(data, AsyncIterable):
            async for chunk in data:
                await writer.write(chunk)
        else:
            for chunk in data:
                await writer.write(chunk)
        await writer.finish()

    def pump(self, writer: ByteWriter, source: Iterator[bytes]) -> None:
        """Write all of a source, and end the stream, as fast as the peer takes it in."""
        self._pumped[writer] = source
        self.refill()

    def watch(self, writer: ByteWriter, callback: Callable[[], None]) -> None:
        """Call back when the peer may have taken something of a stream in, or closed it."""
        self._watched[writer] = callback

    def unwatch(self, writer: ByteWriter) -> None:
        """Call back no more."""
        self._watched.pop(writer, None)

    def stop(self, writer: ByteWriter, error: ConstellationError) -> None:
        """Read no more of what is pumped, and break the stream off if it has not ended."""
        if self._pumped.pop(writer, None) is not None:
            writer.close(error)

    def _open(
        self, qos: Qos, label: str, meta: Mapping[str, Any] | None, deadline_s: float | None
    ) -> int:
        session = self._endpoint.session
        if not session.id or session.state is State.CLOSED:
            raise SessionLost("There is no session to open a stream in.", remedy="Wait for it.")
        number = session.open_stream(qos, deadline_s=deadline_s, label=label, meta=meta)
        self._endpoint.flush_soon()
        return number

    # ── for the endpoint ────────────────────────────────────────────────────────────────────────

    def handle(self, instruction: StreamOpened | StreamData | StreamClosed) -> None:
        """Do an instruction of the session."""
        match instruction:
            case StreamOpened(number, body):
                opened = self._incoming[number] = IncomingStream(self, number, body)
                taker = self.takers.get(opened.label) or self.takers[""]
                taker(opened)
            case StreamData(number):
                if number in self._incoming:
                    self._incoming[number].take(instruction)
            case StreamClosed(number, error):
                stream, writer = self._incoming.pop(number, None), self._outgoing.get(number)
                if stream is not None:
                    stream.end(_why_closed(stream, error))
                if writer is not None:
                    writer.is_closed = True
                    writer.refusal = None if error is None else error_from_wire(error)

    def refill(self) -> None:
        """Go on with what is pumped, after the peer has taken something in."""
        for writer, source in tuple(self._pumped.items()):
            if not writer.pump(source):
                del self._pumped[writer]
        for callback in tuple(self._watched.values()):
            callback()

    def lose(self) -> None:
        """The session was lost, and its streams with it."""
        error = SessionLost("The session of this stream was lost.")
        self._pumped.clear()
        self._watched.clear()
        self._outgoing.clear()
        for number in tuple(self._incoming):
            self._incoming.pop(number).end(error)

    # ── for `IncomingStream` ────────────────────────────────────────────────────────────────────

    def now(self) -> float:
        """The time, seconds."""
        return self._endpoint.now()

    def took(self, number: int, count: int, last: bool, announce: bool) -> None:
        """Bytes were taken in: the peer may send as many more, unless they were the last."""
        if last:
            self._incoming.pop(number, None)
        self._endpoint.session.consume(number, count, announce=announce)
        self._endpoint.flush_soon()

    def drop(self, number: int, error: ConstellationError | None) -> None:
        """A stream is refused, or over."""
        session = self._endpoint.session
        if self._incoming.pop(number, None) is None or session.state is State.CLOSED:
            return
        # A peer that takes no message in is not told; it is not given a window either.
        with suppress(LimitExceeded):
            session.close_stream(number, None if error is None else error.to_wire())
        self._endpoint.flush_soon()


def _why_closed(
    stream: IncomingStream, error: Mapping[str, Any] | None
) -> ConstellationError | None:
    if error is not None:
        return error_from_wire(error)
    # Bytes that are whole end by their last one.
    return SessionLost("The peer broke the stream off.") if stream.qos == "reliable" else None


def _refuse(stream: IncomingStream) -> None:
    stream.refuse(PermissionDenied(f"Nobody here takes a stream {stream.label!r}."))
