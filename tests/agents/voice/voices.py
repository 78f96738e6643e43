"""Voices without a person: pulses through formants that move, as in vowels said in a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.voice.sound import RATE_HZ, Samples

# First three formants of some vowels of an average voice, in hertz.
_VOWELS = [
    (730, 1090, 2440),
    (270, 2290, 3010),
    (570, 840, 2410),
    (530, 1840, 2480),
    (300, 870, 2240),
]
_SYLLABLE = RATE_HZ // 5


@dataclass(frozen=True)
class Voice:
    """Attributes:
    pitch_hz: of the glottis, on average.
    tract: the formants relative to those of an average voice; below 1 for a long vocal tract.
    """

    pitch_hz: float
    tract: float

    def says(self, seconds: float, seed: int) -> Samples:
        """Syllables in a row, others for each seed."""
        random = np.random.default_rng(seed)
        syllables = [self._syllable(random) for _ in range(round(seconds * 5))]
        sound = np.concatenate(syllables)
        return (0.3 * sound / np.abs(sound).max()).astype(np.float32)

    def _syllable(self, random: np.random.Generator) -> Samples:
        pitch = self.pitch_hz * random.uniform(0.9, 1.15)
        phase = np.cumsum(np.full(_SYLLABLE, pitch / RATE_HZ))
        pulses = np.diff(np.floor(phase), prepend=0.0) + 0.02 * random.standard_normal(_SYLLABLE)
        spectrum = np.fft.rfft(pulses, 2 * _SYLLABLE)
        hertz = np.fft.rfftfreq(2 * _SYLLABLE, 1 / RATE_HZ)
        response = np.zeros(len(hertz), complex)
        formants = _VOWELS[random.integers(len(_VOWELS))]
        for gain, formant, width in zip((1.0, 0.6, 0.4), formants, (80, 100, 140), strict=True):
            centre = formant * self.tract
            response += gain / (1 + 1j * (hertz - centre) / width)
        voiced = np.fft.irfft(spectrum * response * np.exp(-hertz / 2500))[:_SYLLABLE]
        return (voiced * np.hanning(_SYLLABLE) ** 0.3).astype(np.float32)


def silence(seconds: float, seed: int = 0) -> Samples:
    """A quiet room."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))
    return (0.0005 * noise).astype(np.float32)
