"""A session machine at one end of a simulated connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from constellation.aip.codec import Frame
from constellation.aip.pipes import Streams
from constellation.aip.session import (
    CloseTransport,
    Event,
    FrameReceived,
    Instruction,
    Session,
    State,
    StreamClosed,
    StreamData,
    StreamOpened,
    Tick,
    TransportClosed,
)

from .network import Wire
from .world import Alarm, World


class Endpoint:
    """What `constellation.aip.endpoint` is to a real connection.

    Args:
        session: the machine.
        side: 0 for whoever dialled, 1 for whoever listens.
        offset_s: what this side's clock shows beyond the world's.

    Attributes:
        wire: the connection; None while there is none.
        streams: bytes beside the messages, as real endpoints have them.
        losses: how many sessions were lost.
    """

    def __init__(self, world: World, session: Session, side: int, offset_s: float = 0.0) -> None:
        self.world = world
        self.session = session
        self.side = side
        self.offset_s = offset_s
        self.wire: Wire | None = None
        self.losses = 0
        self.streams = Streams(self)
        self._alarm = Alarm(world, self.ring)

    def clock(self) -> float:
        """This side's time, seconds."""
        return self.world.now + self.offset_s

    @property
    def is_open(self) -> bool:
        """Whether there is a session, connected or not."""
        return bool(self.session.id) and self.session.state is not State.CLOSED

    def now(self) -> float:
        """See `clock`."""
        return self.clock()

    def flush_soon(self) -> None:
        """Send what waits: here, at once."""
        self.flush()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Nobody waits here: what may happen next is told by callbacks."""
        raise RuntimeError("there is no event loop in a simulation")

    def lose(self) -> None:
        """The session is no more."""
        self.losses += 1
        self.streams.lose()

    def send(self, type: str, body: Mapping[str, Any]) -> int:
        """Send a numbered message."""
        seq = self.session.send(type, body)
        self.flush()
        return seq

    def acknowledge(self, seq: int) -> None:
        """What came up to this number is secured."""
        self.session.acknowledge(seq, self.clock())
        self.flush()

    def received(self, wire: Wire, frame: Frame) -> None:
        """A frame came over a connection, which may be one that was left before."""
        if wire is self.wire:
            self.feed(FrameReceived(frame))

    def lost(self, wire: Wire) -> None:
        """A connection is gone."""
        if wire is self.wire:
            self.wire = None
            self.feed(TransportClosed("cut"))
            self.detached()

    def ring(self) -> None:
        """The machine's deadline has come."""
        self.feed(Tick())

    def leave(self) -> None:
        """Close the connection, if there is one."""
        if self.wire is not None:
            wire, self.wire = self.wire, None
            wire.close(self.side)
            self.feed(TransportClosed("closed"))
            self.detached()

    def abandon(self) -> None:
        """The process is gone: nothing is sent, and the system closes the connection."""
        self._alarm.stop()
        if self.wire is not None:
            wire, self.wire = self.wire, None
            wire.close(self.side)

    def detached(self) -> None:
        """There is no connection any more; subclasses do what follows."""

    def feed(self, event: Event) -> None:
        """Give the machine an event, and do what it says."""
        self.obey_all(self.session.handle(event, self.clock()))
        self.streams.refill()

    def obey_all(self, instructions: list[Instruction]) -> None:
        """Do what the machine says, and send what waits."""
        for instruction in instructions:
            self.obey(instruction)
        self.flush()

    def obey(self, instruction: Instruction) -> None:
        """Do one thing that the machine says; subclasses do theirs."""
        if isinstance(instruction, StreamOpened | StreamData | StreamClosed):
            self.streams.handle(instruction)
        elif isinstance(instruction, CloseTransport):
            self.flush()
            self.leave()

    def flush(self) -> None:
        """Send what waits, and see to the next deadline."""
        while self.wire is not None:
            frame = self.session.next_frame(self.clock())
            if frame is None:
                break
            self.wire.send(self.side, frame)
        due = self.session.deadline()
        self._alarm.set(None if due is None else due - self.offset_s)
