from __future__ import annotations

from constellation.aip.backoff import Backoff
from constellation.config import load_settings


def test_bounds_double_up_to_the_largest() -> None:
    backoff = Backoff(lambda: 1.0, first_s=0.1, most_s=1.0)
    assert [round(backoff.next_s(), 6) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_delays_are_drawn_from_zero_up() -> None:
    draws = iter([0.0, 0.5, 0.25])
    backoff = Backoff(lambda: next(draws), first_s=0.1)
    assert [round(backoff.next_s(), 6) for _ in range(3)] == [0.0, 0.1, 0.1]


def test_success_starts_anew() -> None:
    backoff = Backoff(lambda: 1.0, first_s=0.1)
    backoff.next_s()
    backoff.next_s()
    backoff.reset()
    assert backoff.next_s() == 0.1


def test_a_hub_that_is_back_is_dialed_long_before_it_gives_a_device_up() -> None:
    backoff = Backoff(lambda: 1.0)
    longest = max(backoff.next_s() for _ in range(20))
    assert 4 * longest < load_settings().hub.grace_s
