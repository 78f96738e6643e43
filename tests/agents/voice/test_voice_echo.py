"""The agent's own voice taken out of what the microphone hears."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voices import Voice

from agents.voice.echo import EchoCanceller
from agents.voice.features import BLOCK
from agents.voice.sound import RATE_HZ, Samples

AGENT = Voice(pitch_hz=180, tract=1.1).says(8, seed=1)
PERSON = Voice(pitch_hz=110, tract=0.92).says(2, seed=2)


def room(sound: Samples, delay_s: float, loudness: float, seed: int = 0) -> Samples:
    """Through a short room with some delay in front of it."""
    rng = np.random.default_rng(seed)
    response = rng.standard_normal(800) * np.exp(-np.arange(800) / 100)
    response *= loudness / np.linalg.norm(response)
    late = np.concatenate([np.zeros(round(delay_s * RATE_HZ)), np.convolve(sound, response)])
    return late[: len(sound)].astype(np.float32)


def canceled(heard: Samples, played: Samples) -> Samples:
    canceller = EchoCanceller()
    blocks = zip(heard.reshape(-1, BLOCK), played.reshape(-1, BLOCK), strict=True)
    return np.concatenate([canceller.push(*each) for each in blocks])


def power_db(sound: Samples) -> float:
    return float(10 * np.log10(np.mean(sound**2) + 1e-12))


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("loudness", [0.1, 1.0])
def test_echo_is_taken_out_once_it_was_learned(delay_s: float, loudness: float) -> None:
    heard = room(AGENT, delay_s, loudness)
    left = canceled(heard, AGENT)
    last = slice(4 * RATE_HZ, None)
    assert power_db(heard[last]) - power_db(left[last]) > 12


def test_it_knows_how_much_it_left() -> None:
    canceller = EchoCanceller()
    heard = room(AGENT, 0.02, 0.5)
    begin = 5 * RATE_HZ
    heard[begin : begin + len(PERSON)] += PERSON
    residues = []
    for block, played in zip(heard.reshape(-1, BLOCK), AGENT.reshape(-1, BLOCK), strict=True):
        canceller.push(block, played)
        residues.append(canceller.residue)
    # Nothing is known of the way at first, and a person is no echo.
    assert residues[3] == 1.0
    assert np.median(residues[begin // BLOCK : (begin + len(PERSON)) // BLOCK]) < 0.1
    canceller = EchoCanceller()
    canceller.push(PERSON[:BLOCK], np.zeros(BLOCK, np.float32))
    assert canceller.residue == 0.0


def test_person_is_left_as_they_were() -> None:
    heard = room(AGENT, 0.02, 0.5)
    begin = 5 * RATE_HZ
    speaking = slice(begin, begin + len(PERSON))
    heard[speaking] += PERSON
    left = canceled(heard, AGENT)[speaking]
    # Nothing is missing from the voice, and hardly anything else is there.
    assert np.corrcoef(left, PERSON)[0, 1] > 0.98
    assert abs(power_db(left) - power_db(PERSON)) < 0.5


def test_speaking_person_does_not_undo_what_was_learned() -> None:
    heard = room(AGENT, 0.02, 0.5)
    heard[4 * RATE_HZ : 4 * RATE_HZ + len(PERSON)] += PERSON
    left = canceled(heard, AGENT)
    after = slice(4 * RATE_HZ + len(PERSON), None)
    assert power_db(heard[after]) - power_db(left[after]) > 12


def test_other_way_to_the_microphone_is_learned_anew() -> None:
    heard = np.concatenate([room(AGENT, 0.02, 0.5), *2 * [room(AGENT, 0.06, 0.5, seed=1)]])
    left = canceled(heard, np.concatenate(3 * [AGENT]))
    last = slice(2 * len(AGENT), None)
    assert power_db(heard[last]) - power_db(left[last]) > 10


def test_silence_of_the_agent_changes_nothing() -> None:
    assert np.allclose(canceled(PERSON, np.zeros_like(PERSON)), PERSON, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
def test_it_never_runs_away(seed: int, loud: float, other: float) -> None:
    rng = np.random.default_rng(seed)
    heard, played = rng.uniform(-1, 1, (2, 100 * BLOCK)).astype(np.float32)
    left = canceled(np.float32(loud) * heard, np.float32(other) * played)
    assert np.isfinite(left).all()
    for before, after in zip(heard.reshape(-1, BLOCK), left.reshape(-1, BLOCK), strict=True):
        assert np.linalg.norm(after) <= np.linalg.norm(loud * before) + 1e-3
