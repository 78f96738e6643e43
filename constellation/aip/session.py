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

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from constellation.errors import (
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
)

from .codec import Codec, Frame
from .greeting import read_hello, read_welcome, unsent
from .heartbeat import Heartbeat
from .hello import Hello
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
from .intake import Intake
from .limits import Limits
from .messages import VERSION, Message
from .states import TRANSITIONS, State
from .traffic import Traffic

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


class Session(Traffic):
    """One end of a session.

    Args:
        side: ``dialer`` or ``listener``.
        about: the dialler's hello: role, name, card.
        limits: what we are ready to receive.
        heartbeat: when to ask for a sign of life.
        grace_s: how long a listener keeps a session without a connection.

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
    ) -> None:
        self.heartbeat = heartbeat or Heartbeat()
        super().__init__(side, limits or Limits(), self.heartbeat)
        self.side = side
        self.grace_s = grace_s
        self.token = ""
        self._about = dict(about or {})
        self._grace_end = 0.0

    # ── looking ─────────────────────────────────────────────────────────────────────────────────

    def deadline(self) -> float | None:
        """When `Tick` is to be handled next, or None."""
        if self.state is State.OPEN:
            due = min(self._pulse.ping_at, self._pulse.silent_at)
            ack_due, resume_at = self._intake.ack_due, self._streams.pace.resume_at
            if resume_at is not None and resume_at < due:
                due = resume_at
            return due if ack_due is None or ack_due > due else ack_due
        if self.state is State.GREETING:
            return self._pulse.silent_at
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
        self._streams.announce()

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
            "received": self._intake.received,
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
        self._control.clear()
        self._intake.attach(now)
        self._pulse.attach(now)
        self._streams.rewind()

    def _welcome(self, resumed: bool, more: Mapping[str, Any]) -> None:
        body = {
            **more,
            "version": VERSION,
            "session": {"id": self.id, "token": self.token},
            "resumed": resumed,
            "received": self._intake.received,
            "limits": self.limits.to_wire(),
            "heartbeat_s": self.heartbeat.interval_s,
            "grace_s": self.grace_s,
        }
        self._control.put_first(self._codec.encode("welcome", 0, body))

    def _detach(self, now: float) -> list[Instruction]:
        if self.state is State.OPEN:
            self._grace_end = now + self.grace_s
        self._move("transport closed")
        self._control.clear()
        self._intake.detach()
        return []

    def _tick(self, now: float) -> list[Instruction]:
        self._intake.tick(now)
        self._streams.pace.tick(now)
        if self.state in (State.OPEN, State.GREETING):
            if now >= self._pulse.silent_at:
                self._pulse.heard(now)
                return [CloseTransport(CloseCode.SILENT, "nothing was heard for too long")]
            if self.state is State.OPEN and now >= self._pulse.ping_at:
                self._say("ping", self._pulse.ask(now))
        elif self.state is State.DETACHED and self.side == "listener" and now >= self._grace_end:
            return self.end("it was not resumed in time")
        return []

    # ── receiving ───────────────────────────────────────────────────────────────────────────────

    def _frame(self, data: Frame, now: float) -> list[Instruction]:
        if self.state not in (State.OPEN, State.GREETING) or self._closing:
            return []
        self._pulse.heard(now)
        try:
            ack, messages = self._codec.decode(data, self.limits)
            if self.state is State.GREETING:
                return self._take_welcome(ack, messages, now)
            if not self._outbox.acknowledge(ack):
                raise RemoteProtocolError(f"Message {ack} was acknowledged and never sent.")
            return self._take(messages, len(data), now)
        except ProtocolError as error:
            return self._refuse(error)

    def _take_welcome(self, ack: int, messages: Sequence[Message], now: float) -> list[Instruction]:
        first, *rest = messages or [Message("nothing", 0, {})]
        if first.type == "error":
            return [Refused(first.body), CloseTransport(CloseCode.BYE, "refused")]
        welcome = read_welcome(first)
        lost: tuple[Message, ...] = ()
        if welcome.resumed:
            if not (self._outbox.rewind(welcome.received) and self._outbox.acknowledge(ack)):
                raise RemoteProtocolError("The peer claims to have received what was never sent.")
        else:
            lost = unsent(self._codec, self._outbox.clear())
            self._intake = Intake()
            self._streams.clear()
        self._move("welcome")
        self.id, self.token, self.peer_limits = welcome.id, welcome.token, welcome.limits
        self._streams.announce()
        opened: list[Instruction] = [Opened(welcome.resumed, welcome.body, lost)]
        return opened + (self._take(rest, 0, now) if rest else [])
