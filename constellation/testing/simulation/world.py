"""Time and chance: all that happens comes from one queue, in an order that a seed gives."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

Call = Callable[[], None]

# Timers ring a little late: never before the machine's deadline, however its clock is rounded.
LATE_S = 1e-6


class World:
    """What is yet to happen, by time.

    Args:
        seed: of all chance.

    Attributes:
        now: seconds since the beginning.
        random: where all chance comes from.
        steps: how many things have happened.
        trace: what was told of it, ``(time, sentence)``; kept only if asked for.
    """

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self.steps = 0
        self.trace: list[tuple[float, str]] = []
        self._traced = traced
        self._queue: list[tuple[float, int, Call]] = []
        self._count = 0

    def at(self, time: float, call: Call) -> None:
        """Have something happen at a time, or now if that is past."""
        self._count += 1
        heapq.heappush(self._queue, (max(time, self.now), self._count, call))

    def after(self, seconds: float, call: Call) -> None:
        """Have something happen later."""
        self.at(self.now + seconds, call)

    def between(self, least: float, most: float) -> float:
        """A number by chance."""
        return self.random.uniform(least, most)

    def tell(self, sentence: str) -> None:
        """Note something for whoever looks at a failure."""
        if self._traced:
            self.trace.append((self.now, sentence))

    def run(self, until: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Let things happen until a time is reached (False) or ``done`` says so (True)."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, call = heapq.heappop(self._queue)
            self.steps += 1
            call()
            if done():
                return True
        self.now = until
        return done()


class Alarm:
    """Wakes a machine by its deadline. One that is set too early rings, and is set anew.

    Args:
        ring: what to do then.
    """

    def __init__(self, world: World, ring: Call) -> None:
        self._world = world
        self._ring = ring
        self._due: float | None = None

    def set(self, due: float | None) -> None:
        """Ring by then; None leaves it as it is."""
        if due is None or (self._due is not None and self._due <= due):
            return
        self._due = due
        self._world.at(due + LATE_S, lambda: self._rang(due))

    def stop(self) -> None:
        """Ring no more."""
        self._due = None

    def _rang(self, due: float) -> None:
        if self._due == due:
            self._due = None
            self._ring()
