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
from typing import TYPE_CHECKING, Any, Literal, Protocol
from weakref import WeakValueDictionary

from constellation.errors import (
    ConstellationError,
    LimitExceeded,
    PermissionDenied,
    SessionLost,
    error_from_wire,
)

from .session import State, StreamClosed, StreamData, StreamOpened

if TYPE_CHECKING:
    from .endpoint import Endpoint

Qos = Literal["reliable", "latest", "deadline"]

# So much of a stream waits in the session; more is read from its source when some was taken in.
QUEUE_BYTES = 256 * 1024
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
    """

    def __init__(self, streams: Streams, number: int, body: Mapping[str, Any]) -> None:
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
        else:
            self._took(part)

    def _is_late(self, part: StreamData) -> bool:
        """True for an item that waited here for too long."""
        return part.late_at is not None and self._streams.now() > part.late_at

    def _took(self, part: StreamData) -> None:
        self._is_over = part.last
        self._streams.took(self.number, len(part.payload), part.last)

    def _wake(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)


class Outgoing:
    """The sending end of a stream.

    Attributes:
        number: names it among the streams of its session.
        refusal: why the peer takes no more of it, once it said so.
    """

    def __init__(self, endpoint: Endpoint, number: int) -> None:
        self.number = number
        self.refusal: ConstellationError | None = None
        self._endpoint = endpoint
        self._losses = endpoint.losses

    def close(self, error: ConstellationError | None = None) -> None:
        """End it now; what still waits is not sent."""
        if self._endpoint.losses == self._losses:
            wire = None if error is None else error.to_wire()
            self._endpoint.session.close_stream(self.number, wire)
            self._endpoint.flush_soon()

    def _check(self) -> None:
        if self._endpoint.losses != self._losses:
            raise SessionLost("The session of this stream was lost.")
        if self.refusal is not None:
            raise self.refusal

    def _write(self, data: bytes, *, last: bool = False) -> None:
        self._check()
        endpoint = self._endpoint
        endpoint.session.write(self.number, data, endpoint.now(), last=last)
        endpoint.flush_soon()


class ByteWriter(Outgoing):
    """Sends bytes."""

    @property
    def has_room(self) -> bool:
        """True if more may be written now."""
        return self._endpoint.session.queued(self.number) < QUEUE_BYTES

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send bytes, waiting while the peer lags; ``last`` says that none follow.

        Raises:
            SessionLost: the session was lost.
            ConstellationError: why the peer refused the stream.
        """
        self._check()
        await self._endpoint.until(lambda: self.has_room)
        self._write(data, last=last)

    def put(self, data: bytes) -> None:
        """Send bytes without waiting: for those who bound by themselves what waits.

        Raises:
            SessionLost: the session was lost.
            ConstellationError: why the peer refused the stream.
        """
        self._write(data)

    async def finish(self) -> None:
        """Say that nothing follows, and wait until the peer has taken everything in.

        Raises:
            SessionLost: the session was lost.
            ConstellationError: why the peer refused the stream.
        """
        await self.write(b"", last=True)
        await self._endpoint.until(lambda: self._endpoint.session.queued(self.number) == 0)
        self._check()

    def pump(self, source: Iterator[bytes]) -> bool:
        """Write while there is room; False once the source, or the stream, has ended."""
        try:
            while self.has_room:
                self._check()
                data = next(source, None)
                self._write(data or b"", last=data is None)
                if data is None:
                    return False
        except OSError as error:
            self.close(ConstellationError(f"It cannot be read: {error.strerror}."))
            return False
        except ConstellationError:
            return False
        return True


class ItemWriter(Outgoing):
    """Sends items, each of them whole or not at all."""

    def put(self, item: bytes) -> None:
        """Send an item; while there is no connection it is dropped.

        Raises:
            LimitExceeded: it is larger than the peer takes.
            SessionLost: the session was lost.
            ConstellationError: why the peer refused the stream.
        """
        self._check()
        if self._endpoint.session.state is State.OPEN:
            self._write(item)


class Streams:
    """The streams of one session.

    Attributes:
        takers: called with each stream that the peer opens, by its label; ``""`` for all others.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.takers: dict[str, Callable[[IncomingStream], None]] = {"": _refuse}
        self._endpoint = endpoint
        self._incoming: dict[int, IncomingStream] = {}
        self._outgoing: WeakValueDictionary[int, Outgoing] = WeakValueDictionary()
        self._pumped: dict[ByteWriter, Iterator[bytes]] = {}

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
                if writer is not None and error is not None:
                    writer.refusal = error_from_wire(error)

    def refill(self) -> None:
        """Go on with what is pumped, after the peer has taken something in."""
        for writer, source in tuple(self._pumped.items()):
            if not writer.pump(source):
                del self._pumped[writer]

    def lose(self) -> None:
        """The session was lost, and its streams with it."""
        error = SessionLost("The session of this stream was lost.")
        self._pumped.clear()
        self._outgoing.clear()
        for number in tuple(self._incoming):
            self._incoming.pop(number).end(error)

    # ── for `IncomingStream` ────────────────────────────────────────────────────────────────────

    def now(self) -> float:
        """The time, seconds."""
        return self._endpoint.now()

    def took(self, number: int, count: int, last: bool) -> None:
        """Bytes were taken in: the peer may send as many more, unless they were the last."""
        if last:
            del self._incoming[number]
        self._endpoint.session.consume(number, count)
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
