"""Strangers in a stream: their voices are learnt as they talk, and held against who speaks next.

A voice that lies between the primary speaker's and somebody else's is told by which of the two it
is nearer to: the score is normalised by the one impostor who matters, rather than by a cohort.
Whoever speaks for half a second without being taken for the primary speaker is a stranger. The
constants were chosen on the validation speakers, where they hardly matter within a factor of two.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from .odds import log_odds, probability

# Somebody speaks, and the mean log-odds of the primary speaker over half a second are even at most.
_SPEAKING = 0.8
_RECENT_FRAMES = 25
_STRANGE_ODDS = -0.5
# A stranger counts after half a second of such frames; about two seconds are remembered best.
_FEWEST_FRAMES = 25
_RATE = 0.01
# Log-odds for each unit by which a voice is likelier the primary speaker's, or less likely.
_FOR, _AGAINST = 8.0, 12.0
_MOST_ODDS = 3.0
# Somebody who sounds so much like the primary speaker may be they, unrecognised: nothing is held.
_ALIKE = 0.8
# Two voiceprints that are less alike are of two people: what is known of strangers is void then.
_SAME = 0.9


class Strangers:
    """What the others in one stream sound like."""

    def __init__(self) -> None:
        self._recent = deque([log_odds(0.0)] * _RECENT_FRAMES, maxlen=_RECENT_FRAMES)
        self._mean: NDArray[np.float32] | None = None
        self._primary: NDArray[np.float32] | None = None
        self._frames = 0

    def weigh(
        self,
        primary: float,
        anyone: float,
        embedding: NDArray[np.float32],
        voiceprint: NDArray[np.float32],
    ) -> float:
        """The probability of the primary speaker, with the strangers held against it.

        Args:
            embedding, voiceprint: (256,) of length one.
        """
        if self._primary is None or self._primary @ voiceprint < _SAME:
            self._mean, self._frames = None, 0
        self._primary = voiceprint
        odds = log_odds(primary)
        self._recent.append(odds)
        shift = self._shift(embedding, voiceprint)
        if anyone >= _SPEAKING and sum(self._recent) / _RECENT_FRAMES < _STRANGE_ODDS:
            self._learn(embedding)
        return probability(odds + max(-_MOST_ODDS, min(_MOST_ODDS, shift)))

    def _shift(self, embedding: NDArray[np.float32], voiceprint: NDArray[np.float32]) -> float:
        if self._mean is None or self._frames < _FEWEST_FRAMES:
            return 0.0
        stranger = self._mean / np.linalg.norm(self._mean)
        if stranger @ voiceprint > _ALIKE:
            return 0.0
        nearer = float(embedding @ voiceprint - embedding @ stranger)
        return (_FOR if nearer > 0 else _AGAINST) * nearer

    def _learn(self, embedding: NDArray[np.float32]) -> None:
        known = np.zeros_like(embedding) if self._mean is None else self._mean
        self._mean = known + np.float32(_RATE) * (embedding - known)
        self._frames += 1
