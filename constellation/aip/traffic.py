"""What travels over a session: numbered messages, streams, and what the sessions say themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

from constellation.errors import (
    ConstellationError,
    InvalidTransition,
    LimitExceeded,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    VersionError,
)

from .codec import MSGPACK, Codec, Frame, flaw
from .heartbeat import ClockFilter, Heartbeat, Pulse
from .instructions import CloseCode, CloseTransport, Deliver, Ended, Instruction, Refused
from .intake import Intake
from .limits import Limits
from .messages import TYPES, Message, MessageType
from .outbox import MAX_CONTROL, Control, Outbox
from .states import TRANSITIONS, State
from .streamset import Qos, StreamSet

_CODES: dict[type[ConstellationError], int] = {
    VersionError: CloseCode.VERSION,
    LimitExceeded: CloseCode.LIMIT,
}
_NUMBERED = frozenset(name for name, kind in TYPES.items() if kind.numbered)
_STREAMS = frozenset({"open", "close", "data", "window"})


@cache
def _deliverable(role: str) -> Mapping[str, MessageType]:
    """Types that are handed to the application as they are, of those that a role sends."""
    return {
        name: kind
        for name, kind in TYPES.items()
        if kind.numbered and name not in _STREAMS and role in kind.senders
    }


class Traffic:
    """The messages of a session, whatever connection carries them; `Session` adds its life.

    Attributes:
        state: where the session stands.
        limits, peer_limits: what we and the peer are ready to receive.
    """

    def __init__(
        self,
        side: Literal["dialer", "listener"],
        limits: Limits,
        heartbeat: Heartbeat,
    ) -> None:
        self.state = State.IDLE
        self.id = ""
        self.limits = limits
        self.peer_limits = Limits()
        # A device or client hears the hub; the hub hears the role that the hello named.
        self._peer_role = "hub"
        self._codec: Codec = MSGPACK
        self._pulse = Pulse(heartbeat)
        self._control = Control()
        self._outbox = Outbox()
        self._intake = Intake()
        self._streams = StreamSet(2 if side == "listener" else 1, self._say, self._put)
        self._closing = False

    # ── looking ─────────────────────────────────────────────────────────────────────────────────

    @property
    def clock(self) -> ClockFilter:
        """Round trip and clock offset."""
        return self._pulse.clock

    @property
    def rtt_s(self) -> float:
        """Smoothed round trip, seconds."""
        return self.clock.rtt_s

    @property
    def offset_s(self) -> float:
        """The peer's clock minus ours, seconds."""
        return self.clock.offset_s

    @property
    def pending(self) -> int:
        """Bytes of numbered messages that the peer has not secured yet."""
        return self._outbox.bytes

    @property
    def unsecured(self) -> int:
        """How many of our messages the peer has not secured yet."""
        return len(self._outbox)

    @property
    def is_full(self) -> bool:
        """True if so much is unsecured that the largest message would pass the peer's limits."""
        outbox, limits = self._outbox, self.peer_limits
        return (
            len(outbox) >= limits.max_outstanding
            or outbox.bytes > limits.max_outstanding_bytes - limits.max_body
        )

    @property
    def acknowledged(self) -> int:
        """Number of our newest message that the peer has secured."""
        return self._outbox.acknowledged

    @property
    def received(self) -> int:
        """Number of the newest message that was delivered."""
        return self._intake.received

    def _move(self, event: str) -> None:
        following = TRANSITIONS[self.state].get(event)
        if following is None:
            raise InvalidTransition(f"Session {self.id or 'without id'}", self.state, event)
        self.state = following

    # ── sending ─────────────────────────────────────────────────────────────────────────────────

    def send(self, type: str, body: Mapping[str, Any]) -> int:
        """Queue a message; return its number.

        Raises:
            LocalProtocolError: unknown type, a body that cannot be encoded, or an ended session.
            LimitExceeded: too much is unacknowledged, or the body is larger than the peer takes.
        """
        if type not in _NUMBERED:
            raise LocalProtocolError(f"{type!r} is no message that an application sends.")
        if self.state is State.CLOSED:
            raise LocalProtocolError("The session has ended.")
        outbox, limits = self._outbox, self.peer_limits
        problem = flaw(body, limits.max_depth)
        if problem is not None:
            raise LocalProtocolError(f"A {type} message cannot be sent: {problem}.")
        encoded = self._codec.encode(type, outbox.last + 1, body)
        size = len(encoded)
        if size > limits.max_body or size > limits.max_frame // 2:
            largest = min(limits.max_body, limits.max_frame // 2)
            raise LimitExceeded(
                f"A {type} of {size:,} bytes is larger than the {largest:,} that the peer takes.",
                remedy="Send large data as an artifact.",
            )
        if (
            outbox.bytes + size > limits.max_outstanding_bytes
            or len(outbox) >= limits.max_outstanding
        ):
            raise LimitExceeded(
                "The peer has not acknowledged what was sent before.", remedy="Wait and try again."
            )
        outbox.put(encoded)
        return outbox.last

    def acknowledge(self, seq: int, now: float) -> None:
        """Messages up to this number are secured: the peer may forget them.

        Raises:
            LocalProtocolError: that number was never delivered.
        """
        self._intake.secure(seq, now)

    @property
    def waiting(self) -> bool:
        """False if there is nothing to send for certain: `next_frame` need not be asked."""
        return bool(self._control or self._outbox.waiting or self._streams)

    def next_frame(self, now: float) -> Frame | None:
        """The next frame to send, or None: messages first, then a round of stream chunks."""
        limits, intake = self.peer_limits, self._intake
        parts = self._control.take(limits)
        if self.state is not State.OPEN:
            return self._codec.join(intake.secured, parts) if parts else None
        room = limits.max_batch - len(parts)
        if room and self._outbox.waiting:
            # Half of a full batch is left to streams: they are never starved.
            parts += self._outbox.take(limits.max_frame // 2, max(room // 2, 1))
            room = limits.max_batch - len(parts)
        if room and self._streams:
            parts += self._streams.chunks(self._codec, now, self._outbox.taken, room, limits)
        if not parts and not intake.is_due(now):
            return None
        intake.said()
        return self._codec.join(intake.secured, parts)

    def _say(self, type: str, body: Mapping[str, Any]) -> None:
        """Send a message without a number."""
        self._control.put(self._codec.encode(type, 0, body))

    def _put(self, type: str, body: Mapping[str, Any]) -> None:
        """Send a numbered message of the session's own, though much is unacknowledged.

        Raises:
            LimitExceeded: the peer makes us say these things and acknowledges none.
        """
        if len(self._outbox) > self.peer_limits.max_outstanding + MAX_CONTROL:
            raise LimitExceeded("Streams are opened and their refusals not acknowledged.")
        self._outbox.put(self._codec.encode(type, self._outbox.last + 1, body))

    # ── receiving ───────────────────────────────────────────────────────────────────────────────

    def _refuse(self, error: ProtocolError) -> list[Instruction]:
        """The connection cannot go on; the session may, over another one."""
        self._closing = True
        self._control.clear()
        self._say("error", error.to_wire())
        return [CloseTransport(_CODES.get(type(error), CloseCode.PROTOCOL), error.message)]

    def _take(self, messages: Sequence[Message], size: int, now: float) -> list[Instruction]:
        intake = self._intake
        done: list[Instruction] = []
        delivered: list[Message] = []
        last_delivered = 0
        secured_all = intake.secured == intake.received
        fits = size <= self.limits.max_body
        deliverable = _deliverable(self._peer_role)
        error: ProtocolError | None = None
        try:
            for message in messages:
                name, seq, body = message
                kind = deliverable.get(name)
                if fits and kind and seq == intake.received + 1 and kind.check(body) is None:
                    intake.received = last_delivered = seq
                    delivered.append(message)
                elif self._is_good(message, fits):
                    if seq and name not in _STREAMS:
                        last_delivered = seq
                        delivered.append(message)
                        continue
                    if delivered and (seq or name == "bye"):
                        # Streams open and close in order with the messages around them, and
                        # nothing is delivered after the end.
                        done.append(Deliver(delivered))
                        delivered = []
                    self._own(message, now, done)
                    if self.state is State.CLOSED:
                        break
        except ProtocolError as problem:
            # What came before it is good, and would not come again.
            error = problem
        if delivered:
            done.append(Deliver(delivered))
        if last_delivered:
            intake.delivered(last_delivered, size)
        elif secured_all:
            # Nothing here was for the application: it is secured as it stands.
            intake.secure(intake.received, now)
        try:
            if error is not None:
                raise error
            intake.check(self.limits)
            self._control.check()
        except ProtocolError as problem:
            return done + self._refuse(problem)
        return done

    def _is_good(self, message: Message, fits: bool) -> bool:
        """True for a message that is to be taken; the peer is told of one that is refused.

        Raises:
            RemoteProtocolError: it is on the wrong lane, or messages before it are missing.
        """
        name, seq, body = message
        if seq and not self._intake.admit(seq):
            return False
        kind = TYPES.get(name)
        problem = "there is no such type" if kind is None else kind.check(body)
        if kind is not None and problem is None:
            if kind.numbered != (seq > 0):
                raise RemoteProtocolError(f"A {name} message is on the wrong lane.")
            if self._peer_role not in kind.senders:
                problem = f"a {self._peer_role} does not send it"
        if problem is not None:
            self._object(name, seq, problem)
            return False
        if not fits and len(self._codec.encode(name, seq, body)) > self.limits.max_body:
            most = f"a message has at most {self.limits.max_body:,} bytes"
            self._say("error", LimitExceeded(f"{name}: {most}.", type=name, seq=seq).to_wire())
            return False
        return True

    def _object(self, name: str, seq: int, problem: str) -> None:
        error = RemoteProtocolError(f"{name[:64]}: {problem}.", type=name[:64], seq=seq)
        self._say("error", error.to_wire())

    def _own(self, message: Message, now: float, done: list[Instruction]) -> None:
        """Messages for the session itself."""
        name, _, body = message
        if name in _STREAMS:
            self._streams.take(message, now, self.offset_s, self.limits, done)
            return
        match name:
            case "ping":
                self._say("pong", {"t0": body["t0"], "t1": now, "t2": now})
            case "pong":
                self._pulse.answered(body, now)
            case "error":
                done.append(Refused(body))
            case "bye":
                self._move("end")
                done += [CloseTransport(CloseCode.BYE, body["reason"]), Ended(body["reason"])]
            case _:
                self._object(name, 0, "it was not expected here")

    # ── streams ─────────────────────────────────────────────────────────────────────────────────

    def open_stream(
        self,
        qos: Qos,
        *,
        deadline_s: float | None = None,
        label: str = "",
        meta: Mapping[str, Any] | None = None,
    ) -> int:
        """Open a stream; return its number.

        Raises:
            LimitExceeded: the peer takes no more streams.
            LocalProtocolError: a deadline without its quality of service, or the reverse.
        """
        body = self._streams.opening(qos, deadline_s, label, meta, self.peer_limits)
        stream: int = body["stream"]
        self._streams.opened(stream, self.send("open", body), qos, deadline_s, self.peer_limits)
        return stream

    def write(self, stream: int, data: bytes, now: float, *, last: bool = False) -> int:
        """Queue bytes (or one item) on a stream of ours; return how many bytes wait there.

        Raises:
            LocalProtocolError: there is no such stream.
            LimitExceeded: the item is too large.
        """
        return self._streams.write(stream, data, now, last=last)

    def queued(self, stream: int) -> int:
        """Bytes that wait on a stream of ours; 0 if it is done."""
        return self._streams.queued(stream)

    def close_stream(self, stream: int, error: Mapping[str, Any] | None = None) -> None:
        """End a stream of either side."""
        if self._streams.drop(stream):
            self.send("close", {"stream": stream, "error": error})

    def consume(self, stream: int, count: int, *, announce: bool = False) -> None:
        """The application took in that many bytes of a reliable stream.

        Args:
            announce: tell the sender now, however few they are.

        Raises:
            LocalProtocolError: so many were not delivered.
        """
        window = self._streams.consume(stream, count, announce=announce)
        if window is not None and self.state is State.OPEN:
            self._say("window", window)
