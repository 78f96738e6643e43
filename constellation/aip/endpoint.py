"""A session machine joined to a clock, a timer and, while there is one, a transport.

What is sent is queued in the session; it is flushed once, after the loop iteration in which it was
queued, so that everything of a wake-up travels in few frames. Frames are pulled from the session
only while the transport can write them: behind a slow reader they wait there, within its limits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from constellation.errors import SessionLost, error_from_wire

from .pipes import Streams
from .session import (
    CloseTransport,
    Deliver,
    Ended,
    Event,
    FrameReceived,
    Instruction,
    Refused,
    Session,
    State,
    StreamClosed,
    StreamData,
    StreamOpened,
    Tick,
    TransportClosed,
)
from .transfers import Store, Transfers
from .transport import Transport

log = logging.getLogger(__name__)

Clock = Callable[[], float]

# What a peer says of our messages is logged so often for each connection, and so much of it.
MAX_REFUSALS = 10
MAX_REFUSAL_CHARS = 500


def anchored_clock() -> Clock:
    """A clock that never goes back and is near Unix time, seconds."""
    epoch = time.time() - time.monotonic()
    return lambda: epoch + time.monotonic()


class Guard:
    """A ``with`` block around the application's code: hands its errors to ``report``.

    They would otherwise surface in the event loop, far from those who can do something about them.
    """

    def __init__(self, report: Callable[[Exception], None]) -> None:
        self._report = report

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._report(error)
        return True


def _ignore(frame: str | bytes) -> None:
    pass


class Endpoint(ABC):
    """One end of a session, whatever its side; made in the event loop that it lives in.

    Args:
        name: of whoever dialled.
        session: the machine.
        clock: the time in seconds that the machine is given.
        store: artifacts that the peer may put and get; None for none.

    Attributes:
        streams: bytes and items beside the messages.
        artifacts: bytes by content hash.
        session: the machine, for the parts of an endpoint.
        losses: how many sessions were lost, for those who wait for something of one.
    """

    def __init__(self, name: str, session: Session, clock: Clock, store: Store | None) -> None:
        self.name = name
        self.session = session
        self.losses = 0
        self.streams = Streams(self)
        self.artifacts = Transfers(self, store)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._guard = Guard(self._fail)
        self._transport: Transport | None = None
        self._refusals = 0
        self._flush_is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._moved: asyncio.Future[None] | None = None

    # ── looking ─────────────────────────────────────────────────────────────────────────────────

    @property
    def session_id(self) -> str:
        """Names the session; empty before it is first open."""
        return self.session.id

    @property
    def rtt_s(self) -> float:
        """Smoothed round trip, seconds; 0 before it was first measured."""
        return self.session.rtt_s

    @property
    def offset_s(self) -> float:
        """The peer's clock minus ours, seconds."""
        return self.session.offset_s

    def peer_time(self) -> float | None:
        """The peer's clock, seconds; None until it was measured."""
        return self.now() + self.offset_s if self.rtt_s else None

    @property
    def pending(self) -> int:
        """Bytes of messages that the peer has not secured yet."""
        return self.session.pending

    @property
    def acknowledged(self) -> int:
        """Number of the last message that the peer has secured."""
        return self.session.acknowledged

    @property
    def is_full(self) -> bool:
        """True if so much is unsecured that the largest message would pass the peer's limits."""
        return self.session.is_full

    # ── sending ─────────────────────────────────────────────────────────────────────────────────

    def send(self, type: str, body: Mapping[str, Any]) -> int:
        """Queue a message; return its number, which `acknowledged` reaches when it is secured.

        Raises:
            LocalProtocolError: unknown type, a body that cannot be encoded, or an ended session.
            LimitExceeded: the body is larger than the peer takes, or too much is unsecured.
        """
        seq = self.session.send(type, body)
        self.flush_soon()
        return seq

    async def send_wait(self, type: str, body: Mapping[str, Any]) -> int:
        """Like `send`, after waiting for room if there is none.

        Raises:
            SessionLost: the session ended meanwhile.
        """
        await self.until(lambda: not self.is_full)
        return self.send(type, body)

    async def drained(self) -> None:
        """Wait until the peer has secured everything that was sent.

        Raises:
            SessionLost: the session ended before.
        """
        await self.until(lambda: self.session.unsecured == 0)

    def acknowledge(self, seq: int) -> None:
        """Messages up to this number are secured: the peer may forget them."""
        self.session.acknowledge(seq, self._clock())
        self.flush_soon()

    # ── for the parts of an endpoint ────────────────────────────────────────────────────────────

    def now(self) -> float:
        """The time, seconds."""
        return self._clock()

    def flush_soon(self) -> None:
        """Send what waits once this loop iteration is over."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def flush(self) -> None:
        """Send now what `flush_soon` would: for whoever goes on working for a while."""
        if self._flush_is_due:
            self._flush()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that only the peer can bring about.

        Raises:
            SessionLost: the session was lost before.
        """
        losses = self.losses
        while not condition():
            if self.session.state is State.CLOSED:
                raise SessionLost("The session has ended.")
            if self._moved is None:
                self._moved = self._loop.create_future()
            await asyncio.shield(self._moved)
            if self.losses != losses:
                raise SessionLost("The session was lost.")

    def _wake_waiters(self) -> None:
        if self._moved is not None:
            moved, self._moved = self._moved, None
            moved.set_result(None)

    # ── transport ───────────────────────────────────────────────────────────────────────────────

    def _attach(self, transport: Transport) -> None:
        self._transport = transport
        self._refusals = 0
        transport.on_frame = self._on_frame
        transport.on_writable = self._flush
        self.flush_soon()

    def _detach(self, transport: Transport, reason: str) -> bool:
        """The transport is gone; False if another has taken its place before."""
        if self._transport is not transport:
            return False
        self._transport = None
        self._feed(TransportClosed(reason))
        return True

    def _let_go(self) -> None:
        """Have nothing more to do with the transport; whoever owns it closes it."""
        if self._transport is not None:
            self._transport.on_frame = _ignore
            self._transport.on_writable = None
            self._transport = None

    def _on_frame(self, frame: str | bytes) -> None:
        self._feed(FrameReceived(frame))

    def _feed(self, event: Event) -> None:
        for instruction in self.session.handle(event, self._clock()):
            self._obey(instruction)
        self.streams.refill()
        self._wake_waiters()
        self.flush_soon()

    def _obey(self, instruction: Instruction) -> None:
        """Do an instruction of the session; subclasses do those that are theirs."""
        match instruction:
            case Deliver(messages):
                self.artifacts.receive(messages)
            case StreamOpened() | StreamData() | StreamClosed():
                with self._guard:
                    self.streams.handle(instruction)
            case CloseTransport(code, reason):
                self._close_transport(code, reason)
            case Refused(error) if self._refusals < MAX_REFUSALS:
                self._refusals += 1
                said = " ".join(str(error_from_wire(error)).split())[:MAX_REFUSAL_CHARS]
                log.warning("%s refused a message: %s", self.name, said)
            case Ended():
                self._lose()
                self._stop_timer()

    def _lose(self) -> None:
        """The session is no more: nothing that belonged to it will come."""
        self.losses += 1
        self.streams.lose()
        self.artifacts.lose()

    @abstractmethod
    def _fail(self, error: Exception) -> None:
        """The application raised an error from a callback."""

    def _end(self, reason: str, code: int) -> None:
        """End the session for good, telling the peer why."""
        for instruction in self.session.end(reason, code):
            self._obey(instruction)
        self._wake_waiters()

    def _close_transport(self, code: int, reason: str) -> None:
        if self._transport is not None:
            frame = self.session.next_frame(self._clock())
            if frame is not None:
                self._transport.write(frame)
            self._transport.end(code, reason)

    def _flush(self) -> None:
        self._flush_is_due = False
        transport = self._transport
        if transport is not None:
            now = self._clock()
            session = self.session
            while transport.writable:
                frame = session.next_frame(now)
                if frame is None:
                    break
                transport.write(frame)
                if not session.waiting:
                    break
        self._set_timer()

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def _set_timer(self) -> None:
        """See to it that we wake by the session's deadline.

        A timer that is set too early is left: it fires, finds nothing due, and is set anew. So
        frames, which move the deadline away, cost no timer each.
        """
        due = self.session.deadline()
        if due is not None and (self._timer is None or due < self._timer_due):
            self._stop_timer()
            self._timer_due = due
            self._timer = self._loop.call_later(max(0.0, due - self._clock()), self._tick)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        self._feed(Tick())
