"""Sound as the agent handles it: one channel of 16-bit samples at 16 kHz."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from constellation.errors import AudioError

from .wav_files import decoded

RATE_HZ = 16_000

Samples: TypeAlias = NDArray[np.float32]
"""(n,) samples between −1 and 1."""


def from_pcm(data: bytes) -> Samples:
    """Samples of 16-bit little-endian PCM."""
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32768)


def to_pcm(samples: Samples) -> bytes:
    """16-bit little-endian PCM; what is too loud is clipped."""
    scaled = np.round(np.clip(samples, -1.0, 1.0) * 32767)
    return scaled.astype("<i2").tobytes()


def read_wav(path: Path) -> Samples:
    """A WAV file at any rate, of PCM or floating point; of several channels, the mean.

    Raises:
        AudioError: it is not such a file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        samples, rate = decoded(data)
    except AudioError as error:
        raise AudioError(f"{path} {error.message}", remedy=error.remedy) from None
    return resampled(samples, rate, RATE_HZ)


def write_wav(path: Path, samples: NDArray[np.float32]) -> None:
    """Write (n,) or (n, channels) samples at `RATE_HZ`.

    Raises:
        AudioError: it cannot be written.
    """
    try:
        path.write_bytes(wav(samples))
    except OSError as error:
        raise AudioError(f"{path} cannot be written: {error.strerror}.") from error


def wav(samples: NDArray[np.float32]) -> bytes:
    """(n,) or (n, channels) samples at `RATE_HZ` as a WAV file."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(to_pcm(samples.reshape(-1)))
    return data.getvalue()


def resampled(samples: Samples, rate_hz: int, to_hz: int) -> Samples:
    """The same sound at another rate: a low-pass where that is lower, then linear interpolation.

    Good enough for speech recognition; 8 kHz to 16 kHz and whole ratios are exact in time.
    """
    if rate_hz == to_hz or not len(samples):
        return samples
    if to_hz < rate_hz:
        taps = low_pass(0.46 * to_hz / rate_hz, 63)
        samples = np.convolve(samples, taps, mode="same").astype(np.float32)
    count = round(len(samples) * to_hz / rate_hz)
    at = np.arange(count) * (rate_hz / to_hz)
    return np.asarray(np.interp(at, np.arange(len(samples)), samples), np.float32)


def low_pass(cutoff: float, taps: int) -> Samples:
    """A windowed-sinc filter of ``taps`` coefficients; the cut-off in cycles per sample."""
    n = np.arange(taps) - (taps - 1) / 2
    kernel = np.sinc(2 * cutoff * n) * np.kaiser(taps, 6.0)
    return np.asarray(kernel / kernel.sum(), np.float32)
