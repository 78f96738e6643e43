from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.aip.heartbeat import SAMPLES, ClockFilter


def exchange(
    clock: ClockFilter, at: float, there: float, back: float, offset: float, thinking: float = 0.0
) -> None:
    """A ping whose way there and back takes so long, to a peer whose clock is ahead by offset."""
    came = at + there + offset
    clock.add(at, came, came + thinking, at + there + thinking + back)


def test_nothing_is_known_before_the_first_answer() -> None:
    clock = ClockFilter()
    assert (clock.rtt_s, clock.offset_s) == (0.0, 0.0)


def test_symmetric_delays_give_the_exact_offset() -> None:
    clock = ClockFilter()
    exchange(clock, 10.0, there=0.02, back=0.02, offset=1000.0, thinking=0.5)
    assert clock.rtt_s == pytest.approx(0.04)
    assert clock.offset_s == pytest.approx(1000.0)


@given(
    there=st.floats(0, 5),
    back=st.floats(0, 5),
    offset=st.floats(-1e6, 1e6),
    thinking=st.floats(0, 10),
)
def test_the_offset_is_never_off_by_more_than_half_the_round_trip(
    there: float, back: float, offset: float, thinking: float
) -> None:
    clock = ClockFilter()
    exchange(clock, 50.0, there, back, offset, thinking)
    assert abs(clock.offset_s - offset) <= (there + back) / 2 + 1e-6


def test_the_quickest_of_the_last_answers_is_believed() -> None:
    clock = ClockFilter()
    exchange(clock, 0.0, there=0.01, back=0.01, offset=5.0)
    exchange(clock, 1.0, there=0.9, back=0.1, offset=5.0)
    assert clock.offset_s == pytest.approx(5.0)
    for n in range(SAMPLES):
        exchange(clock, 10.0 + n, there=0.3, back=0.1, offset=5.0)
    # The quick one is forgotten after a while, since clocks drift.
    assert clock.offset_s == pytest.approx(5.1)


def test_the_round_trip_is_smoothed_and_never_negative() -> None:
    clock = ClockFilter()
    exchange(clock, 0.0, there=0.05, back=0.05, offset=0.0)
    exchange(clock, 1.0, there=0.5, back=0.4, offset=0.0)
    assert clock.rtt_s == pytest.approx(0.2)
    liar = ClockFilter()
    liar.add(0.0, 0.0, 100.0, 1.0)
    assert liar.rtt_s == 0.0
