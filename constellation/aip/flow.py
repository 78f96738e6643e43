"""How much of a reliable stream is on its way at once, and how fast: tasks come first.

Messages and streams share one connection, so bytes of a stream that wait anywhere on the way (in
socket buffers, at the receiver) make the messages behind them wait. Two rules keep that short:

- `FlowWindow` bounds what one stream has under way to what fills the path and hardly more.
- `Pace` bounds what all streams of a session send in a second, so that bulk leaves processors at
  both ends to the tasks.
"""

from __future__ import annotations

LEAST_BYTES = 32 * 1024
MOST_BYTES = 1024 * 1024
# Bytes of one stream that are to wait on the way: with none, the path would run dry.
WAITING_BYTES = 32 * 1024

# A gigabit link carries no more.
BYTES_PER_S = 128 * 1024 * 1024
# What may be sent at once after a pause; a late timer then costs no throughput.
BURST_BYTES = 256 * 1024
# What is waited for before going on: timers are no finer than a millisecond.
QUANTUM_BYTES = 64 * 1024


class FlowWindow:
    """Bytes of one stream that may be on their way, found by watching round trips.

    The rule is that of FAST TCP (Jin, Wei and Low, "FAST TCP: Motivation, Architecture, Algorithms,
    Performance", 2004): with the least round trip seen, and that of now, ``window * least / now``
    fills the path and the rest waits somewhere. Once a round trip the window goes half the way to
    the first plus what is to wait.

    Attributes:
        bytes: the window.
    """

    __slots__ = ("_least_s", "_probe", "bytes")

    def __init__(self) -> None:
        self.rewind()

    def rewind(self) -> None:
        """A new connection may take another path."""
        self.bytes = LEAST_BYTES
        self._least_s = float("inf")
        self._probe: tuple[int, float] | None = None

    def sent(self, end: int, now: float) -> None:
        """Bytes up to an offset were sent."""
        if self._probe is None:
            self._probe = end, now

    def taken(self, offset: int, now: float) -> None:
        """The receiver took in what is below an offset."""
        if self._probe is None or offset < self._probe[0]:
            return
        rtt_s = now - self._probe[1]
        self._probe = None
        self._least_s = min(self._least_s, rtt_s)
        fills = self.bytes * self._least_s / rtt_s if rtt_s > 0 else self.bytes
        wanted = int(self.bytes + fills + WAITING_BYTES) // 2
        self.bytes = max(LEAST_BYTES, min(wanted, MOST_BYTES))


class Pace:
    """Bytes per second, as a token bucket.

    Attributes:
        resume_at: when to go on, if it was said that there is to be a pause.
    """

    __slots__ = ("_at", "_left", "resume_at")

    def __init__(self) -> None:
        self.resume_at: float | None = None
        self._left = float(BURST_BYTES)
        self._at = 0.0

    def allows(self, now: float) -> bool:
        """Whether more may be sent now; if not, `resume_at` says when."""
        self._left = min(self._left + max(0.0, now - self._at) * BYTES_PER_S, BURST_BYTES)
        self._at = now
        if self._left > 0:
            self.resume_at = None
            return True
        if self.resume_at is None:
            self.resume_at = now + (QUANTUM_BYTES - self._left) / BYTES_PER_S
        return False

    def spend(self, count: int) -> None:
        """So many bytes were sent."""
        self._left -= count

    def tick(self, now: float) -> None:
        """Time has passed: a pause that is over is forgotten."""
        if self.resume_at is not None and now >= self.resume_at:
            self.resume_at = None
