"""Whose voices are learnt from: people and, of each, a voice that nobody has.

People are divided once and for all. Those to learn from are named here and in `librispeech.txt`;
those that choose between models and thresholds are `speakers.VALIDATION`, and those that nothing
but the tables may look at are `speakers.TEST`. Whoever speaks a language of theirs in a collection
of volunteers could be the same person, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from agents.voice.sound import RATE_HZ, Samples
from bench.voice.speakers import LEVEL, Person, Where, people, potato, stamps
from bench.voice.speakers import asterisk as prompts
from constellation.errors import ConfigError

from .perturbation import perturbed

# Less than the tables enrol people with: who is known from little is known from more, too.
ENROLMENT_S = 5.0
_PIECE_S = 1.0
_MOST_VIRTUAL_S = 40.0


def _letters(language: str) -> Where:
    return Where("klettres", "klettres-data", f"klettres/{language}/**/*.ogg")


TRAINING = (
    {"allison_en": prompts("core-sounds-en-wav", "en_US_f_Allison")}
    | {f"kt_{each}": potato(each) for each in ("ca", "da", "de", "en", "ru", "sr")}
    | {f"kt_{each}": potato(each, "wav") for each in ("fi", "fr", "ga", "nds", "pt", "sv")}
    | {f"tux_{each}": stamps(each) for each in ("ca", "da", "fr", "ru")}
    | {f"kl_{each}": _letters(each) for each in ("ar", "de", "fr", "he", "hu", "tn")}
)


@dataclass(frozen=True, slots=True)
class Voice:
    """One to learn from.

    Attributes:
        person: with that voice.
        language: people of one language in several collections may be one.
        weight: how often it is taken, relative to others.
    """

    person: Person
    language: str
    weight: float


def voices(places: dict[str, Where], sounds: Path, clips: Path | None, seed: int) -> list[Voice]:
    """Load people, and give each a second voice.

    Args:
        places: those of Debian's packages.
        sounds: where these are.
        clips: a folder of LibriSpeech utterances, one of each speaker; None does without.

    Raises:
        ConfigError: there are none.
    """
    known = [Voice(each, _language(each.name), 1.0) for each in people(places, sounds)]
    if clips is not None:
        read = list(readers(clips))
        known += [Voice(each, each.name, 0.12) for each in read]
    rng = np.random.default_rng([seed, 1])
    return known + [
        Voice(virtual(each.person, rng), each.language, each.weight / 2) for each in known
    ]


def virtual(person: Person, rng: np.random.Generator) -> Person:
    """Somebody who does not exist: of another pitch, pace and length of the vocal tract."""
    pace, tract = rng.choice([-1, 1]) * rng.uniform(0.07, 0.2), rng.uniform(-0.1, 0.1)
    some, length = [], 0
    for each in person.utterances:
        if length > _MOST_VIRTUAL_S * RATE_HZ:
            break
        some.append(each)
        length += len(each)
    enrolment, *rest = (
        perturbed(each, 1 + pace, 1 + pace + tract) for each in (person.enrolment, *some)
    )
    return Person(f"{person.name}'", person.source, enrolment, tuple(rest))


def readers(clips: Path) -> Iterator[Person]:
    """The speakers of LibriSpeech that are named in `librispeech.txt`.

    Raises:
        ConfigError: one is missing.
    """
    for name in listed():
        path = next(clips.glob(f"{name}-*.flac"), None)
        if path is None:
            raise ConfigError(
                f"There is no utterance of LibriSpeech's speaker {name} in {clips}.",
                remedy="Put one of each speaker of librispeech.txt there, of train-clean-100.",
            )
        sound, rate = soundfile.read(path, dtype="float32")
        if rate != RATE_HZ:
            raise ConfigError(f"{path} has {rate} samples a second; {RATE_HZ} are expected.")
        yield reader(name, sound)


def reader(name: str, sound: Samples) -> Person:
    """Of a dozen seconds, some to know the person by; the rest in pieces, to begin anywhere."""
    even = (sound * (LEVEL / np.sqrt(np.mean(sound**2)))).astype(np.float32)
    enough = round(min(ENROLMENT_S * RATE_HZ, len(sound) / 2))
    piece = round(_PIECE_S * RATE_HZ)
    rest = tuple(even[at : at + piece] for at in range(enough, len(even) - piece // 2, piece))
    return Person(f"ls_{name}", "librispeech", even[:enough], rest)


def listed() -> Sequence[str]:
    """The numbers of LibriSpeech's speakers to learn from."""
    return (Path(__file__).parent / "librispeech.txt").read_text().split()


def _language(name: str) -> str:
    return name.rpartition("_")[2]
