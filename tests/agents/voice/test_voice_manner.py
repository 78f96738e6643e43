"""How something was said."""

from __future__ import annotations

import numpy as np
import pytest
from voices import Voice, silence

from agents.voice.manner import Manner, Usual, manner
from agents.voice.sound import RATE_HZ

TEXT = "one two three four five six"
USUAL = Manner(
    loudness_db=-25, pitch_hz=120, range_st=4, rise_st=0, words_per_s=3, pauses=0, fillers=0
)


def test_voice_is_measured() -> None:
    low, high = (manner(Voice(hertz, 1.0).says(2, seed=1), TEXT) for hertz in (110, 220))
    assert low.pitch_hz == pytest.approx(110, rel=0.15)
    assert high.pitch_hz == pytest.approx(220, rel=0.15)
    assert low.words_per_s == pytest.approx(3, rel=0.15)
    assert low.pauses == low.fillers == 0


def test_it_does_not_hang_on_the_quiet_around_it() -> None:
    voice = Voice(120, 1.0).says(2, seed=1)
    around = np.concatenate([silence(1, seed=2), voice, silence(2, seed=3)])
    bare, found = manner(voice, TEXT), manner(around, TEXT)
    assert found.loudness_db == pytest.approx(bare.loudness_db, abs=1)
    assert found.words_per_s == pytest.approx(bare.words_per_s, rel=0.1)
    assert found.pauses == 0


def test_half_as_loud_is_six_decibels_less() -> None:
    voice = Voice(120, 1.0).says(2, seed=1)
    loud, soft = manner(voice, TEXT), manner(voice / np.float32(2), TEXT)
    assert loud.loudness_db - soft.loudness_db == pytest.approx(6.02, abs=0.1)


def test_pauses_and_fillers_are_counted() -> None:
    voice = Voice(120, 1.0)
    parts = [voice.says(0.6, seed=1), silence(0.5, seed=2), voice.says(0.6, seed=3)]
    short = [silence(0.1, seed=4), voice.says(0.6, seed=5)]
    found = manner(np.concatenate([*parts, *short]), "well, um, I was, uh, there")
    assert (found.pauses, found.fillers) == (1, 2)


def test_rising_end_is_heard() -> None:
    voice = Voice(120, 1.0).says(1, seed=1)
    rising = np.concatenate([voice, Voice(180, 1.0).says(0.4, seed=2)])
    assert manner(rising, TEXT).rise_st > 3
    assert manner(voice, TEXT).rise_st < 3


def test_noise_has_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32)
    found = manner(0.1 * noise, TEXT)
    assert (found.pitch_hz, found.range_st, found.rise_st) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"loudness_db": -19}, ["loudly"]),
        ({"loudness_db": -31}, ["softly"]),
        ({"pitch_hz": 160}, ["in a high voice"]),
        ({"pitch_hz": 90}, ["in a low voice"]),
        ({"words_per_s": 4.5}, ["fast"]),
        ({"words_per_s": 2}, ["slowly"]),
        ({"range_st": 9}, ["lively"]),
        ({"pauses": 2}, ["with hesitation"]),
        ({"fillers": 1}, ["with hesitation"]),
        ({"rise_st": 4}, ["rising at the end"]),
        ({"loudness_db": -31, "fillers": 2}, ["softly", "with hesitation"]),
        ({"pitch_hz": 0, "words_per_s": 0.0001}, ["slowly"]),
    ],
)
def test_what_is_unusual_is_told(changed: dict[str, float], words: list[str]) -> None:
    usual = Usual()
    assert usual.notable(USUAL) == []
    values = {name: getattr(USUAL, name) for name in Manner.__slots__} | changed
    assert usual.notable(Manner(**values)) == words


def test_what_stays_becomes_usual() -> None:
    usual = Usual()
    usual.notable(USUAL)
    values = {name: getattr(USUAL, name) for name in Manner.__slots__}
    loud = Manner(**(values | {"loudness_db": -19}))
    told = [usual.notable(loud) for _ in range(5)]
    assert told[0] == ["loudly"]
    assert told[-1] == []
