"""The agent's own voice taken out of what the microphone hears, where no browser has done it. Pure.

A linear filter alone: it learns the way from the loudspeaker to the microphone and subtracts what
must have come by it. It leaves the person's voice as it was, which cancellers that also suppress do
not, and whose voice it is can then still be told (`python -m bench voice --set only=echo`).

The filter is adapted by blocks in the frequency domain (Soo and Pang, "Multidelay Block Frequency
Domain Adaptive Filter", 1990), soonest where most of the echo comes from (Benesty and Gay, "An
Improved PNLMS Algorithm", 2002), and slower while the person speaks (Valin, "On Adjusting the
Learning Rate in Frequency Domain Echo Cancellation With Double-Talk", 2007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .features import BLOCK
from .sound import Samples

_BINS = BLOCK + 1
_PARTS = 16
_LEARN = 0.5
_FIRST = 0.25
# Beside the strength of the filter's parts, what each is given to begin with.
_EVEN = 0.01
_SMOOTH = 0.2
_REGRESS = 0.02
# Of power, in a block's spectrum: below it there is nothing to learn from.
_QUIET = 1e-2
_LEAST_LEAK, _MOST_LEAK = 0.005, 1.0


class EchoCanceller:
    """One microphone and one loudspeaker, which run by one clock.

    Echoes up to 0.32 s late are taken out, the delay of the sound card included.

    Attributes:
        residue: how much of what was left last is echo still, by estimate, from 0 to 1: all of it
            while the way to the microphone is not known.
    """

    def __init__(self) -> None:
        self.residue = 0.0
        self._filter = np.zeros((_PARTS, _BINS), np.complex128)
        self._played = np.zeros((_PARTS, _BINS), np.complex128)
        self._window = np.zeros(2 * BLOCK)
        self._power = np.zeros(_BINS)
        self._mean_error = np.zeros(_BINS)
        self._mean_echo = np.zeros(_BINS)
        self._together = 0.0
        self._alone = 0.0
        self._learned = 0.0

    def push(self, heard: Samples, played: Samples) -> Samples:
        """Take in a block of the microphone and what was played meanwhile.

        Args:
            heard, played: `BLOCK` samples.

        Returns:
            `BLOCK` samples without the echo.
        """
        self._window = np.concatenate([self._window[BLOCK:], played])
        self._played = np.roll(self._played, 1, axis=0)
        self._played[0] = np.fft.rfft(self._window)
        echo = np.fft.irfft((self._filter * self._played).sum(axis=0))[BLOCK:]
        left = heard - echo
        error, guess = _spectrum(left), _spectrum(echo)
        self._adapt(error, self._rate(np.abs(error) ** 2, np.abs(guess) ** 2))
        # A guess that makes it louder is none.
        return np.asarray(left if left @ left < heard @ heard else heard, np.float32)

    def _rate(self, error: NDArray[np.float64], echo: NDArray[np.float64]) -> NDArray[np.float64]:
        """(bins,) how much to learn: the share of the error that is echo which was not foreseen."""
        power = (np.abs(self._played) ** 2).sum(axis=0)
        error_change, echo_change = error - self._mean_error, echo - self._mean_echo
        self._mean_error += _REGRESS * error_change
        self._mean_echo += _REGRESS * echo_change
        self._together += _REGRESS * (float(error_change @ echo_change) - self._together)
        self._alone += _REGRESS * (float(echo_change @ echo_change) - self._alone)
        if self._learned < _PARTS:
            # Nothing is foreseen yet: assume that what is heard is echo.
            share = np.minimum(_FIRST, _FIRST * power.sum() / max(error.sum(), 1e-12))
            plays = bool(power.sum() > _QUIET * _BINS)
            self._learned += float(share) if plays else 0.0
            self.residue = 1.0 if plays else 0.0
            return np.full(_BINS, share)
        leak = np.clip(self._together / max(self._alone, 1e-12), _LEAST_LEAK, _MOST_LEAK)
        self.residue = min(1.0, float(leak * echo.sum() / max(error.sum(), 1e-12)))
        return np.asarray(np.minimum(_LEARN, leak * echo / np.maximum(error, 1e-12)))

    def _adapt(self, error: NDArray[np.complex128], rate: NDArray[np.float64]) -> None:
        # Where most of the echo comes from is learned soonest.
        weights = np.sqrt(_EVEN + np.sum(np.abs(self._filter) ** 2, axis=1))
        weights *= _PARTS / weights.sum()
        power = weights @ np.abs(self._played) ** 2
        self._power = np.maximum(power, self._power + _SMOOTH * (power - self._power))
        step = weights[:, None] * np.conj(self._played) * (rate * error / (self._power + _QUIET))
        # Only what belongs to the block: else the filter would wrap around.
        taps = np.fft.irfft(step, axis=1)
        taps[:, BLOCK:] = 0.0
        self._filter += np.fft.rfft(taps, axis=1)


def _spectrum(block: NDArray[np.floating]) -> NDArray[np.complex128]:
    return np.fft.rfft(np.concatenate([np.zeros(BLOCK), block]))
