"""A detector and a speaker embedding that know a voice by its pitch alone."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from agents.voice.features import BLOCK
from agents.voice.ports import Detection
from agents.voice.pvad import Judgement
from agents.voice.sound import RATE_HZ, Samples
from agents.voice.voiceprint import Voiceprint
from constellation.errors import AudioError

_LOUD = 0.05
_LOW_HZ, _HIGH_HZ = 80, 320
_ALIKE_OCTAVES = 0.3


def pitch_hz(sound: Samples) -> float:
    """By the first high peak of the autocorrelation; 0 of what is too soft."""
    if np.abs(sound).max(initial=0.0) < _LOUD:
        return 0.0
    found = np.correlate(sound, sound, "full")[len(sound) - 1 :]
    lags = found[RATE_HZ // _HIGH_HZ : RATE_HZ // _LOW_HZ]
    return float(RATE_HZ / (RATE_HZ // _HIGH_HZ + np.argmax(lags > 0.8 * lags.max())))


def pitches_hz(sound: Samples) -> list[float]:
    """Of each 40 ms that are loud enough."""
    whole = len(sound) // (2 * BLOCK) * 2 * BLOCK
    return [each for each in map(pitch_hz, sound[:whole].reshape(-1, 2 * BLOCK)) if each]


def angle(pitch_hz: float) -> float:
    return float(np.log2(pitch_hz / _LOW_HZ))


def direction(sound: Samples) -> tuple[NDArray[np.float32], float]:
    """(2,) of length one, that turn with the pitch; and seconds of voice."""
    found = pitches_hz(sound)
    if not found:
        raise AudioError("There is nothing to be heard.")
    turned = angle(float(np.median(found)))
    return np.array([np.cos(turned), np.sin(turned)], np.float32), 0.04 * len(found)


class Pitch:
    """See `agents.voice.ports.Detector`."""

    def stream(self) -> Detection:
        return _Stream()

    def enrol(self, sound: Samples) -> tuple[NDArray[np.float32], float]:
        return direction(sound)


class _Stream:
    def __init__(self) -> None:
        self._block = np.zeros(BLOCK, np.float32)
        self._recent: deque[float] = deque(maxlen=10)

    def judge(self, block: Samples, voiceprint: Voiceprint | None) -> Judgement:
        found = pitch_hz(np.concatenate([self._block, block]))
        self._block = block
        if not found:
            return Judgement(0.01, 0.01)
        self._recent.append(found)
        if voiceprint is None:
            return Judgement(0.99, 0.99)
        known = np.arctan2(voiceprint.vector[1], voiceprint.vector[0])
        octaves = abs(angle(float(np.median(self._recent))) - known)
        return Judgement(0.99, 0.99 if octaves < _ALIKE_OCTAVES else 0.01)

    def learned(self, voiceprint: Voiceprint) -> Voiceprint:
        return voiceprint


class Chroma:
    """See `agents.voice.voiceprint.Voices`: a direction for each pitch."""

    even = 0.85
    steepness = 40.0

    def embed(self, sound: Samples) -> NDArray[np.float32]:
        return direction(sound)[0]


class Deaf:
    """Makes no stream, so it is no detector."""

    def enrol(self, sound: Samples) -> tuple[NDArray[np.float32], float]:
        return np.zeros(1, np.float32), 0.0


def broken() -> Pitch:
    raise OSError("its weights are missing")
