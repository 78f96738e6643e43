"""The AIP session: a machine without a socket.

A session outlives its transports. Numbered messages are delivered in order and exactly once for as
long as it can be resumed; what was not secured by the peer is sent again after a reconnect.

A shell drives it like this. Whoever dialled::

    session = Session("dialer", {"role": "device", "name": "desk"})
    act(session.handle(TransportOpened(MSGPACK, {"credential": token}), now))
    while frame := session.next_frame(now): await websocket.send(frame)
    act(session.handle(FrameReceived(await websocket.recv()), now))
    act(session.handle(TransportClosed("gone"), now))       # then dial again: it resumes

Whoever listens reads the hello first (`read_hello`), decides who that is and whether a session of
theirs can go on, and then calls `Session.accept` or `Session.resume`, and goes on as above. After
each call the shell does the instructions, sends what `next_frame` gives while the transport takes
it, and sees to it that `Tick` is handled when `deadline` is reached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from enum import StrEnum
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
from .heartbeat import ClockFilter, Heartbeat
from .instructions import (
    CloseCode,
    CloseTransport,
    Deliver,
    Ended,
    Event,
    FrameReceived,
    Instruction,
    Opened,
    Refused,
    StreamClosed,
    StreamData,
    StreamOpened,
    Tick,
    TransportClosed,
    TransportOpened,
)
from .limits import Limits
from .messages import TYPES, VERSION, Hello, Message
from .outbox import Outbox
from .streams import CHUNK_BYTES, RealTimeSender, Receiver, ReliableSender, Sender

__all__ = [
    "TRANSITIONS",
    "CloseCode",
    "CloseTransport",
    "Deliver",
    "Ended",
    "Event",
    "FrameReceived",
    "Instruction",
    "Opened",
    "Refused",
    "Session",
    "State",
    "StreamClosed",
    "StreamData",
    "StreamOpened",
    "Tick",
    "TransportClosed",
    "TransportOpened",
    "read_hello",
]

# An acknowledgement travels with the next message; alone it waits so long, or for so many.
ACK_DELAY_S = 0.02
ACK_AT_ONCE = 256
STREAM_BYTES_PER_FRAME = 64 * 1024
# Pongs, windows and errors that may wait for a peer that does not read.
MAX_CONTROL = 1024


_CODES: dict[type[ConstellationError], int] = {
    VersionError: CloseCode.VERSION,
    LimitExceeded: CloseCode.LIMIT,
}


class State(StrEnum):
    """Where a session stands."""

    IDLE = "idle"
    GREETING = "greeting"
    OPEN = "open"
    DETACHED = "detached"
    CLOSED = "closed"


# State, event → state. The diagram in docs/states/session.md is made from this table.
TRANSITIONS: dict[State, dict[str, State]] = {
    State.IDLE: {"transport opened": State.GREETING, "accept": State.OPEN, "end": State.CLOSED},
    State.GREETING: {
        "welcome": State.OPEN,
        "transport closed": State.DETACHED,
        "end": State.CLOSED,
    },
    State.OPEN: {
        "transport closed": State.DETACHED,
        "resume": State.OPEN,
        "end": State.CLOSED,
    },
    State.DETACHED: {
        "transport opened": State.GREETING,
        "resume": State.OPEN,
        "transport closed": State.DETACHED,
        "end": State.CLOSED,
    },
    State.CLOSED: {"transport closed": State.CLOSED, "end": State.CLOSED},
}


def read_hello(frame: Frame, codec: Codec, limits: Limits) -> Hello:
    """Read the first frame of a connection.

    Raises:
        RemoteProtocolError: it is no hello.
        VersionError: the peer does not speak this version.
        LimitExceeded: it is too large.
    """
    _, messages = codec.decode(frame, limits)
    if len(messages) != 1 or messages[0].type != "hello":
        raise RemoteProtocolError("The first frame is a hello alone.")
    hello = Hello.read(messages[0].body)
    if VERSION not in hello.version:
        raise VersionError(
            f"Version {VERSION} is spoken here; the peer offers {list(hello.version)[:8]}.",
            remedy="Install a matching version.",
        )
    return hello


def _names(session: Mapping[str, Any]) -> tuple[str, str]:
    id, token = session.get("id"), session.get("token")
    if not (isinstance(id, str) and isinstance(token, str) and id):
        raise RemoteProtocolError("welcome: the session has no id and token.")
    return id, token


class Session:
    """One end of a session.

    Args:
        side: ``dialer`` or ``listener``.
        about: the dialler's hello: role, name, card.
        limits: what we are ready to receive.
        heartbeat: when to ask for a sign of life.
        grace_s: how long a listener keeps a session without a connection.
        auto_acknowledge: secure messages as they are delivered.

    Attributes:
        id, token: name the session and prove that it is ours.
        state: where it stands.
        clock: round trip and clock offset.
        peer_limits: what the peer is ready to receive.
    """

    def __init__(
        self,
        side: Literal["dialer", "listener"],
        about: Mapping[str, Any] | None = None,
        *,
        limits: Limits | None = None,
        heartbeat: Heartbeat | None = None,
        grace_s: float = 60.0,
        auto_acknowledge: bool = False,
    ) -> None:
        self.side = side
        self.limits = limits or Limits()
        self.heartbeat = heartbeat or Heartbeat()
        self.grace_s = grace_s
        self.auto_acknowledge = auto_acknowledge
        self.id = ""
        self.token = ""
        self.state = State.IDLE
        self.clock = ClockFilter()
        self.peer_limits = Limits()
        self._about = dict(about or {})
        # A device or client hears the hub; the hub hears the role that the hello named.
        self._peer_role = "hub"
        self._codec: Codec = MSGPACK
        self._control: deque[bytes] = deque()
        self._outbox = Outbox()
        self._received = 0
        self._secured = 0
        self._ack_sent = 0
        self._ack_due: float | None = None
        self._ack_ripe = False
        self._incoming: deque[tuple[int, int]] = deque()
        self._incoming_bytes = 0
        self._last_delivered = 0
        self._closing = False
        self._ping_sent: float | None = None
        self._heard_at = 0.0
        self._ping_at = 0.0
        self._grace_end = 0.0
        self._next_stream = 2 if side == "listener" else 1
        self._senders: dict[int, Sender] = {}
        self._receivers: dict[int, Receiver] = {}

    # ── looking ─────────────────────────────────────────────────────────────────────────────────

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
    def acknowledged(self) -> int:
        """Number of our newest message that the peer has secured."""
        return self._outbox.acknowledged

    @property
    def received(self) -> int:
        """Number of the newest message that was delivered."""
        return self._received

    def deadline(self) -> float | None:
        """When `Tick` is to be handled next, or None."""
        if self.state is State.OPEN:
            due = min(self._ping_at, self._heard_at + self.heartbeat.timeout_s)
            return due if self._ack_due is None else min(due, self._ack_due)
        if self.state is State.GREETING:
            return self._heard_at + self.heartbeat.timeout_s
        if self.state is State.DETACHED and self.side == "listener":
            return self._grace_end
        return None

    # ── events ──────────────────────────────────────────────────────────────────────────────────

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take one event at a time in seconds; return what the shell must do."""
        match event:
            case FrameReceived(data):
                return self._frame(data, now)
            case TransportOpened(codec, hello):
                return self._greet(codec, hello, now)
            case TransportClosed():
                return self._detach(now)
            case Tick():
                return self._tick(now)

    def accept(
        self, hello: Hello, codec: Codec, id: str, token: str, now: float, **welcome: Any
    ) -> None:
        """A listener opens a fresh session; ``welcome`` adds to the answer.

        Raises:
            RemoteProtocolError: the limits in the hello are no limits.
        """
        limits = Limits.from_wire(hello.limits)
        self._move("accept")
        self.id, self.token = id, token
        self._peer_role = hello.role
        self._attach(codec, now)
        self.peer_limits = limits
        self._welcome(False, welcome)

    def resume(self, hello: Hello, codec: Codec, now: float, **welcome: Any) -> None:
        """A listener goes on with this session over a new connection.

        Raises:
            RemoteProtocolError: the peer claims to have seen what was never sent, or its limits
                are no limits; the session is left as it was.
            LocalProtocolError: the codec is another one.
        """
        limits = Limits.from_wire(hello.limits)
        self._check_codec(codec)
        if not self._outbox.rewind(hello.received):
            raise RemoteProtocolError(
                f"The peer claims to have received message {hello.received}.",
                remedy="Begin a fresh session.",
            )
        self._move("resume")
        self._attach(codec, now)
        self.peer_limits = limits
        self._welcome(True, welcome)
        self._announce_windows()

    def end(self, reason: str, code: int = CloseCode.BYE) -> list[Instruction]:
        """End the session for good, saying why; a second call does nothing."""
        if self.state is State.CLOSED:
            return []
        attached = self.state in (State.OPEN, State.GREETING)
        if self.state is State.OPEN:
            self._say("bye", {"reason": reason})
        self._move("end")
        closing: list[Instruction] = [CloseTransport(code, reason)] if attached else []
        return [*closing, Ended(reason)]

    def _greet(self, codec: Codec, hello: Mapping[str, Any], now: float) -> list[Instruction]:
        self._check_codec(codec)
        self._move("transport opened")
        self._attach(codec, now)
        body = {
            **self._about,
            **hello,
            "version": [VERSION],
            "received": self._received,
            "limits": self.limits.to_wire(),
        }
        if self.id:
            body["session"] = {"id": self.id, "token": self.token}
        self._say("hello", body)
        return []

    def _check_codec(self, codec: Codec) -> None:
        if codec is not self._codec and self.unsecured:
            # What is kept was encoded for the old connection's codec.
            raise LocalProtocolError("A session is resumed with the codec it began with.")

    def _attach(self, codec: Codec, now: float) -> None:
        self._codec = codec
        self._closing = False
        self._ping_sent = None
        self._control.clear()
        # The last acknowledgement may have been lost: it is said again.
        self._ack_sent = 0
        self._ack_due = now if self._secured else None
        self._ack_ripe = False
        self._heard_at = now
        self._ping_at = now
        for sender in self._senders.values():
            sender.rewind()

    def _announce_windows(self) -> None:
        """Say how far streams were taken in: the last word on it may have been lost."""
        for receiver in self._receivers.values():
            if receiver.qos == "reliable":
                self._say("window", receiver.window())

    def _welcome(self, resumed: bool, more: Mapping[str, Any]) -> None:
        body = {
            **more,
            "version": VERSION,
            "session": {"id": self.id, "token": self.token},
            "resumed": resumed,
            "received": self._received,
            "limits": self.limits.to_wire(),
            "heartbeat_s": self.heartbeat.interval_s,
            "grace_s": self.grace_s,
        }
        self._control.appendleft(self._codec.encode("welcome", 0, body))

    def _detach(self, now: float) -> list[Instruction]:
        if self.state is State.OPEN:
            self._grace_end = now + self.grace_s
        self._move("transport closed")
        self._control.clear()
        self._ack_due = None
        self._ack_ripe = False
        return []

    def _tick(self, now: float) -> list[Instruction]:
        if self._ack_due is not None and now >= self._ack_due:
            # It goes with the next frame, whenever the transport takes one.
            self._ack_due = None
            self._ack_ripe = True
        if self.state in (State.OPEN, State.GREETING):
            if now >= self._heard_at + self.heartbeat.timeout_s:
                self._heard_at = now
                return [CloseTransport(CloseCode.SILENT, "nothing was heard for too long")]
            if self.state is State.OPEN and now >= self._ping_at:
                self._ping_at = now + self.heartbeat.interval_s
                self._ping_sent = now
                self._say("ping", {"t0": now})
        elif self.state is State.DETACHED and self.side == "listener" and now >= self._grace_end:
            return self.end("it was not resumed in time")
        return []

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
        if type not in TYPES or not TYPES[type].numbered:
            raise LocalProtocolError(f"{type!r} is no message that an application sends.")
        if self.state is State.CLOSED:
            raise LocalProtocolError("The session has ended.")
        outbox, limits = self._outbox, self.peer_limits
        problem = flaw(body, limits.max_depth)
        if problem is not None:
            raise LocalProtocolError(f"A {type} message cannot be sent: {problem}.")
        encoded = self._codec.encode(type, outbox.last + 1, body)
        largest = min(limits.max_body, limits.max_frame // 2)
        if len(encoded) > largest:
            raise LimitExceeded(
                f"A {type} of {len(encoded):,} bytes is larger than the {largest:,} that the peer "
                "takes.",
                remedy="Send large data as an artifact.",
            )
        if (
            outbox.bytes + len(encoded) > limits.max_outstanding_bytes
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
        if seq > self._received:
            raise LocalProtocolError(f"Message {seq} was never delivered.")
        if seq >= self._last_delivered:
            # What came after it was for the session itself.
            seq = self._received
        if seq > self._secured:
            self._secured = seq
            while self._incoming and self._incoming[0][0] <= seq:
                self._incoming_bytes -= self._incoming.popleft()[1]
            if self._ack_due is None and not self._ack_ripe:
                self._ack_due = now + ACK_DELAY_S

    def next_frame(self, now: float) -> Frame | None:
        """The next frame to send, or None: messages first, then a round of stream chunks."""
        limits = self.peer_limits
        parts = self._take_control(limits)
        if self.state is State.OPEN:
            room = limits.max_batch - len(parts)
            if room and self._outbox.waiting:
                # Half of a full batch is left to streams: they are never starved.
                parts += self._outbox.take(limits.max_frame // 2, max(room // 2, 1))
                room = limits.max_batch - len(parts)
            if room and self._senders:
                parts += self._stream_chunks(now, room)
        if not parts and not self._ack_is_due(now):
            return None
        if self.state is State.OPEN:
            self._ack_sent = self._secured
            self._ack_due = None
            self._ack_ripe = False
        return self._codec.join(self._secured, parts)

    def _take_control(self, limits: Limits) -> list[bytes]:
        control = self._control
        taken: list[bytes] = []
        size = 0
        while control and len(taken) < limits.max_batch:
            size += len(control[0])
            if taken and size > limits.max_frame // 4:
                break
            taken.append(control.popleft())
        return taken

    def _ack_is_due(self, now: float) -> bool:
        if self.state is not State.OPEN or self._secured == self._ack_sent:
            return False
        due = self._ack_due is not None and now >= self._ack_due
        return due or self._ack_ripe or self._secured - self._ack_sent >= ACK_AT_ONCE

    def _say(self, type: str, body: Mapping[str, Any]) -> None:
        self._control.append(self._codec.encode(type, 0, body))

    # ── receiving ───────────────────────────────────────────────────────────────────────────────

    def _frame(self, data: Frame, now: float) -> list[Instruction]:
        if self.state not in (State.OPEN, State.GREETING) or self._closing:
            return []
        self._heard_at = now
        try:
            ack, messages = self._codec.decode(data, self.limits)
            if self.state is State.GREETING:
                return self._take_welcome(ack, messages, now)
            if not self._outbox.acknowledge(ack):
                raise RemoteProtocolError(f"Message {ack} was acknowledged and never sent.")
            return self._take(messages, len(data), now)
        except ProtocolError as error:
            return self._refuse(error)

    def _refuse(self, error: ProtocolError) -> list[Instruction]:
        """The connection cannot go on; the session may, over another one."""
        self._closing = True
        self._control.clear()
        self._say("error", error.to_wire())
        return [CloseTransport(_CODES.get(type(error), CloseCode.PROTOCOL), error.message)]

    def _take_welcome(self, ack: int, messages: Sequence[Message], now: float) -> list[Instruction]:
        first, *rest = messages or [Message("nothing", 0, {})]
        if first.type == "error":
            return [Refused(first.body), CloseTransport(CloseCode.BYE, "refused")]
        problem = TYPES["welcome"].check(first.body)
        if first.type != "welcome" or problem:
            raise RemoteProtocolError(f"Instead of a welcome came {first.type}: {problem or ''}.")
        body = first.body
        if body["version"] != VERSION:
            raise VersionError(f"The peer answers in version {body['version']}.")
        limits, (id, token) = Limits.from_wire(body.get("limits")), _names(body["session"])
        resumed = body["resumed"]
        lost: tuple[Message, ...] = ()
        if resumed:
            if not (self._outbox.rewind(body["received"]) and self._outbox.acknowledge(ack)):
                raise RemoteProtocolError("The peer claims to have received what was never sent.")
        else:
            lost = self._begin_anew()
        self._move("welcome")
        self.id, self.token, self.peer_limits = id, token, limits
        self._announce_windows()
        opened: list[Instruction] = [Opened(resumed, body, lost)]
        return opened + (self._take(rest, 0, now) if rest else [])

    def _begin_anew(self) -> tuple[Message, ...]:
        self._received = self._secured = self._incoming_bytes = self._last_delivered = 0
        self._ack_due = None
        self._incoming.clear()
        self._senders.clear()
        self._receivers.clear()
        everything = Limits(max_frame=1 << 62, max_batch=1 << 62, max_depth=1 << 16)
        left = self._codec.join(0, self._outbox.clear())
        # Streams end with the session: there is no sense in opening or closing one again.
        return tuple(
            each
            for each in self._codec.decode(left, everything)[1]
            if each.type not in ("open", "close")
        )

    def _take(self, messages: Sequence[Message], size: int, now: float) -> list[Instruction]:
        done: list[Instruction] = []
        delivered: list[Message] = []
        secured_all = self._secured == self._received
        error: ProtocolError | None = None
        for message in messages:
            if self.state is State.CLOSED:
                break
            try:
                mine = self._sort(message)
                if mine is None:
                    continue
                if not mine:
                    delivered.append(message)
                    continue
                if delivered and (message.seq or message.type == "bye"):
                    # Streams open and close in order with the messages around them, and nothing
                    # is delivered after the end.
                    done.append(Deliver(delivered))
                    delivered = []
                self._own(message, now, done)
            except ProtocolError as problem:
                # What came before it is good, and would not come again.
                error = problem
                break
        if delivered:
            done.append(Deliver(delivered))
        last = next((each for each in reversed(done) if isinstance(each, Deliver)), None)
        if last is not None:
            self._last_delivered = last.messages[-1].seq
            self._incoming.append((self._last_delivered, size))
            self._incoming_bytes += size
            if self.auto_acknowledge:
                self.acknowledge(self._received, now)
        elif secured_all:
            # Nothing here was for the application: it is secured as it stands.
            self.acknowledge(self._received, now)
        if error is None:
            error = self._flood()
        return done if error is None else done + self._refuse(error)

    def _sort(self, message: Message) -> bool | None:
        """True for a message to the session itself, False to the application, None to neither."""
        name, seq, body = message
        if seq and not self._is_next(seq):
            return None
        kind = TYPES.get(name)
        problem = "there is no such type" if kind is None else kind.check(body)
        if kind is not None and problem is None:
            if kind.numbered != (seq > 0):
                raise RemoteProtocolError(f"A {name} message is on the wrong lane.")
            if self._peer_role not in kind.senders:
                problem = f"a {self._peer_role} does not send it"
        if problem is not None:
            self._object(name, seq, problem)
            return None
        return not seq or name in ("open", "close")

    def _is_next(self, seq: int) -> bool:
        if seq <= self._received:
            return False
        if seq != self._received + 1:
            raise RemoteProtocolError(
                f"Message {seq} came where {self._received + 1} was expected.",
                expected=self._received + 1,
            )
        self._received = seq
        return True

    def _object(self, name: str, seq: int, problem: str) -> None:
        error = RemoteProtocolError(f"{name[:64]}: {problem}.", type=name[:64], seq=seq)
        self._say("error", error.to_wire())

    def _flood(self) -> LimitExceeded | None:
        limits = self.limits
        if (
            self._received - self._secured > limits.max_outstanding
            or self._incoming_bytes > limits.max_outstanding_bytes + limits.max_frame
        ):
            return LimitExceeded("More came than may be unacknowledged.")
        if len(self._control) > MAX_CONTROL:
            return LimitExceeded("Answers are asked for and not read.")
        return None

    def _own(self, message: Message, now: float, done: list[Instruction]) -> None:
        """Messages for the session itself."""
        name, _, body = message
        match name:
            case "ping":
                self._say("pong", {"t0": body["t0"], "t1": now, "t2": now})
            case "pong":
                if body["t0"] == self._ping_sent:
                    self._ping_sent = None
                    self.clock.add(body["t0"], body["t1"], body["t2"], now)
            case "data":
                self._take_data(body, now, done)
            case "window":
                sender = self._senders.get(body["stream"])
                if isinstance(sender, ReliableSender):
                    sender.window(body["offset"], body["limit"])
                    self._drop_if_done(sender)
            case "open":
                self._take_open(body, done)
            case "close":
                stream = body["stream"]
                sender, receiver = (
                    self._senders.pop(stream, None),
                    self._receivers.pop(stream, None),
                )
                if sender is not None or (receiver is not None and not receiver.ended):
                    done.append(StreamClosed(stream, body.get("error")))
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
        qos: Literal["reliable", "latest", "deadline"],
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
        if (qos == "deadline") != (deadline_s is not None):
            raise LocalProtocolError("A deadline belongs to the quality of service 'deadline'.")
        if len(self._senders) >= self.peer_limits.max_streams:
            raise LimitExceeded("Too many streams are open.", remedy="Close one first.")
        stream = self._next_stream
        self._next_stream += 2
        body: dict[str, Any] = {"stream": stream, "qos": qos, "label": label, "meta": meta or {}}
        if deadline_s is not None:
            body["deadline_ms"] = deadline_s * 1000
        opened_by = self.send("open", body)
        limits = self.peer_limits
        largest = min(limits.max_body // 2, limits.max_frame // 16)
        self._senders[stream] = (
            ReliableSender(stream, opened_by, min(CHUNK_BYTES, largest))
            if qos == "reliable"
            else RealTimeSender(stream, opened_by, deadline_s, min(limits.max_item, largest))
        )
        return stream

    def write(self, stream: int, data: bytes, now: float, *, last: bool = False) -> int:
        """Queue bytes (or one item) on a stream of ours; return how many bytes wait there.

        Raises:
            LocalProtocolError: there is no such stream.
            LimitExceeded: the item is too large.
        """
        sender = self._senders.get(stream)
        if sender is None:
            raise LocalProtocolError(f"There is no stream {stream} to write to.")
        sender.write(data, now, last=last)
        return sender.queued

    def queued(self, stream: int) -> int:
        """Bytes that wait on a stream of ours; 0 if it is done."""
        sender = self._senders.get(stream)
        return 0 if sender is None else sender.queued

    def close_stream(self, stream: int, error: Mapping[str, Any] | None = None) -> None:
        """End a stream of either side."""
        known = self._senders.pop(stream, None) or self._receivers.pop(stream, None)
        if known is not None:
            self.send("close", {"stream": stream, "error": error})

    def consume(self, stream: int, count: int) -> None:
        """The application took in that many bytes of a reliable stream."""
        receiver = self._receivers.get(stream)
        if receiver is None or receiver.qos != "reliable":
            return
        window = receiver.consume(count)
        if window is not None and self.state is State.OPEN:
            self._say("window", window)

    def _take_open(self, body: Mapping[str, Any], done: list[Instruction]) -> None:
        stream = body["stream"]
        ours = stream % 2 == self._next_stream % 2
        if ours or stream in self._receivers:
            raise RemoteProtocolError(f"{stream} is not the number of a new stream of the peer.")
        if len(self._receivers) >= self.limits.max_streams:
            limit = LimitExceeded(f"At most {self.limits.max_streams} streams may be open.")
            closing = {"stream": stream, "error": limit.to_wire()}
            self._outbox.put(self._codec.encode("close", self._outbox.last + 1, closing))
            return
        deadline_ms = body.get("deadline_ms")
        deadline_s = None if deadline_ms is None else deadline_ms / 1000
        self._receivers[stream] = Receiver(stream, body["qos"], deadline_s)
        done.append(StreamOpened(stream, body))

    def _take_data(self, body: dict[str, Any], now: float, done: list[Instruction]) -> None:
        receiver = self._receivers.get(body["stream"])
        if receiver is None:
            return
        if receiver.qos != "reliable" and len(body["payload"]) > self.limits.max_item:
            raise LimitExceeded(f"An item has at most {self.limits.max_item} bytes.")
        payload = receiver.take(body, now, self.clock.offset_s)
        if payload is not None:
            done.append(StreamData(receiver.stream, payload, receiver.ended))
        elif receiver.qos == "reliable" and body.get("last"):
            # The end comes again: the window that told of it was lost.
            self._say("window", receiver.window())

    def _stream_chunks(self, now: float, room: int) -> list[bytes]:
        """One chunk of each stream in turn, bounded; a stream that was served goes to the back."""
        taken: list[bytes] = []
        size = 0
        enough = min(STREAM_BYTES_PER_FRAME, self.peer_limits.max_frame // 16)
        for stream, sender in list(self._senders.items()):
            # Nothing of a stream goes out before the message that opens it.
            body = sender.take(now) if sender.opened_by <= self._outbox.taken else None
            if body is None:
                continue
            taken.append(self._codec.encode("data", 0, body))
            size += len(taken[-1])
            self._senders[stream] = self._senders.pop(stream)
            if size >= enough or len(taken) >= room:
                break
        return taken

    def _drop_if_done(self, sender: ReliableSender) -> None:
        if sender.done:
            # The receiver keeps an ended stream until this, for the case that its window is lost.
            del self._senders[sender.stream]
            closing = {"stream": sender.stream}
            self._outbox.put(self._codec.encode("close", self._outbox.last + 1, closing))
