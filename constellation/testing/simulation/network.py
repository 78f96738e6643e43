"""Connections that delay, break, and break without telling anybody."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from constellation.aip.codec import Frame

from .world import World

# How long one end may need to hear that a connection is broken, seconds.
NOTICE_S = 1.5


class End(Protocol):
    """Whoever holds an end of a connection."""

    def received(self, wire: Wire, frame: Frame) -> None: ...

    def lost(self, wire: Wire) -> None: ...


class Wire:
    """A connection as TCP has it: in order, nothing twice, and nothing at all once it is cut.

    Args:
        dialer, listener: its ends, numbers 0 and 1.
        least_s, most_s: how long a frame travels.
    """

    def __init__(
        self, world: World, dialer: End, listener: End, *, least_s: float, most_s: float
    ) -> None:
        self._world = world
        self._ends = dialer, listener
        self._span = least_s, most_s
        self._open = [True, True]
        self._arrives = [0.0, 0.0]
        self._carries = True

    @property
    def usable(self) -> bool:
        """True if what is sent still arrives."""
        return self._carries and all(self._open)

    def send(self, side: int, frame: Frame) -> None:
        """Send a frame from one end to the other."""
        if self._carries and self._open[side]:
            self._world.at(self._arrival(side), partial(self._deliver, 1 - side, frame))

    def close(self, side: int) -> None:
        """One end closes; the other hears of it after what was sent before."""
        if self._open[side]:
            self._open[side] = False
            if self._carries:
                self._world.at(self._arrival(side), partial(self._lose, 1 - side))

    def cut(self) -> None:
        """What is under way is lost, and each end hears of it some time later."""
        if self._carries:
            self._carries = False
            for side in (0, 1):
                self._world.after(self._world.between(0, NOTICE_S), partial(self._lose, side))

    def deafen(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        self._carries = False

    def _arrival(self, side: int) -> float:
        arrival = self._world.now + self._world.between(*self._span)
        # Nothing overtakes.
        self._arrives[side] = max(arrival, self._arrives[side])
        return self._arrives[side]

    def _deliver(self, side: int, frame: Frame) -> None:
        if self._carries and self._open[side]:
            self._ends[side].received(self, frame)

    def _lose(self, side: int) -> None:
        if self._open[side]:
            self._open[side] = False
            self._ends[side].lost(self)
