"""The predicted delay: a quantile of what was measured, the warm-up kept out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.robot.delay import Delays

delays = st.lists(st.integers(0, 100), min_size=1, max_size=80)


def test_the_warm_up_does_not_count() -> None:
    seen = Delays(warm_up=2, assumed=7)
    for each in (500, 400):
        seen.record(each)
    assert seen.predicted == 7

    seen.record(3)
    assert seen.predicted == 3


@given(delays, st.floats(0.01, 1.0))
def test_the_prediction_covers_its_share_of_the_window(
    measured: list[int], quantile: float
) -> None:
    seen = Delays(quantile=quantile, window=40, warm_up=0)
    for each in measured:
        seen.record(each)
    window = measured[-40:]

    covered = sum(each <= seen.predicted for each in window) / len(window)
    below = sum(each < seen.predicted for each in window) / len(window)

    assert seen.predicted in window
    assert covered >= quantile - 1e-9
    assert below < quantile


def test_what_left_the_window_is_forgotten() -> None:
    seen = Delays(quantile=1.0, window=3, warm_up=0)
    for each in (90, 1, 2, 1):
        seen.record(each)

    assert seen.predicted == 2
