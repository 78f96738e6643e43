"""Voices of others are learnt in a stream and held against whoever speaks next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.voice.odds import log_odds
from agents.voice.strangers import Strangers


def voice(*parts: float) -> NDArray[np.float32]:
    vector = np.zeros(256, np.float32)
    vector[: len(parts)] = parts
    return vector / np.linalg.norm(vector)


PRIMARY, OTHER = voice(1, 0.2), voice(0.2, 1)


def talk(
    strangers: Strangers, who: NDArray[np.float32], frames: int, primary: float = 0.05
) -> float:
    """How the last frame of a talk is weighed."""
    found = primary
    for _ in range(frames):
        found = strangers.weigh(primary, 0.99, who, PRIMARY)
    return found


def test_nothing_is_held_against_a_voice_before_others_have_talked() -> None:
    assert talk(Strangers(), OTHER, 25, 0.9) == pytest.approx(0.9)


def test_voice_like_a_strangers_counts_for_less_and_the_primary_speakers_for_more() -> None:
    strangers = Strangers()
    talk(strangers, OTHER, 200)
    assert talk(strangers, OTHER, 1, 0.9) < 0.4
    assert talk(strangers, PRIMARY, 1, 0.6) > 0.9


def test_primary_speaker_is_not_learnt_as_a_stranger() -> None:
    strangers = Strangers()
    talk(strangers, PRIMARY, 500, 0.9)
    assert talk(strangers, PRIMARY, 1, 0.6) == pytest.approx(0.6)


def test_voice_that_is_nearly_the_primary_speakers_is_not_held_against_it() -> None:
    strangers = Strangers()
    talk(strangers, voice(1, 0.4), 500)
    assert talk(strangers, PRIMARY, 1, 0.6) == pytest.approx(0.6)


def test_silence_teaches_nothing() -> None:
    strangers = Strangers()
    for _ in range(500):
        strangers.weigh(0.01, 0.1, OTHER, PRIMARY)
    assert talk(strangers, OTHER, 1, 0.9) == pytest.approx(0.9)


def test_another_primary_speaker_makes_void_what_was_learnt() -> None:
    strangers = Strangers()
    talk(strangers, OTHER, 200)
    assert strangers.weigh(0.9, 0.99, OTHER, OTHER) == pytest.approx(0.9)
    assert strangers.weigh(0.9, 0.99, PRIMARY, OTHER) == pytest.approx(0.9)


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(-1, 1), st.floats(-1, 1)), max_size=80
    )
)
def test_no_voice_is_moved_by_more_than_the_most(
    frames: list[tuple[float, float, float, float]],
) -> None:
    strangers = Strangers()
    for primary, anyone, first, second in frames:
        weighed = strangers.weigh(primary, anyone, voice(first, second, 0.1), PRIMARY)
        assert abs(log_odds(weighed) - log_odds(primary)) <= 3.0 + 1e-6
