from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.aip.rate import TokenBucket

RATE = st.floats(0.01, 1e4)
BURST = st.floats(1.0, 1e4)
STEPS = st.lists(st.tuples(st.floats(-5.0, 1e3), st.floats(0.1, 20.0)), max_size=60)


@given(RATE, BURST, STEPS)
def test_no_stretch_of_time_sees_more_than_it_may(
    rate: float, burst: float, steps: list[tuple[float, float]]
) -> None:
    bucket, now = TokenBucket(rate, burst), 0.0
    taken: list[tuple[float, float]] = []
    for wait, cost in steps:
        now = max(0.0, now + wait)
        if bucket.take(now, cost) == 0.0:
            taken.append((now, min(cost, burst)))
    for i, (start, _) in enumerate(taken):
        total, latest = 0.0, start
        for at, cost in taken[i:]:
            # Time that went back was no time at all.
            latest = max(latest, at)
            total += cost
            bound = burst + rate * (latest - start)
            assert total <= bound * (1 + 1e-9) + 1e-6


@given(RATE, st.floats(1.0, 50.0), st.floats(0.5, 20.0))
def test_whoever_waits_as_long_as_told_is_served(rate: float, burst: float, cost: float) -> None:
    bucket, now = TokenBucket(rate, burst), 0.0
    while (wait := bucket.take(now, cost)) == 0.0:
        pass
    if wait * rate > 1e-6:
        assert bucket.take(now + wait * 0.99, cost) > 0.0
    assert bucket.take(now + wait * 1.0000001 + 1e-9, cost) == 0.0


@given(RATE, BURST, STEPS)
def test_being_refused_costs_nothing(
    rate: float, burst: float, steps: list[tuple[float, float]]
) -> None:
    asked, left_alone, now = TokenBucket(rate, burst), TokenBucket(rate, burst), 0.0
    for wait, cost in steps:
        now += abs(wait)
        first = asked.take(now, cost)
        if first:
            assert asked.take(now, cost) == pytest.approx(first)
        assert math.isclose(left_alone.take(now, cost), first, rel_tol=1e-6, abs_tol=1e-9)


@given(RATE, BURST, st.floats(0.0, 1e9))
def test_it_is_full_at_first_and_again_after_a_while(rate: float, burst: float, now: float) -> None:
    bucket = TokenBucket(rate, burst)
    assert bucket.is_full(now)
    assert bucket.take(now, burst) == 0.0
    assert not bucket.is_full(now)
    assert bucket.is_full(now + burst / rate * 1.001 + 1e-6 + now * 1e-9)


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (math.nan, 1.0)])
def test_a_bucket_that_never_fills_is_a_mistake(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="fills"):
        TokenBucket(rate, burst)
