"""Recordings of people, by name: prompts of telephone systems and games, from Debian packages.

None of these was heard in training (agents/voice/models/pvad.md); the threshold was set on those of
``VALIDATION``, and ``TEST`` was looked at for nothing but the tables. People of one source were
recorded with one microphone, so that nothing but their voices tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from agents.voice.sound import RATE_HZ, Samples, resampled
from constellation.errors import ConfigError

SOUNDS = Path("/usr/share")
ENROLMENT_S = 15.0
_MOST_S = 150.0
_BLOCK = RATE_HZ // 50
# Quieter than this beside the loudest is a pause.
_PAUSE = 10 ** (-35 / 20)
LEVEL = 0.07


@dataclass(frozen=True, slots=True)
class Where:
    """Where the recordings of a person are.

    Attributes:
        source: people of one source were recorded alike.
        package: of Debian.
        files: a pattern below the folder of sounds.
    """

    source: str
    package: str
    files: str


def asterisk(package: str, folder: str, kind: str = "wav") -> Where:
    """A professional voice of telephone prompts."""
    return Where("asterisk", f"asterisk-{package}", f"asterisk/sounds/{folder}/**/*.{kind}")


def _fillets(language: str, role: str) -> Where:
    package = f"fillets-ng-data-{language}"
    files = f"games/fillets-ng/sound/*/{language}/*-{role}-*.ogg"
    return Where(f"fillets-{language}", package, files)


def stamps(language: str) -> Where:
    """A volunteer who describes pictures."""
    files = f"tuxpaint/stamps/**/*_desc_{language}.ogg"
    return Where("tuxpaint", "tuxpaint-stamps-default", files)


def potato(language: str, kind: str = "ogg") -> Where:
    """A volunteer who reads the names of things to children."""
    return Where("ktuberling", "ktuberling-data", f"ktuberling/sounds/{language}/*.{kind}")


VALIDATION = {
    "july_esco": asterisk("prompt-es-co", "es", "gsm"),
    "ivr_ru": asterisk("core-sounds-ru-wav", "ru_RU_f_IvrvoiceRU"),
    "fish_cs_m": _fillets("cs", "m"),
    "fish_cs_v": _fillets("cs", "v"),
    "kt_wa": potato("wa"),
    "kt_gl": potato("gl"),
    "tux_ro": stamps("ro"),
    "tux_el": stamps("el"),
}
TEST = {
    "carlo_it": asterisk("core-sounds-it-wav", "it_IT_m_Carlo"),
    "menardi_it": asterisk("prompt-it-menardi-wav", "it_IT_f_Menardi"),
    "june_fr": asterisk("core-sounds-fr-wav", "fr_CA_f_June"),
    "armelle_fr": asterisk("prompt-fr-armelle", "fr", "gsm"),
    "fish_nl_m": _fillets("nl", "m"),
    "fish_nl_v": _fillets("nl", "v"),
    "tux_bg": stamps("bg"),
    "tux_be": stamps("be"),
    "tux_es": stamps("es"),
    "kt_uk": potato("uk"),
    "kt_lt": potato("lt"),
    "kt_sl": potato("sl"),
}
GROUPS = {"validation": VALIDATION, "test": TEST}
BABBLE = {f"kt_{each}": potato(each) for each in ("da", "de", "ru")} | {
    f"tux_{each}": stamps(each) for each in ("ca", "fr")
}


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody's voice, with the pauses between recordings cut out.

    Attributes:
        enrolment: about fifteen seconds, or half of what there is.
        utterances: the rest, each from its first sound to its last.
    """

    name: str
    source: str
    enrolment: Samples
    utterances: tuple[Samples, ...]

    def speech(self, length: int, rng: np.random.Generator) -> Samples:
        """Speech of a length, in samples, from the start of an utterance on."""
        begin = int(rng.integers(len(self.utterances)))
        parts: list[Samples] = []
        while sum(map(len, parts)) < length:
            parts.append(self.utterances[(begin + len(parts)) % len(self.utterances)])
        return np.concatenate(parts)[:length]


def people(places: dict[str, Where], sounds: Path = SOUNDS) -> list[Person]:
    """Load people.

    Raises:
        ConfigError: a package is not installed.
    """
    missing = sorted(
        {place.package for place in places.values() if not any(sounds.glob(place.files))}
    )
    if missing:
        raise ConfigError(
            f"There are no recordings of {', '.join(missing)} in {sounds}.",
            remedy=f"Install them: apt-get install {' '.join(missing)}.",
        )
    return [_person(name, place, sounds) for name, place in places.items()]


def _person(name: str, place: Where, sounds: Path) -> Person:
    utterances: list[Samples] = []
    for path in _shuffled(sorted(sounds.glob(place.files))):
        sound = _trimmed(_read(path))
        if len(sound) >= RATE_HZ // 4:
            utterances.append(sound)
        if sum(map(len, utterances)) > _MOST_S * RATE_HZ:
            break
    level = np.sqrt(np.mean(np.concatenate(utterances) ** 2))
    even = [np.asarray(each * (LEVEL / level), np.float32) for each in utterances]
    lengths = np.cumsum([len(each) for each in even])
    enough = int(np.searchsorted(lengths, min(ENROLMENT_S * RATE_HZ, lengths[-1] / 2)))
    return Person(name, place.source, np.concatenate(even[: enough + 1]), tuple(even[enough + 1 :]))


def _shuffled(paths: list[Path]) -> Iterator[Path]:
    """In an order of chance, so that an enrolment is not all digits."""
    for index in np.random.default_rng(0).permutation(len(paths)):
        yield paths[index]


def _read(path: Path) -> Samples:
    if path.suffix == ".gsm":
        raw = {"samplerate": 8000, "channels": 1, "format": "RAW", "subtype": "GSM610"}
        sound, rate = soundfile.read(path, dtype="float32", **raw)
    else:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        sound = sound.mean(axis=1)
    return resampled(sound, rate, RATE_HZ)


def _trimmed(sound: Samples) -> Samples:
    """From the first sound to the last."""
    blocks = sound[: len(sound) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    levels = np.sqrt(np.mean(blocks**2, axis=1))
    (loud,) = np.nonzero(levels > _PAUSE * levels.max(initial=1e-6) + 1e-4)
    if not len(loud):
        return sound[:0]
    return sound[loud[0] * _BLOCK : (loud[-1] + 1) * _BLOCK]
