"""The sending ends of streams: bytes, which all arrive, and items, which may come too late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from constellation.errors import ConstellationError, SessionLost

from .session import Session, State

# So much of a stream waits in the session; more is read from its source when some was taken in.
QUEUE_BYTES = 256 * 1024


class StreamHost(Protocol):
    """What streams need of the end of a session (`constellation.aip.endpoint.Endpoint`)."""

    session: Session
    losses: int

    def now(self) -> float: ...

    def flush_soon(self) -> None: ...

    async def until(self, condition: Callable[[], bool]) -> None: ...


class Outgoing:
    """The sending end of a stream.

    Attributes:
        number: names it among the streams of its session.
        refusal: why the peer takes no more of it, once it said so.
        is_closed: True once the peer takes no more of it, for whatever reason.
    """

    def __init__(self, endpoint: StreamHost, number: int) -> None:
        self.number = number
        self.refusal: ConstellationError | None = None
        self.is_closed = False
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
    def queued(self) -> int:
        """Bytes that were written and not taken in; 0 if the session was lost."""
        lost = self._endpoint.losses != self._losses
        return 0 if lost else self._endpoint.session.queued(self.number)

    @property
    def is_lost(self) -> bool:
        """True if its session was lost."""
        return self._endpoint.losses != self._losses

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

    def put(self, data: bytes, *, last: bool = False) -> None:
        """Send bytes without waiting: for those who bound by themselves what waits.

        Raises:
            SessionLost: the session was lost.
            ConstellationError: why the peer refused the stream.
        """
        self._write(data, last=last)

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
