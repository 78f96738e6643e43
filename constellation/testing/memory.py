"""Two sessions joined in memory: no sockets, no tasks, and time that moves when told to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constellation.aip.codec import MSGPACK, Codec
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.limits import Limits
from constellation.aip.messages import Message
from constellation.aip.session import (
    CloseTransport,
    Deliver,
    Event,
    FrameReceived,
    Instruction,
    Session,
    Tick,
    TransportClosed,
    TransportOpened,
    read_hello,
)

from .clock import ManualClock


class End:
    """A session and what became of it.

    Attributes:
        session: the machine.
        messages: delivered to it, in order, over all connections.
        instructions: all of them, in order.
        secures: False leaves messages unacknowledged.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.messages: list[Message] = []
        self.instructions: list[Instruction] = []
        self.secures = True


class SessionPair:
    """A device's session and a hub's, with a link that can be cut.

    Frames move when `carry` or `settle` says so, and `cut` can lose some that were on their way.

    Args:
        codec: what they speak.
        hello: the device's, beside role and name.
        dialer_limits, listener_limits: what each receives.
        heartbeat: of both.
        grace_s: how long the hub keeps the session.

    Attributes:
        clock: the time of both.
        dialer, listener: the device's end and the hub's.
        connected: True while there is a link.
    """

    def __init__(
        self,
        *,
        codec: Codec = MSGPACK,
        hello: Mapping[str, Any] | None = None,
        dialer_limits: Limits | None = None,
        listener_limits: Limits | None = None,
        heartbeat: Heartbeat | None = None,
        grace_s: float = 60.0,
    ) -> None:
        self.clock = ManualClock()
        about = {"role": "device", "name": "desk", **(hello or {})}
        self.dialer = End(Session("dialer", about, limits=dialer_limits, heartbeat=heartbeat))
        self.listener = End(
            Session("listener", limits=listener_limits, heartbeat=heartbeat, grace_s=grace_s)
        )
        self.connected = False
        self._codec = codec

    def connect(self) -> None:
        """Make a link, and open or resume the session over it; its welcome is yet to be carried."""
        self._act(self.dialer, TransportOpened(self._codec))
        listener = self.listener.session
        first = self.dialer.session.next_frame(self.clock())
        if first is None:
            raise RuntimeError("the dialer has no hello to say")
        hello = read_hello(first, self._codec, listener.limits)
        if hello.session is None:
            listener.accept(hello, self._codec, "session", "secret", self.clock())
        else:
            listener.resume(hello, self._codec, self.clock())
        self.connected = True

    def cut(self, lost_frames: int = 0) -> None:
        """Cut the link after each end has sent up to so many frames that never arrive."""
        self.connected = False
        for end in (self.dialer, self.listener):
            for _ in range(lost_frames):
                end.session.next_frame(self.clock())
            self._act(end, TransportClosed("cut"))

    def carry(self, end: End, frames: int = 1) -> int:
        """Have the other end send so many frames to this one, and deliver them; return how many."""
        other = self.listener if end is self.dialer else self.dialer
        carried = 0
        while self.connected and carried < frames:
            frame = other.session.next_frame(self.clock())
            if frame is None:
                break
            self._act(end, FrameReceived(frame))
            carried += 1
        return carried

    def settle(self) -> None:
        """Carry frames both ways until neither end has anything to say now."""
        while self.carry(self.dialer) + self.carry(self.listener):
            pass

    def advance(self, seconds: float) -> None:
        """Let time pass; each end is woken if its deadline has come."""
        now = self.clock.advance(seconds)
        for end in (self.dialer, self.listener):
            due = end.session.deadline()
            if due is not None and due <= now:
                self._act(end, Tick())

    def _act(self, end: End, event: Event) -> None:
        for instruction in end.session.handle(event, self.clock()):
            end.instructions.append(instruction)
            match instruction:
                case Deliver(messages):
                    end.messages += messages
                    if end.secures:
                        end.session.acknowledge(messages[-1].seq, self.clock())
                case CloseTransport() if self.connected:
                    self.cut()
