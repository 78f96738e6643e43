"""Other voices made of real ones: pitch and pace by resampling, the vocal tract by its envelope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.voice.sound import Samples

_WINDOW = 512
_HOP = 128
# Quefrencies of the envelope, in samples: below the period of a pitch of 400 Hz.
_ENVELOPE = 40
_HANN = np.hanning(_WINDOW + 1)[:-1]


def perturbed(sound: Samples, pitch: float, tract: float) -> Samples:
    """A voice with ``pitch`` times its pitch and pace, and formants ``tract`` times as high."""
    count = round(len(sound) / pitch)
    faster = np.interp(np.arange(count) * pitch, np.arange(len(sound)), sound)
    return _warped(faster, tract / pitch)


def _warped(sound: NDArray[np.float64], factor: float) -> Samples:
    """The same pitch, with the envelope of each spectrum stretched: cepstral smoothing."""
    padded = np.pad(sound, (_WINDOW, _WINDOW + _HOP))
    starts = np.arange(0, len(padded) - _WINDOW, _HOP)
    frames = padded[starts[:, None] + np.arange(_WINDOW)] * _HANN
    spectra = np.fft.rfft(frames)
    cepstra = np.fft.irfft(np.log(np.abs(spectra) + 1e-5))
    cepstra[:, _ENVELOPE : _WINDOW - _ENVELOPE] = 0
    envelopes = np.fft.rfft(cepstra).real
    at = np.minimum(np.arange(envelopes.shape[1]) / factor, envelopes.shape[1] - 1)
    low = np.minimum(at.astype(int), envelopes.shape[1] - 2)
    share = at - low
    stretched = envelopes[:, low] * (1 - share) + envelopes[:, low + 1] * share
    changed = np.fft.irfft(spectra * np.exp(stretched - envelopes)) * _HANN
    out = np.zeros(len(padded))
    for start, frame in zip(starts, changed, strict=True):
        out[start : start + _WINDOW] += frame
    # Squared Hann windows at a quarter of their length add up to this.
    return np.asarray(out[_WINDOW : _WINDOW + len(sound)] / 1.5, np.float32)
