"""How much of a stream is on its way: as the path bears, whatever the path."""

from __future__ import annotations

import pytest

from constellation.aip.flow import (
    BURST_BYTES,
    BYTES_PER_S,
    LEAST_BYTES,
    MOST_BYTES,
    WAITING_BYTES,
    FlowWindow,
    Pace,
)


class Path:
    """A link with a delay and a rate, at whose narrow end bytes queue up.

    Args:
        delay_s: round trip of an empty path, seconds.
        rate: bytes per second.
    """

    def __init__(self, delay_s: float, rate: float) -> None:
        self.delay_s = delay_s
        self.rate = rate
        self.window = FlowWindow()
        self._now = 1_000.0
        self._sent = 0

    def round(self) -> float:
        """Send a window and have it taken in; return how long the last byte waited, seconds."""
        size = self.window.bytes
        queued = max(0.0, size - self.rate * self.delay_s)
        self._sent += size
        self.window.sent(self._sent, self._now)
        self._now += self.delay_s + queued / self.rate
        self.window.taken(self._sent, self._now)
        return queued / self.rate


@pytest.mark.parametrize(
    ("delay_s", "rate"),
    [(0.000_2, 200e6), (0.002, 100e6), (0.02, 10e6), (0.05, 5e6), (0.1, 2e6)],
    ids=["loopback", "wired", "wireless", "far", "very far"],
)
def test_the_path_is_filled_and_little_waits(delay_s: float, rate: float) -> None:
    path = Path(delay_s, rate)
    waits = [path.round() for _ in range(60)]
    assert path.window.bytes >= min(rate * delay_s, MOST_BYTES)
    # What is too much is a matter of bytes, not of time: it is what a message waits for.
    assert max(waits[30:]) * rate <= 2 * WAITING_BYTES


def test_it_shrinks_when_the_receiver_lags_and_never_below_the_least() -> None:
    path = Path(0.05, 20e6)
    for _ in range(60):
        path.round()
    wide = path.window.bytes
    path.rate = 1e5
    for _ in range(60):
        path.round()
    assert LEAST_BYTES <= path.window.bytes < wide / 4


def test_it_is_bounded_however_far_the_peer_is() -> None:
    path = Path(10.0, 1e9)
    for _ in range(100):
        path.round()
    assert path.window.bytes == MOST_BYTES


def test_a_new_connection_begins_anew() -> None:
    path = Path(0.05, 20e6)
    for _ in range(60):
        path.round()
    path.window.rewind()
    assert path.window.bytes == LEAST_BYTES


def test_a_clock_that_stands_still_harms_nothing() -> None:
    path = Path(0.0, 1e30)
    for _ in range(100):
        path.round()
    assert LEAST_BYTES <= path.window.bytes <= MOST_BYTES


def test_a_pause_ends_when_it_said() -> None:
    pace = Pace()
    assert pace.allows(5.0)
    pace.spend(BURST_BYTES)
    assert not pace.allows(5.0)
    due = pace.resume_at
    assert due is not None
    assert not pace.allows(5.0)
    assert pace.resume_at == due
    assert pace.allows(due)
    assert pace.resume_at is None


def test_over_a_long_time_the_rate_is_kept() -> None:
    pace, now, sent = Pace(), 5.0, 0
    while now < 6.0:
        while pace.allows(now):
            pace.spend(16_384)
            sent += 16_384
        now = pace.resume_at or now
    assert abs(sent - BYTES_PER_S) <= BURST_BYTES + 65_536
