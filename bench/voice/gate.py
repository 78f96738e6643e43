"""Silero with a gate: a voice interrupts if Resemblyzer finds it like the enrolled person's.

What there is without a detector made for it: a detector of any voice, and a speaker encoder over
the last 1.6 s of voice (the length that it was trained with). Half a second of quiet ends a voice,
and what was heard before it counts no more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.voice.sound import RATE_HZ, Samples

from .deciders import Silero
from .resemblyzer import HOP, PARTIAL, Encoder, mel_power, weights

# From this cosine on it is the person: 8 % false alarms on the validation speakers, over all
# conditions (`python -m bench voice --set only=barge-in --set people=validation`).
LIKE = 0.671
_VOICE = 0.5
_LEAST = 40  # Mel frames with a voice: less says nothing of whose it is.
_GONE_S = 0.5
_EVERY = 5  # Frames of Silero's: every 160 ms.
# Of an enrolment's partials, as Resemblyzer takes them: 1.3 a second.
_STEP = 77


class Gate:
    """The encoder and the detector; it keeps nothing of a stream.

    Raises:
        ConfigError: Resemblyzer or the detector is not installed.
    """

    frame_s = Silero.frame_s

    def __init__(self, silero: Silero) -> None:
        self._silero = silero
        self._encoder = Encoder(weights())

    def enrol(self, sound: Samples) -> NDArray[np.float32]:
        """(256,) the voice in a recording of one person."""
        mel = mel_power(sound)
        voiced = mel[_voiced(self._silero.probabilities(sound), len(mel))]
        last = max(1, len(voiced) - PARTIAL + 1)
        partials = [voiced[at : at + PARTIAL] for at in range(0, last, _STEP)]
        mean = self._encoder.embed(partials).mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def likeness(
        self, sound: Samples, speech: NDArray[np.float32], known: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """(n,) the cosine to a voice for each of Silero's frames; -1 where it is not asked.

        Args:
            speech: (n,) Silero's probabilities.
        """
        mel = mel_power(sound)
        voiced = _voiced(speech, len(mel))
        at, windows = [], []
        for number in range(_EVERY - 1, len(speech), _EVERY):
            if speech[number] < _VOICE:
                continue
            window = _window(voiced, _heard_by(number))
            if len(window) >= _LEAST:
                at.append(number)
                windows.append(mel[window])
        found = np.full(len(speech), -1.0)
        found[at] = self._encoder.embed(windows) @ known
        return found


def _heard_by(number: int) -> int:
    """How many mel frames there are when one of Silero's frames is complete."""
    samples = round((number + 1) * Silero.frame_s * RATE_HZ)
    return max(0, (samples - RATE_HZ // 40) // HOP + 1)


def _voiced(speech: NDArray[np.float32], frames: int) -> NDArray[np.bool_]:
    """(frames,) whether there is a voice in the middle of each mel frame."""
    middle = (np.arange(frames) * HOP + RATE_HZ // 80) / RATE_HZ
    number = np.minimum(middle // Silero.frame_s, len(speech) - 1).astype(np.int64)
    return np.asarray(speech[number] >= _VOICE, np.bool_)


def _window(voiced: NDArray[np.bool_], end: int) -> NDArray[np.int64]:
    """The last mel frames with a voice before ``end``, as far as no pause lies between them."""
    (found,) = np.nonzero(voiced[:end])
    found = found[-PARTIAL:]
    (pauses,) = np.nonzero(np.diff(found) > _GONE_S * RATE_HZ / HOP)
    return np.asarray(found[pauses[-1] + 1 :] if len(pauses) else found, np.int64)
