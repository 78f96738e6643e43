"""What a microphone hears while the agent speaks: turns of two people, noise, babble, rooms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations

import numpy as np

from agents.voice.sound import RATE_HZ, Samples

from .speakers import Person

_TURNS = 5  # of each of the two
_LEVEL = 0.07
_BABBLERS = 6
_QUIET_DB = 25.0
_NOISE_DB = 10.0


class Condition(StrEnum):
    """What else there is to hear."""

    CLEAN = "clean"
    NOISE = "noise, 10 dB"
    BABBLE = "babble, 10 dB"
    OVERLAP = "overlap"
    ROOM = "reverberation"


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody speaks.

    Attributes:
        own: whether it is the enrolled person.
        begin, end: samples.
    """

    own: bool
    begin: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """A recording of half a minute.

    Attributes:
        person: the enrolled one.
        turns: in order. A turn of the other person may lead into one of the enrolled.
    """

    person: Person
    samples: Samples
    turns: tuple[Turn, ...]


def streams(
    people: Sequence[Person], babble: Sequence[Person], condition: Condition, repetitions: int
) -> Iterator[Stream]:
    """Every person with every other of the same source, so often."""
    pairs = [pair for pair in permutations(people, 2) if pair[0].source == pair[1].source]
    for repetition in range(repetitions):
        for number, (own, other) in enumerate(pairs):
            rng = np.random.default_rng([repetition, number])
            yield _stream(own, other, babble, condition, rng)


def _stream(
    own: Person,
    other: Person,
    babble: Sequence[Person],
    condition: Condition,
    rng: np.random.Generator,
) -> Stream:
    mine: list[Samples] = []
    theirs: list[Samples] = []
    turns: list[Turn] = []
    at = 0

    def silence(track: list[Samples], length: int) -> None:
        track.append(np.zeros(length, np.float32))

    for is_own in rng.permutation([True, False] * _TURNS):
        gap, length = (round(rng.uniform(*span) * RATE_HZ) for span in ((0.8, 1.6), (1.5, 3.5)))
        softer = np.float32(10 ** (-rng.uniform(0, 6) / 20))
        lead = round(rng.uniform(0.4, 1.0) * RATE_HZ)
        if condition is not Condition.OVERLAP or not is_own:
            lead = 0
        silence(mine, gap)
        silence(theirs, gap)
        at += gap
        if not is_own:
            theirs.append(softer * other.speech(length, rng))
            silence(mine, length)
        else:
            silence(mine, lead)
            mine.append(own.speech(length, rng))
            if lead:
                # Somebody else is already talking, and goes on.
                theirs.append(softer * other.speech(lead + length, rng))
            else:
                silence(theirs, length)
        turns.append(Turn(bool(is_own), at + lead, at + lead + length))
        at += lead + length
    voices = [np.concatenate(track) for track in (mine, theirs)]
    if condition is Condition.ROOM:
        voices = [in_a_room(voice, rng) for voice in voices]
    heard = voices[0] + voices[1] + noise(at, _QUIET_DB, rng)
    if condition is Condition.NOISE:
        heard += noise(at, _NOISE_DB, rng)
    if condition is Condition.BABBLE:
        heard += murmur(babble, at, _NOISE_DB, rng)
    return Stream(own, np.clip(heard, -1, 1).astype(np.float32), tuple(turns))


def noise(length: int, below_db: float, rng: np.random.Generator) -> Samples:
    """Pink noise, so many decibels below speech."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(length, 1 / RATE_HZ), 50.0))
    sound = np.fft.irfft(spectrum, length)
    return np.asarray(sound / sound.std() * _LEVEL * 10 ** (-below_db / 20), np.float32)


def murmur(
    people: Sequence[Person], length: int, below_db: float, rng: np.random.Generator
) -> Samples:
    """Many people at once, so many decibels below speech."""
    chosen = rng.permutation(len(people))[:_BABBLERS]
    sound = np.sum([people[each].speech(length, rng) for each in chosen], axis=0)
    return np.asarray(sound / sound.std() * _LEVEL * 10 ** (-below_db / 20), np.float32)


def in_a_room(sound: Samples, rng: np.random.Generator) -> Samples:
    """With the reverberation of a room: 0.25 to 0.5 s, 2 to 8 dB below the direct sound."""
    length = round(rng.uniform(0.25, 0.5) * RATE_HZ)
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= 10 ** (-rng.uniform(2, 8) / 20) / np.linalg.norm(tail)
    response = np.concatenate([[1.0], np.zeros(round(0.003 * RATE_HZ)), tail])
    size = len(sound) + len(response)
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)
    return np.asarray(wet[: len(sound)], np.float32)
