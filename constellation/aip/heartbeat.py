"""Round trip, clock offset and liveness, from four timestamps as in NTP (RFC 5905, section 8)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

SAMPLES = 8
# No clock shows more seconds than this, some 30,000 years after any beginning.
MOST_S = 1e12


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When a quiet link is asked for a sign of life.

    Attributes:
        interval_s: a ping is sent after that long without one.
        timeout_s: the link is given up after that long without any frame.
    """

    interval_s: float = 10.0
    timeout_s: float = 30.0


class ClockFilter:
    """Estimates from the last pings; the quickest round trip is believed most.

    Attributes:
        rtt_s: smoothed round trip, seconds; 0 before the first answer.
        offset_s: the peer's clock minus ours, seconds, from the sample with the least round trip.
    """

    def __init__(self) -> None:
        self.rtt_s = 0.0
        self.offset_s = 0.0
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES)

    def add(self, t0: float, t1: float, t2: float, t3: float) -> None:
        """Take an answer: sent at t0, back at t3 by our clock; there from t1 to t2 by theirs."""
        rtt = max(0.0, (t3 - t0) - (t2 - t1))
        self._samples.append((rtt, ((t1 - t0) + (t2 - t3)) / 2))
        self.rtt_s = rtt if self.rtt_s == 0.0 else self.rtt_s + (rtt - self.rtt_s) / 8
        self.offset_s = min(self._samples)[1]


class Pulse:
    """When the peer was last heard, and when to ask it for a sign of life.

    Attributes:
        clock: round trip and clock offset, from the answers.
        ping_at: when the next ping is due.
    """

    def __init__(self, heartbeat: Heartbeat) -> None:
        self.clock = ClockFilter()
        self.ping_at = 0.0
        self._heartbeat = heartbeat
        self._heard_at = 0.0
        self._asked_at: float | None = None

    @property
    def silent_at(self) -> float:
        """When the link is given up unless something is heard."""
        return self._heard_at + self._heartbeat.timeout_s

    def attach(self, now: float) -> None:
        """A connection begins; it is asked at once."""
        self._heard_at = self.ping_at = now
        self._asked_at = None

    def heard(self, now: float) -> None:
        """A frame came."""
        self._heard_at = now

    def ask(self, now: float) -> dict[str, float]:
        """The body of a ping that is sent now."""
        self.ping_at = now + self._heartbeat.interval_s
        self._asked_at = now
        return {"t0": now}

    def answered(self, pong: Mapping[str, float], now: float) -> None:
        """An answer came; one that was not asked for, or cannot be true, says nothing."""
        t0, t1, t2 = pong["t0"], pong["t1"], pong["t2"]
        if t0 == self._asked_at:
            self._asked_at = None
            if max(abs(t1), abs(t2)) < MOST_S and t2 >= t1:
                self.clock.add(t0, t1, t2, now)
