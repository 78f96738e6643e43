"""Short scenes to learn from: who speaks when, in which room, through which line, among what else.

Every scene is a function of a seed, so that a set of them is the same wherever it is made. Nobody
in a scene is its primary speaker yet: any of its people can be, or somebody who is not there.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from agents.voice.features import BLOCK
from agents.voice.sound import RATE_HZ, Samples, resampled
from bench.voice.mixtures import in_a_room, murmur, noise
from bench.voice.speakers import Person

from .roster import Voice

SCENE_S = 8.0
PEOPLE = 3
_LENGTH = round(SCENE_S * RATE_HZ)
_SOURCE, _SELF = 0.5, 0.15
_AUDIBLE = 10**-3.5
_LEVEL = 0.07

KINDS = {"turns": 0.4, "television": 0.25, "babble": 0.2, "echo": 0.15}


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A few seconds of sound.

    Attributes:
        samples: at 16 kHz.
        people: numbers of voices. The third, heard in an echo alone, may be silent.
        active: (3, n) whether each speaks, for each block of 20 ms.
    """

    samples: Samples
    people: tuple[int, ...]
    active: NDArray[np.bool_]


def scene(voices: Sequence[Voice], seed: int, number: int) -> Scene:
    """The scene of this number."""
    rng = np.random.default_rng([seed, 2, number])
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    first = int(rng.choice(len(voices), p=_weights(voices)))
    second = _beside(voices, first, rng)
    third = _beside(voices, first, rng)
    tracks = np.zeros((PEOPLE, _LENGTH), np.float32)
    for track, who in zip(tracks, (first, second), strict=False):
        gain = 10 ** (rng.uniform(-9, 5) / 20)
        pressing = kind == "television" and who == second
        track[:] = gain * _turns(voices[who].person, rng, pressing=pressing)
    if kind == "echo":
        tracks[2] = _loudspeaker(_turns(voices[third].person, rng, pressing=True), rng)
    active = np.stack([_active(each) for each in tracks])
    voiced = [in_a_room(each, rng) if rng.random() < 0.5 else each for each in tracks]
    heard: Samples = np.sum(voiced, axis=0)
    if kind == "babble":
        crowd = _crowd(voices, {first, second}, rng)
        heard += murmur(crowd, _LENGTH, rng.uniform(2, 20), rng)
    heard += noise(_LENGTH, rng.uniform(6, 36), rng)
    if rng.random() < 0.4:
        heard = telephone(heard, rng)
    loudness = 10 ** (rng.uniform(-25, 5) / 20)
    samples = np.clip(heard * loudness, -1, 1).astype(np.float32)
    return Scene(samples, (first, second, third), active)


def telephone(sound: Samples, rng: np.random.Generator) -> Samples:
    """Through a line of 300 to 3,400 Hz, half the time coded for a mobile telephone (GSM 06.10)."""
    narrow = resampled(sound, RATE_HZ, 8_000)
    spectrum = np.fft.rfft(narrow)
    hertz = np.fft.rfftfreq(len(narrow), 1 / 8_000)
    low, high = rng.uniform(150, 350), rng.uniform(3_000, 3_700)
    spectrum /= (1 + np.exp((low - hertz) / 25)) * (1 + np.exp((hertz - high) / 50))
    line = np.fft.irfft(spectrum, len(narrow)).astype(np.float32)
    if rng.random() < 0.5:
        coded = io.BytesIO()
        loudest = float(np.abs(line).max(initial=1e-6))
        soundfile.write(coded, line * (0.5 / loudest), 8_000, format="WAV", subtype="GSM610")
        coded.seek(0)
        decoded, _ = soundfile.read(coded, dtype="float32")
        line = decoded[: len(narrow)] * (loudest / 0.5)
    wide = resampled(np.asarray(line, np.float32), 8_000, RATE_HZ)
    return np.pad(wide, (0, max(0, len(sound) - len(wide))))[: len(sound)]


def _weights(voices: Sequence[Voice]) -> NDArray[np.float64]:
    weights = np.array([each.weight for each in voices])
    return np.asarray(weights / weights.sum())


def _beside(voices: Sequence[Voice], who: int, rng: np.random.Generator) -> int:
    """Somebody else: of the same source, the same person with another voice, or anybody."""
    own = voices[who]
    others = [n for n, each in enumerate(voices) if each.language != own.language]
    alike = [n for n in others if voices[n].person.source == own.person.source]
    itself = [n for n, each in enumerate(voices) if each.language == own.language and n != who]
    draw = rng.random()
    chosen = others
    if draw < _SOURCE and alike:
        chosen = alike
    elif draw < _SOURCE + _SELF and itself:
        chosen = itself
    weights = _weights([voices[n] for n in chosen])
    return chosen[int(rng.choice(len(chosen), p=weights))]


def _turns(person: Person, rng: np.random.Generator, *, pressing: bool) -> Samples:
    """Speech with pauses; somebody who presses on hardly makes any."""
    track = np.zeros(_LENGTH, np.float32)
    at = 0 if pressing else round(rng.uniform(0, 2.5) * RATE_HZ)
    while at < _LENGTH:
        length = round(rng.uniform(*((2.0, 5.0) if pressing else (0.3, 3.0))) * RATE_HZ)
        spoken = person.speech(length, rng)[: _LENGTH - at]
        track[at : at + len(spoken)] = spoken
        at += length + round(rng.uniform(*((0.1, 0.6) if pressing else (0.3, 3.5))) * RATE_HZ)
    return track


def _loudspeaker(sound: Samples, rng: np.random.Generator) -> Samples:
    """What is left of an answer that comes back from a small loudspeaker."""
    spectrum = np.fft.rfft(sound)
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    spectrum *= 1 / (1 + np.exp((rng.uniform(250, 500) - hertz) / 60))
    spectrum *= 10 ** (np.interp(hertz, np.linspace(0, 8_000, 12), rng.normal(0, 4, 12)) / 20)
    return np.asarray(10 ** (-rng.uniform(4, 20) / 20) * np.fft.irfft(spectrum, len(sound)))


def _active(track: Samples) -> NDArray[np.bool_]:
    powers = np.mean(track.reshape(-1, BLOCK) ** 2, axis=1)
    return np.asarray(powers > _AUDIBLE * max(float(powers.max()), 1e-8))


def _crowd(voices: Sequence[Voice], without: set[int], rng: np.random.Generator) -> list[Person]:
    chosen = [int(each) for each in rng.permutation(len(voices)) if int(each) not in without]
    return [voices[each].person for each in chosen[: rng.integers(3, 7)]]
