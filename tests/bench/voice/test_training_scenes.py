"""What the personalised detector learns from: voices, scenes and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from agents.voice.features import BLOCK
from agents.voice.sound import RATE_HZ, Samples
from bench.voice.speakers import TEST, VALIDATION, Person
from bench.voice.training.perturbation import perturbed
from bench.voice.training.roster import TRAINING, Voice, listed, reader, readers, virtual
from bench.voice.training.scenes import KINDS, SCENE_S, scene, telephone
from bench.voice.training.store import features, prepared
from constellation.errors import ConfigError


def vowel(pitch_hz: float, formant_hz: float, seconds: float) -> Samples:
    """Harmonics of a pitch below one broad formant."""
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    harmonics = np.arange(1, int(7_000 / pitch_hz)) * pitch_hz
    loudness = np.exp(-(((harmonics - formant_hz) / 300) ** 2))
    tones = np.sin(2 * np.pi * harmonics[:, None] * at) * loudness[:, None]
    sound = tones.sum(axis=0)
    return (0.07 * sound / sound.std()).astype(np.float32)


def person(name: str, pitch_hz: float, source: str = "somewhere") -> Person:
    pieces = tuple(vowel(pitch_hz, 900, seconds) for seconds in (1.3, 0.7, 2.0))
    return Person(name, source, vowel(pitch_hz, 900, 5), pieces)


def known(count: int) -> list[Voice]:
    people = [person(f"p_{number}", 110 + 17 * number) for number in range(count)]
    return [Voice(each, each.name, 1.0) for each in people]


def spectrum(sound: Samples) -> np.ndarray:
    return np.abs(np.fft.rfft(sound[:RATE_HZ] * np.hanning(min(len(sound), RATE_HZ))))


def test_nobody_is_in_two_lists() -> None:
    people = [*TRAINING, *VALIDATION, *TEST]
    assert len(set(people)) == len(people)
    places = [place.files for each in (TRAINING, VALIDATION, TEST) for place in each.values()]
    assert len(set(places)) == len(places)
    assert len(set(listed())) == len(listed()) == 251
    # A volunteer of one collection may be the same as one of another, for the same language.
    languages = [
        {name.partition("_")[2] for name in each if name.startswith(("kt_", "tux_", "kl_"))}
        for each in (TRAINING, VALIDATION | TEST)
    ]
    assert not languages[0] & languages[1]


def test_pitch_and_vocal_tract_change_by_themselves() -> None:
    sound = vowel(200, 1_000, 1.6)
    higher = perturbed(sound, 1.25, 1.0)
    assert len(higher) == round(len(sound) / 1.25)
    (peaks,) = np.nonzero(spectrum(higher)[:2_000] > 0.3 * spectrum(higher).max())
    # Harmonics of 250 Hz now, and the strongest are still those about 1 kHz.
    assert all(min(peak % 250, 250 - peak % 250) < 8 for peak in peaks)
    assert 850 < np.average(peaks, weights=spectrum(higher)[peaks]) < 1_150
    longer = perturbed(sound, 1.0, 0.8)
    assert len(longer) == len(sound)
    (peaks,) = np.nonzero(spectrum(longer)[:2_000] > 0.3 * spectrum(longer).max())
    assert all(min(peak % 200, 200 - peak % 200) < 8 for peak in peaks)
    assert np.average(peaks, weights=spectrum(longer)[peaks]) < 950


def test_second_voice_is_another_of_the_same_source() -> None:
    real = person("anna", 180)
    other = virtual(real, np.random.default_rng(0))
    assert (other.name, other.source) == ("anna'", "somewhere")
    assert abs(len(other.enrolment) / len(real.enrolment) - 1) > 0.05
    assert len(other.utterances) == len(real.utterances)


def test_telephone_lets_only_its_band_through() -> None:
    random = np.random.default_rng(1)
    sound = (0.1 * random.standard_normal(2 * RATE_HZ)).astype(np.float32)
    for _ in range(4):
        heard = telephone(sound, random)
        assert len(heard) == len(sound)
        loud = spectrum(heard)
        assert loud[1_000:2_500].mean() > 3 * max(loud[:100].mean(), loud[5_000:].mean())


def test_scene_is_the_same_each_time_and_says_who_speaks() -> None:
    voices = known(8)
    kinds = set()
    assert np.array_equal(scene(voices, 3, 0).samples, scene(voices, 3, 0).samples)
    for number in range(14):
        found = scene(voices, 3, number)
        assert found.samples.shape == (SCENE_S * RATE_HZ,)
        assert found.active.shape == (3, SCENE_S * RATE_HZ / BLOCK)
        assert found.people[0] not in found.people[1:]
        assert found.active[:2].any(axis=1).all()
        kinds.add(bool(found.active[2].any()))
    assert kinds == {True, False}
    assert sum(KINDS.values()) == pytest.approx(1)


def test_scenes_are_made_once_and_kept(tmp_path: Path) -> None:
    voices, said = known(4), list[str]()
    first = prepared(lambda: voices, tmp_path, 5, 3, said.append)
    assert said == ["3 of 3 scenes are made."]
    # Nobody needs to be loaded any more.
    again = prepared(list, tmp_path, 5, 3, said.append)
    assert len(said) == 1
    assert np.array_equal(first.log_mel, again.log_mel)
    assert list(again.names) == [each.person.name for each in voices]
    assert first.log_mel.shape == (3, 800, 40)
    assert first.enrolments.shape == (4, 2, 500, 40)
    log_mel, level_db = features(scene(voices, 5, 1).samples)
    assert np.array_equal(first.log_mel[1], log_mel)
    assert np.array_equal(first.level_db[1], level_db)


def test_reader_is_divided_into_enrolment_and_the_rest() -> None:
    short = reader("7", vowel(150, 900, 3.2))
    assert short.name == "ls_7"
    assert len(short.enrolment) == 1.6 * RATE_HZ
    assert sum(map(len, short.utterances)) == 1.6 * RATE_HZ
    assert len(reader("8", vowel(150, 900, 13)).enrolment) == 5 * RATE_HZ


def test_missing_reader_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / f"{listed()[0]}-1-0000.flac", vowel(150, 900, 3), RATE_HZ)
    with pytest.raises(ConfigError, match=f"speaker {listed()[1]} in"):
        list(readers(tmp_path))
