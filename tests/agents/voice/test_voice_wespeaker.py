"""The second opinion on a voice: its features are Kaldi's, and it tells people apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.voice.models import wespeaker
from agents.voice.models.wespeaker import WeSpeaker, fbank
from agents.voice.sound import RATE_HZ, Samples
from constellation.errors import AudioError, ConfigError

CLIPS = Path(__file__).parents[3].parent / "shared" / "data" / "librispeech-clips"


def test_features_are_those_of_kaldi() -> None:
    at = np.arange(1600) / RATE_HZ
    sweep = (0.3 * np.sin(2 * np.pi * (200 + 4000 * at) * at)).astype(np.float32)
    log_mels, power = fbank(sweep)
    assert log_mels.shape == (8, wespeaker.MELS)
    assert power.shape == (8,)
    # Of kaldi-native-fbank 1.22: Hamming windows, no dither.
    first, last = [14.682547, 22.968937, 11.703693, 10.510314], [10.609399, 13.277099]
    assert log_mels[0, [0, 10, 40, 79]] == pytest.approx(first, abs=1e-3)
    assert log_mels[-1, [0, 10]] == pytest.approx(last, abs=1e-3)


def test_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wespeaker, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="compares voices") as refused:
        WeSpeaker()
    assert "moonshine-voice" in str(refused.value.remedy)


def test_library_without_a_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Package:
        origin = str(tmp_path / "__init__.py")

    (tmp_path / "libmoonshine.so").write_bytes(b"\x7fELF" + 5000 * b"nothing" + b"ORTM is no model")
    monkeypatch.setattr(wespeaker, "find_spec", lambda name: Package)
    with pytest.raises(ConfigError, match="compares voices"):
        WeSpeaker()


@pytest.fixture(scope="module")
def model() -> WeSpeaker:
    pytest.importorskip("moonshine_voice")
    return WeSpeaker()


@pytest.mark.full
def test_too_little_sound_is_refused(model: WeSpeaker) -> None:
    with pytest.raises(AudioError, match="too little"):
        model.embed(np.zeros(1000, np.float32))


@pytest.mark.full
def test_silence_is_compared_or_refused_but_never_breaks(model: WeSpeaker) -> None:
    vector = model.embed(np.zeros(RATE_HZ, np.float32))
    assert np.isfinite(vector).all()


@pytest.mark.full
@pytest.mark.skipif(not CLIPS.is_dir(), reason="the recordings are not beside the checkout")
def test_people_are_more_like_themselves_than_like_others(model: WeSpeaker) -> None:
    soundfile = pytest.importorskip("soundfile")

    def read(path: Path) -> Samples:
        sound, _ = soundfile.read(path, dtype="float32")
        return np.asarray(sound, np.float32)

    sounds = [sound for sound in map(read, sorted(CLIPS.glob("*.flac"))) if len(sound) > 176_000]
    known = [model.embed(sound[: 5 * RATE_HZ]) for sound in sounds[:16]]
    heard = [model.embed(sound[6 * RATE_HZ : 8 * RATE_HZ]) for sound in sounds[:16]]
    likeness = np.array(heard) @ np.array(known).T
    own, others = np.diag(likeness), likeness[~np.eye(16, dtype=bool)]
    assert (np.argmax(likeness, axis=1) == np.arange(16)).mean() >= 0.9
    assert np.quantile(own, 0.1) > np.quantile(others, 0.95)
