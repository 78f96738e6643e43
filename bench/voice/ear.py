"""How soon a person who interrupts hears the agent fall silent, in the sound that it plays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.voice.ports import Detector, Models
from agents.voice.pvad import Listener, enrol
from agents.voice.sound import RATE_HZ, Samples

from .conversations import talk
from .mixtures import noise
from .speakers import Person
from .television import STORY

_BEFORE_S, _SPEAKS_S, _AFTER_S = 5.0, 2.5, 1.0
_QUIET_DB = 25.0
_BLOCK = RATE_HZ // 50
# Half of what it is otherwise is softer, where it is loud enough to tell.
_SOFT, _AUDIBLE = 0.5, 0.01
# Between words the synthesiser's sound is never nothing at all for so long.
_SILENT = RATE_HZ // 10


@dataclass(frozen=True, slots=True)
class Reaction:
    """To one interruption, seconds from its first sound; infinity for never."""

    softer_s: float
    silent_s: float


def reactions(
    people: Sequence[Person], detector: Detector, models: Models, times: int
) -> Iterator[Reaction]:
    """Let each person interrupt a story so many times."""
    quiet = _between(np.zeros(round(_SPEAKS_S * RATE_HZ), np.float32))
    whole = talk(Listener(detector), models, quiet, announce=STORY).sound[:, 1]
    for number, person in enumerate(people):
        voiceprint = enrol(detector, person.enrolment, models.voices)
        rng = np.random.default_rng(number)
        for _ in range(times):
            spoken = person.speech(round(_SPEAKS_S * RATE_HZ), rng)
            recording = _between(spoken)
            recording = recording + noise(len(recording), _QUIET_DB, rng)
            ears = Listener(detector, voiceprint, models.voices)
            notes = talk(ears, models, recording, announce=STORY)
            yield _reaction(notes.sound[:, 1], whole)


def _between(spoken: Samples) -> Samples:
    before, after = (np.zeros(round(each * RATE_HZ), np.float32) for each in (_BEFORE_S, _AFTER_S))
    return np.concatenate([before, spoken, after])


def _reaction(heard: NDArray[np.float32], whole: NDArray[np.float32]) -> Reaction:
    """What becomes of a story, beside the same story that nobody interrupts."""
    begin = round(_BEFORE_S * RATE_HZ)
    # One may have begun a little later than the other.
    told = whole[begin - _begun(heard) + _begun(whole) :]
    after = heard[begin : begin + round((_SPEAKS_S + _AFTER_S) * RATE_HZ)]
    levels, wanted = _levels(after), _levels(told)
    levels, wanted = levels[: len(wanted)], wanted[: len(levels)]
    softer = _first((wanted > _AUDIBLE) & (levels < _SOFT * wanted)) * _BLOCK
    zeros = np.convolve(after == 0, np.ones(_SILENT), "valid") > _SILENT - 0.5
    return Reaction(softer / RATE_HZ, _first(zeros) / RATE_HZ)


def _begun(sound: NDArray[np.float32]) -> int:
    return int(np.flatnonzero(sound)[0])


def _levels(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    blocks = sound[: len(sound) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    return np.asarray(np.sqrt(np.mean(blocks**2, axis=1)), np.float32)


def _first(where: NDArray[np.bool_]) -> float:
    (found,) = np.nonzero(where)
    return float(found[0]) if len(found) else float("inf")
