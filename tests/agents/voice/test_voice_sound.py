"""Samples, WAV files and what the personalised VAD sees of them."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from agents.voice.features import BLOCK, FeatureStream
from agents.voice.sound import (
    RATE_HZ,
    Samples,
    from_pcm,
    read_wav,
    resampled,
    to_pcm,
    write_wav,
)
from constellation.errors import AudioError


def tone(hertz: float, seconds: float = 0.5, rate_hz: int = RATE_HZ) -> Samples:
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def loudest_hz(sound: Samples, rate_hz: int = RATE_HZ) -> float:
    return float(np.abs(np.fft.rfft(sound)).argmax() * rate_hz / len(sound))


def test_pcm_goes_there_and_back() -> None:
    sound = tone(440)
    assert np.abs(from_pcm(to_pcm(sound)) - sound).max() < 1e-4


def test_what_is_too_loud_is_clipped() -> None:
    assert from_pcm(to_pcm(np.array([3.0, -3.0], np.float32))) == pytest.approx([1, -1], abs=1e-4)


def test_wav_goes_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, tone(440))
    assert np.abs(read_wav(path) - tone(440)).max() < 1e-4


def test_channels_are_mixed_and_the_rate_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    left = tone(500, rate_hz=8000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(to_pcm(np.stack([left, left], axis=1).reshape(-1)))
    sound = read_wav(path)
    assert len(sound) == 8000
    assert loudest_hz(sound) == pytest.approx(500, abs=2)


def test_lower_rate_does_not_fold_what_is_too_high() -> None:
    assert np.abs(resampled(tone(7000, rate_hz=48_000), 48_000, 8000)[100:-100]).max() < 0.02
    assert np.abs(resampled(tone(1000, rate_hz=48_000), 48_000, 8000)).max() > 0.45


@pytest.mark.parametrize("content", [b"", b"RIFF but no WAV"])
def test_file_that_is_no_wav_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.wav"):
        read_wav(path)


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot be read"):
        read_wav(tmp_path / "none.wav")


def test_gain_of_the_microphone_does_not_matter() -> None:
    loud, soft = FeatureStream(), FeatureStream()
    block = tone(300)[:BLOCK]
    for _ in range(3):
        one, two = loud.push(block), soft.push(0.1 * block)
    assert one.mel == pytest.approx(two.mel, rel=1e-3)
    assert one.level_db - two.level_db == pytest.approx(20, abs=0.1)


def test_tone_is_seen_in_its_band_and_above_four_kilohertz_in_none() -> None:
    stream = FeatureStream()
    for block in tone(1000).reshape(-1, BLOCK):
        seen = stream.push(block)
    # 1,000 Hz is 15 mels; 40 triangles lie between 0 and 45.2 mels.
    assert abs(int(seen.mel[1].argmax()) - round(15 / 45.2 * 41 - 1)) <= 1
    high = FeatureStream()
    for block in tone(6000).reshape(-1, BLOCK):
        seen = high.push(block)
    assert seen.power < 1e-5
