"""When enough was heard of a voice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.voice.enrolment import BEST_S, Enrolment
from agents.voice.events import FRAME_S
from agents.voice.sound import RATE_HZ


def heard(*parts: tuple[float, float]) -> tuple[Enrolment, float]:
    """An enrolment after seconds at a level each, and when it was over."""
    enrolment, now = Enrolment(), 0.0
    for seconds, level in parts:
        for _ in range(round(seconds / FRAME_S)):
            if not enrolment.over:
                now += FRAME_S
                enrolment.judge(level)
    return enrolment, now


@pytest.mark.parametrize(
    ("parts", "over_s"),
    [
        (((20.0, 0.9),), 15.0),
        (((6.0, 0.9), (3.0, 0.0), (9.0, 0.9)), 7.5),
        (((4.0, 0.9), (3.0, 0.0), (2.0, 0.9), (5.0, 0.0)), 10.5),
        (((12.0, 0.0),), 10.0),
    ],
)
def test_it_ends_with_what_helps_or_with_enough_and_a_pause(
    parts: tuple[tuple[float, float], ...], over_s: float
) -> None:
    enrolment, now = heard(*parts)
    assert enrolment.over
    assert now == pytest.approx(over_s, abs=0.05)


@given(st.lists(st.tuples(st.floats(0.1, 9.0), st.sampled_from([0.0, 0.9])), max_size=30))
def test_it_never_ends_while_somebody_speaks_who_said_too_little(
    parts: list[tuple[float, float]],
) -> None:
    enrolment = Enrolment()
    for seconds, level in parts:
        for _ in range(round(seconds / FRAME_S)):
            enrolment.judge(level)
            if enrolment.over:
                assert level < 0.5 or enrolment.voiced_s >= BEST_S
                return
    assert enrolment.voiced_s < BEST_S
    assert 0.0 <= enrolment.share < 1.0


def test_all_that_was_heard_is_kept() -> None:
    enrolment = Enrolment()
    assert not len(enrolment.sound())
    for level in (0.1, 0.2):
        enrolment.hear(np.full(320, level, np.float32))
    assert enrolment.sound() == pytest.approx(np.repeat([0.1, 0.2], 320))


def test_voice_that_comes_and_goes_is_not_listened_to_for_ever() -> None:
    enrolment, heard_s = Enrolment(), 0.0
    while not enrolment.over:
        for level in [0.9, *[0.0] * 400]:
            enrolment.hear(np.zeros(round(FRAME_S * RATE_HZ), np.float32))
            enrolment.judge(level)
            heard_s += FRAME_S
    assert 60 < heard_s < 180
