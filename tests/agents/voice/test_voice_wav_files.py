"""WAV files of every kind that people have, and what is none."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.voice.wav_files import decoded
from constellation.errors import AudioError

SOUND = (0.5 * np.sin(np.arange(800) / 5)).astype(np.float64)
_PCM_ID = bytes.fromhex("0100000000001000800000aa00389b71")


def wav(body: bytes, tag: int, bits: int, *, channels: int = 1, rate: int = 8000) -> bytes:
    frame = channels * bits // 8
    described = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    if tag == 0xFFFE:
        described += struct.pack("<HHI", 22, bits, 4) + _PCM_ID
    # A chunk that nobody needs, of an odd size and so padded.
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"fmt " + struct.pack("<I", len(described)) + described
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _24(sound: np.ndarray) -> bytes:
    four = (sound * (2**31 - 1)).astype("<i4").view(np.uint8).reshape(-1, 4)
    return four[:, 1:].tobytes()


@pytest.mark.parametrize(
    ("body", "tag", "bits", "within"),
    [
        ((SOUND * 127 + 128).astype(np.uint8).tobytes(), 1, 8, 0.02),
        ((SOUND * 32767).astype("<i2").tobytes(), 1, 16, 1e-4),
        (_24(SOUND), 1, 24, 1e-6),
        ((SOUND * (2**31 - 1)).astype("<i4").tobytes(), 1, 32, 1e-6),
        (SOUND.astype("<f4").tobytes(), 3, 32, 1e-6),
        (SOUND.astype("<f8").tobytes(), 3, 64, 1e-6),
        ((SOUND * 32767).astype("<i2").tobytes(), 0xFFFE, 16, 1e-4),
    ],
)
def test_every_kind_is_the_same_sound(body: bytes, tag: int, bits: int, within: float) -> None:
    samples, rate = decoded(wav(body, tag, bits))
    assert rate == 8000
    assert samples == pytest.approx(SOUND, abs=within)


def test_channels_are_mixed() -> None:
    both = (np.stack([SOUND, 0 * SOUND], axis=1) * 32767).astype("<i2").tobytes()
    samples, _ = decoded(wav(both, 1, 16, channels=2))
    assert samples == pytest.approx(SOUND / 2, abs=1e-4)


def test_file_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = wav((SOUND * 32767).astype("<i2").tobytes(), 1, 16)
    samples, _ = decoded(whole[:-401])
    assert len(samples) == len(SOUND) - 201


def test_what_is_not_a_number_is_no_sound() -> None:
    samples, _ = decoded(wav(np.array([np.nan, np.inf, 7.0], "<f4").tobytes(), 3, 32))
    assert samples.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"ID3\x03\0\0\0 an MP3 file that was renamed", "is no WAV file"),
        (wav(b"\0" * 40, 85, 16), "not known"),
        (wav(b"\0" * 40, 1, 12), "not known"),
        (wav(b"\0" * 40, 1, 16, rate=0), "0 Hz"),
        (wav(b"\0" * 40, 1, 16, rate=7), "7 Hz"),
        (wav(b"\0" * 40, 1, 16, channels=0), "0 channels"),
        (wav(b"", 1, 16)[:40], "without sound"),
    ],
)
def test_what_is_none_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(AudioError, match=told):
        decoded(data)


@given(st.binary(max_size=200), st.integers(0, 60), st.booleans())
def test_whatever_a_file_holds_is_sound_or_refused(noise: bytes, at: int, over: bool) -> None:
    whole = wav(b"\1\2" * 40, 1, 16)
    data = whole[:at] + noise + whole[at + (len(noise) if over else 0) :]
    try:
        samples, _ = decoded(data)
    except AudioError:
        return
    assert np.isfinite(samples).all()
