"""What the personalised VAD sees of sound: mel spectra at 8 kHz, made as it streams in.

Every 20 ms of sound at 16 kHz (a block) become two frames of 40 mels: windows of 25 ms every 10 ms,
each ending with the newest sample that it may see. A causal gain control (peak hold, released by
10 dB a second) brings the loudest to one level, so that neither the microphone's gain nor the
distance matters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .sound import RATE_HZ, Samples, low_pass

BLOCK = RATE_HZ // 50
MELS = 40

_RATE_HZ = 8_000
_WINDOW = 200
_HOP = 80
_TAPS = low_pass(0.235, 63)
_RELEASE_DB = 0.1
_QUIETEST = 1e-6
_TARGET_DB = -24.0


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """A block.

    Attributes:
        mel: (2, 40) power.
        log_mel: (5, 40) scaled logarithms, of the three frames before as well.
        level_db: of the gain control, relative to full scale.
        power: mean square of the newer frame.
    """

    mel: NDArray[np.float32]
    log_mel: NDArray[np.float32]
    level_db: float
    power: float


class FeatureStream:
    """The features of one stream, which are its state alone."""

    def __init__(self) -> None:
        self._wide = np.zeros(len(_TAPS) - 1, np.float32)
        self._narrow = np.zeros(_WINDOW - _HOP, np.float32)
        self._log_mels = np.zeros((3, MELS), np.float32)
        self._level_db = -np.inf

    def push(self, block: Samples) -> Features:
        """Take in `BLOCK` samples."""
        wide = np.concatenate([self._wide, block])
        self._wide = wide[-(len(_TAPS) - 1) :]
        halved = np.convolve(wide, _TAPS, mode="valid")[::2].astype(np.float32)
        narrow = np.concatenate([self._narrow, halved])
        self._narrow = narrow[-(_WINDOW - _HOP) :]
        frames = np.stack([narrow[:_WINDOW], narrow[_HOP : _HOP + _WINDOW]])
        powers = np.mean(frames**2, axis=1)
        gains = np.empty((2, 1), np.float32)
        for index, power in enumerate(powers):
            heard_db = 10 * np.log10(max(float(power), _QUIETEST))
            self._level_db = max(heard_db, self._level_db - _RELEASE_DB)
            gains[index] = 10 ** ((_TARGET_DB - self._level_db) / 10)
        spectra = np.abs(np.fft.rfft(frames * _HANN)) ** 2 * 4
        mel = (spectra @ _FILTERS * gains).astype(np.float32)
        log_mels = np.concatenate([self._log_mels, (np.log(mel + 1e-6) + 6) / 4])
        self._log_mels = log_mels[-3:]
        return Features(mel, log_mels.astype(np.float32), self._level_db, float(powers[1]))


def mel_filters(*, mels: int, bins: int, bin_hz: float) -> NDArray[np.float64]:
    """(bins, mels) triangles from 0 to 8 kHz on Slaney's mel scale, each of area one.

    The scale is linear up to 1 kHz and logarithmic above it.
    """
    scale = np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), mels + 2)
    linear, curved = scale * 200 / 3, 1000 * np.exp((scale - 15) * np.log(6.4) / 27)
    corners = np.where(scale < 15, linear, curved)
    hertz = np.arange(bins)[:, None] * bin_hz
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (hertz - low) / (middle - low), (high - hertz) / (high - middle)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return np.asarray(triangles, np.float64)


_FILTERS = mel_filters(mels=MELS, bins=_WINDOW // 2 + 1, bin_hz=_RATE_HZ / _WINDOW)
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
