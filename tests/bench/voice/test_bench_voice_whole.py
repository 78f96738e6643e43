"""The parts of the voice agent's bench that look at it as a whole, at their smallest."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import numpy as np
import pytest

from agents.voice.models.loading import loaded
from agents.voice.sound import RATE_HZ, resampled
from bench.voice.ear import _reaction
from bench.voice.firsts import first_turns
from bench.voice.hour import an_hour
from bench.voice.link import cost_of_the_session
from bench.voice.speakers import Person

SENTENCES = (
    "Good morning, and good luck to you all. The old man in the harbour mends his nets. "
    "He sings of a ship that never came home. Is there a bakery that opens before seven?"
)


def test_minute_of_conversation_loses_nothing() -> None:
    hour = an_hour(1)
    assert hour.said == hour.turns == hour.answers == 6
    assert hour.late_s == pytest.approx(hour.early_s, abs=0.05)


def test_reaction_is_found_in_what_was_played() -> None:
    rng = np.random.default_rng(0)
    whole = np.zeros(9 * RATE_HZ, np.float32)
    whole[RATE_HZ:] = rng.standard_normal(8 * RATE_HZ)
    # The story pauses where it is interrupted, which is no answer to that.
    whole[round(4.9 * RATE_HZ) : round(5.1 * RATE_HZ)] *= 0.001
    late = RATE_HZ // 10
    heard = np.concatenate([np.zeros(late, np.float32), whole[:-late]])
    assert _reaction(heard, whole).softer_s == float("inf")
    heard[round(5.4 * RATE_HZ) :] *= 0.2
    heard[round(5.6 * RATE_HZ) :] = 0
    found = _reaction(heard, whole)
    assert found.softer_s == pytest.approx(0.4, abs=0.01)
    assert found.silent_s == pytest.approx(0.6, abs=0.01)
    assert _reaction(whole, whole).silent_s == float("inf")


@pytest.mark.full
def test_first_turns_are_of_the_enrolled_person_and_of_others() -> None:
    pytest.importorskip("moonshine_voice")
    with loaded(seed=0) as shared:
        sound = shared.models.speaker.say(SENTENCES).samples
        higher = resampled(sound, round(1.35 * RATE_HZ), RATE_HZ)
        people = [Person(str(n), "one", each, (each,)) for n, each in enumerate((sound, higher))]
        found = dict(first_turns(people, shared.detector, shared.models, 1))
    assert sorted(found) == [5.0, 15.0]
    for each in found.values():
        assert each.own == [True, True]
        assert each.others == [False, False]


@pytest.mark.full
def test_session_costs_a_tenth_of_the_bytes() -> None:
    if shutil.which("chromium") is None or find_spec("playwright") is None:
        pytest.skip("Chromium or playwright is not installed")
    costs = cost_of_the_session(50)
    assert 1.0 < costs["aip"].bytes_s / costs["bare"].bytes_s < 1.15
