"""What a voice is known by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.voice.pvad import Listener, Model
from agents.voice.sound import RATE_HZ, Samples
from agents.voice.voiceprint import SIZE, Voiceprint, compared, mean_of
from constellation.errors import AudioError


def direction(*parts: float) -> NDArray[np.float32]:
    vector = np.zeros(SIZE, np.float32)
    vector[: len(parts)] = parts
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass
class Loudness:
    """Voices that are as alike as they are loud; what is silent cannot be told."""

    heard: int = 0
    even: float = 0.25
    steepness: float = 16.0

    def embed(self, sound: Samples) -> NDArray[np.float32]:
        self.heard = len(sound)
        level = float(np.abs(sound).max(initial=0.0))
        if not level:
            raise AudioError("There is nothing to be heard.")
        return direction(level, 1 - level)


def tone(level: float, seconds: float = 1.0) -> Samples:
    return np.full(round(seconds * RATE_HZ), level, np.float32)


ME = Voiceprint(direction(1.0), 15.0, direction(1.0))


def test_alike_is_likely_and_unlike_is_not() -> None:
    likely, unlikely = (compared(ME, Loudness(), tone(level)) for level in (0.9, 0.1))
    assert likely is not None
    assert unlikely is not None
    assert likely > 0.9
    assert unlikely < 0.1


def test_latest_seconds_count() -> None:
    voices = Loudness()
    compared(ME, voices, tone(0.5, 30.0))
    assert voices.heard < 5 * RATE_HZ


def test_print_without_an_embedding_cannot_be_compared() -> None:
    assert compared(Voiceprint(direction(1.0)), Loudness(), tone(0.5)) is None


def test_several_enrolments_are_one_print() -> None:
    both = mean_of([ME, Voiceprint(direction(0.0, 1.0), 5.0, direction(0.0, 1.0))])
    assert both.heard_s == 20.0
    assert both.vector == pytest.approx(direction(1.0, 1.0))
    assert both.embedding == pytest.approx(direction(1.0, 1.0))
    assert mean_of([ME, Voiceprint(direction(1.0))]).embedding is None


def test_listener_compares_with_whom_it_knows() -> None:
    model = Model()
    assert Listener(model, ME).compare(tone(0.9)) is None
    assert Listener(model, None, Loudness()).compare(tone(0.1)) == 1.0
    listener = Listener(model, ME, Loudness())
    assert (listener.compare(tone(0.9)) or 0.0) > 0.9
    assert listener.compare(tone(0.0)) is None
