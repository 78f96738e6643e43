"""How something was said, which a transcript loses: loudness, pitch, pace, pauses. Pure.

The semi-cascaded way of FireRedChat ("A Pluggable, Full-Duplex Voice Interaction System with
Cascaded and Semi-Cascaded Implementations", 2025) lets the language model know it. Here it is put
in words that any model understands, and only where it differs from how this person usually speaks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .sound import RATE_HZ, Samples
from .utterances import FILLERS, words_of

_HOP = RATE_HZ // 100
_WINDOW = RATE_HZ // 25
_LOWEST_HZ, _HIGHEST_HZ = 60, 400
_PERIODIC = 0.5
# Below the loudest, in decibels: quieter is a pause. Short ones are between words.
_PAUSE_DB = 30.0
_SHORTEST_PAUSE = 25
# The last of a voice, in which questions rise.
_END = 30

_LOUDER_DB, _HIGHER, _FASTER, _LIVELIER = 4.0, 3.0, 1.3, 1.5
_RISE = 3.0
_LEARN = 0.3


@dataclass(frozen=True, slots=True)
class Manner:
    """How a turn was said.

    Attributes:
        loudness_db: of the voice, below full scale.
        pitch_hz: the median; 0 if there is no voice in it.
        range_st: between the lowest and the highest tenth of the pitch, in semitones.
        rise_st: of the end above the median, in semitones.
        words_per_s: without the pauses.
        pauses: of a quarter of a second or more, between the first and the last sound.
        fillers: "um" and the like.
    """

    loudness_db: float
    pitch_hz: float
    range_st: float
    rise_st: float
    words_per_s: float
    pauses: int
    fillers: int


def manner(sound: Samples, text: str) -> Manner:
    """How a text was said in a sound of at least a twentieth of a second."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::_HOP]
    level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    voiced = level_db > level_db.max() - _PAUSE_DB
    first, last = np.flatnonzero(voiced)[[0, -1]]
    pitches = _pitches(frames[first : last + 1])
    pitches = pitches[pitches > 0]
    low, middle, high = np.quantile(pitches, [0.1, 0.5, 0.9]) if len(pitches) else (0.0, 0.0, 0.0)
    end = np.median(pitches[-_END:]) if len(pitches) else 0.0
    words = words_of(text)
    spoken_s = voiced.sum() * _HOP / RATE_HZ
    return Manner(
        loudness_db=float(10 * np.log10(np.mean(10 ** (level_db[voiced] / 10)))),
        pitch_hz=float(middle),
        range_st=_semitones(high, low),
        rise_st=_semitones(end, middle),
        words_per_s=len(words) / max(float(spoken_s), 0.1),
        pauses=_runs(~voiced[first : last + 1]),
        fillers=sum(each in FILLERS for each in words),
    )


class Usual:
    """How a person usually speaks, learned from turn to turn."""

    def __init__(self) -> None:
        self._usual: Manner | None = None

    def notable(self, found: Manner) -> list[str]:
        """What is worth telling of a turn, in words; it becomes part of what is usual."""
        usual = self._usual
        self._usual = found if usual is None else _between(usual, found)
        words = []
        if usual is not None:
            words += _either(found.loudness_db - usual.loudness_db, _LOUDER_DB, "loudly", "softly")
            if min(found.pitch_hz, usual.pitch_hz) > 0:
                higher = _semitones(found.pitch_hz, usual.pitch_hz)
                words += _either(higher, _HIGHER, "in a high voice", "in a low voice")
            pace = np.log(found.words_per_s / usual.words_per_s) if usual.words_per_s else 0.0
            words += _either(float(pace), float(np.log(_FASTER)), "fast", "slowly")
            if found.range_st > _LIVELIER * max(usual.range_st, 1.0):
                words.append("lively")
        if found.fillers or found.pauses >= 2:
            words.append("with hesitation")
        if found.rise_st >= _RISE:
            words.append("rising at the end")
        return words


def _either(found: float, enough: float, more: str, less: str) -> list[str]:
    if abs(found) < enough:
        return []
    return [more if found > 0 else less]


def _between(usual: Manner, found: Manner) -> Manner:
    def mean(before: float, now: float) -> float:
        # A voice that was not there says nothing of how it usually is.
        return now if not before else before if not now else before + _LEARN * (now - before)

    return Manner(
        loudness_db=mean(usual.loudness_db, found.loudness_db),
        pitch_hz=mean(usual.pitch_hz, found.pitch_hz),
        range_st=mean(usual.range_st, found.range_st),
        rise_st=0.0,
        words_per_s=mean(usual.words_per_s, found.words_per_s),
        pauses=0,
        fillers=0,
    )


def _pitches(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) hertz by the highest autocorrelation of each frame; 0 where it is not periodic."""
    centred = frames - frames.mean(axis=1, keepdims=True)
    size = 2 * frames.shape[1]
    power = np.abs(np.fft.rfft(centred * np.hanning(frames.shape[1]), size, axis=1)) ** 2
    correlation = np.fft.irfft(power, size, axis=1)
    shortest, longest = RATE_HZ // _HIGHEST_HZ, RATE_HZ // _LOWEST_HZ
    lags = correlation[:, shortest:longest] / _TAPER[shortest:longest]
    best = lags.argmax(axis=1)
    sure = lags.max(axis=1) / np.maximum(correlation[:, 0] / _TAPER[0], 1e-9) > _PERIODIC
    return np.where(sure, RATE_HZ / (shortest + best), 0.0)


def _runs(quiet: NDArray[np.bool_]) -> int:
    """Stretches of quiet that are long enough to be pauses."""
    edges = np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]]))
    lengths = np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)
    return int((lengths >= _SHORTEST_PAUSE).sum())


def _semitones(above: float, below: float) -> float:
    return float(12 * np.log2(above / below)) if above > 0 and below > 0 else 0.0


# What windowing takes from the correlation at each lag: without it short periods would win.
_TAPER = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(_WINDOW), 2 * _WINDOW)) ** 2)
