"""Scenes and enrolments as the network takes them, kept in files so that they are made but once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agents.voice.features import BLOCK, MELS, FeatureStream
from agents.voice.sound import RATE_HZ, Samples

from .roster import ENROLMENT_S, Voice
from .scenes import scene, telephone

Arrays: TypeAlias = dict[str, NDArray[Any]]

SHARD = 50
CHANNELS = 2
_ENROLMENT = round(ENROLMENT_S * RATE_HZ)


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """Of S scenes of n blocks with V voices.

    Attributes:
        log_mel: (S, 2n, 40) 16-bit floats.
        level_db: (S, n).
        active: (S, 3, n).
        people: (S, 3) numbers of voices.
        enrolments: (V, 2, 2m, 40) log-mels of each voice, as it is and by telephone.
        names: of the voices.
    """

    log_mel: NDArray[np.float16]
    level_db: NDArray[np.float32]
    active: NDArray[np.bool_]
    people: NDArray[np.int64]
    enrolments: NDArray[np.float16]
    names: NDArray[np.str_]


def prepared(
    load: Callable[[], Sequence[Voice]],
    folder: Path,
    seed: int,
    scenes: int,
    say: Callable[[str], None],
) -> Store:
    """Make what is not there yet.

    Args:
        load: gives the voices; called if they are needed.
        folder: must be of the same voices and seed, or new.
    """
    folder.mkdir(parents=True, exist_ok=True)
    voices = cache(load)
    known = _kept(folder / "enrolments.npz", lambda: _enrolments(voices(), seed))
    parts: list[Arrays] = []
    for begin in range(0, scenes, SHARD):
        count = min(SHARD, scenes - begin)
        path = folder / f"scenes-{begin:06}-{begin + count:06}.npz"
        fresh = not path.exists()
        parts.append(_kept(path, partial(_shard, voices, seed, begin, count)))
        if fresh:
            say(f"{begin + count} of {scenes} scenes are made.")
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Store(**whole, **known)


def features(sound: Samples) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """(2n, 40) log-mels and (n,) levels of n blocks."""
    stream = FeatureStream()
    seen = [stream.push(block) for block in sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK)]
    log_mel = np.concatenate([each.log_mel[-2:] for each in seen]).astype(np.float16)
    return log_mel, np.array([each.level_db for each in seen], np.float32)


def _kept(path: Path, make: Callable[[], Arrays]) -> Arrays:
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **make())
        part.replace(path)
    with np.load(path) as kept:
        return dict(kept)


def _enrolments(voices: Sequence[Voice], seed: int) -> Arrays:
    found = np.zeros((len(voices), CHANNELS, _ENROLMENT // BLOCK * 2, MELS), np.float16)
    for number, voice in enumerate(voices):
        rng = np.random.default_rng([seed, 3, number])
        sound = np.resize(voice.person.enrolment, _ENROLMENT)
        for channel, heard in enumerate((sound, telephone(sound, rng))):
            found[number, channel], _ = features(heard)
    return {"enrolments": found, "names": np.array([each.person.name for each in voices])}


def _shard(load: Callable[[], Sequence[Voice]], seed: int, begin: int, count: int) -> Arrays:
    voices = load()
    made = [scene(voices, seed, number) for number in range(begin, begin + count)]
    seen = [features(each.samples) for each in made]
    return {
        "log_mel": np.stack([log_mel for log_mel, _ in seen]),
        "level_db": np.stack([level_db for _, level_db in seen]),
        "active": np.stack([each.active for each in made]),
        "people": np.array([each.people for each in made]),
    }
