"""Whose voice it is: told apart for real, by the real model, on voices made of pulses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from voices import Voice, silence

from agents.voice.odds import log_odds
from agents.voice.pvad import Judgement, Listener, Model, enrol
from agents.voice.sound import Samples
from agents.voice.voiceprint import mean_of
from constellation.errors import AudioError

LOW = Voice(pitch_hz=110, tract=0.92)
HIGH = Voice(pitch_hz=215, tract=1.15)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


def primary(judgements: list[Judgement]) -> float:
    """The mean after a tenth of a second."""
    return float(np.mean([each.primary for each in judgements[5:]]))


def heard_by(listener: Listener, voice: Voice, seconds: float = 2.0) -> float:
    listener.push(silence(0.5))
    return primary(listener.push(voice.says(seconds, seed=5)))


@pytest.mark.parametrize(("enrolled", "other"), [(LOW, HIGH), (HIGH, LOW)])
def test_primary_speaker_is_told_from_another(model: Model, enrolled: Voice, other: Voice) -> None:
    voiceprint = enrol(model, enrolled.says(5, seed=1))
    assert heard_by(Listener(model, voiceprint), enrolled) > 0.95
    assert heard_by(Listener(model, voiceprint), other) < 0.6


def test_silence_is_nobody(model: Model) -> None:
    listener = Listener(model, enrol(model, LOW.says(5, seed=1)))
    judgements = listener.push(silence(1.0))
    assert max(each.anyone for each in judgements[5:]) < 0.3
    assert max(each.primary for each in judgements[5:]) < 0.3


def test_everyone_may_interrupt_without_a_voiceprint(model: Model) -> None:
    for voice in (LOW, HIGH):
        assert heard_by(Listener(model), voice) > 0.95


def test_primary_speaker_can_be_changed_within_a_stream(model: Model) -> None:
    listener = Listener(model, enrol(model, LOW.says(5, seed=1)))
    heard_by(listener, LOW)
    listener.voiceprint = enrol(model, HIGH.says(5, seed=1))
    assert heard_by(listener, HIGH) > 0.9


def test_streams_do_not_share_state(model: Model) -> None:
    voiceprint = enrol(model, LOW.says(5, seed=1))
    sound = LOW.says(1, seed=2)
    alone = Listener(model, voiceprint).push(sound)
    one, two = Listener(model, voiceprint), Listener(model, voiceprint)
    together = []
    for begin in range(0, len(sound), 320):
        together += one.push(sound[begin : begin + 320])
        two.push(HIGH.says(0.2, seed=begin)[:320])
    assert together == alone


def test_how_sound_is_cut_does_not_matter(model: Model) -> None:
    sound = LOW.says(1, seed=2)
    whole = Listener(model).push(sound)
    listener = Listener(model)
    pieces: list[Judgement] = []
    for piece in np.split(sound, [7, 300, 2000, 2001, 9999]):
        pieces += listener.push(piece)
    assert pieces == whole
    assert len(whole) == 50


def test_several_enrolments_make_one_voiceprint(model: Model) -> None:
    prints = [enrol(model, LOW.says(4, seed=seed)) for seed in (1, 2, 3)]
    voiceprint = mean_of(prints)
    assert np.linalg.norm(voiceprint.vector) == pytest.approx(1)
    assert min(voiceprint.likeness(each) for each in prints) > 0.95
    assert voiceprint.likeness(enrol(model, HIGH.says(4, seed=1))) < 0.7


def test_what_more_of_a_voice_makes_likelier_is_taken_off(model: Model) -> None:
    little = replace(enrol(model, LOW.says(5, seed=1)), heard_s=5.0)
    much = replace(little, heard_s=30.0)
    assert little.surplus == 0.0
    assert much.surplus == replace(little, heard_s=10.0).surplus > 0.3
    sound = LOW.says(1, seed=2)
    both = [Listener(model, each).push(sound)[20:] for each in (little, much)]
    for one, other in zip(*both, strict=True):
        assert log_odds(one.primary) - log_odds(other.primary) == pytest.approx(
            much.surplus, abs=1e-3
        )


def test_enrolment_knows_how_much_it_heard(model: Model) -> None:
    prints = [enrol(model, LOW.says(seconds, seed=1)) for seconds in (4, 8)]
    shorter, longer = (each.heard_s for each in prints)
    assert 2.0 < shorter < 4.0 < longer < 8.0
    assert mean_of(prints).heard_s == shorter + longer


def test_voiceprint_follows_its_voice(model: Model) -> None:
    before = enrol(model, LOW.says(5, seed=1))
    listener = Listener(model, before)
    heard_by(listener, LOW, seconds=4)
    assert listener.learn()
    assert listener.voiceprint is not None
    assert 0.99 < listener.voiceprint.likeness(before) < 0.99999
    assert listener.voiceprint.heard_s == before.heard_s


def test_what_a_stream_remembers_of_a_voice_is_bounded(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.voice.pvad._MOST_SURE", 80)
    listener = Listener(model, enrol(model, LOW.says(5, seed=1)))
    heard_by(listener, LOW, seconds=6)
    assert len(listener._detection._sure) == 80  # type: ignore[attr-defined]
    assert listener.learn()
    assert not listener.learn()


def test_voiceprint_does_not_follow_another(model: Model) -> None:
    before = enrol(model, LOW.says(5, seed=1))
    listener = Listener(model, before)
    heard_by(listener, HIGH, seconds=4)
    assert not listener.learn()
    assert listener.voiceprint is before


@pytest.mark.parametrize("sound", [np.zeros(80_000, np.float32), LOW.says(1, seed=1), silence(0)])
def test_too_little_voice_is_not_enrolled(model: Model, sound: Samples) -> None:
    with pytest.raises(AudioError, match="s of voice"):
        enrol(model, sound)
