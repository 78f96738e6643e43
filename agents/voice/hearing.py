"""The last minute of what the microphone heard, by time: so that no turn loses its first sound."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

import numpy as np

from .sound import RATE_HZ, Samples

KEPT_S = 70.0


class Memory:
    """Sound of one stream, by when it came: what was held up on its way came all at once."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._ring = np.zeros(round(kept_s * RATE_HZ), np.float32)
        self._heard = 0
        # When a piece came, and how many samples were heard before it and with it.
        self._pieces: deque[tuple[float, int, int]] = deque()

    def push(self, samples: Samples, now: float) -> None:
        """Take in sound that ended at ``now``."""
        kept = samples[-len(self._ring) :]
        at = (self._heard + np.arange(len(kept))) % len(self._ring)
        self._ring[at] = kept
        self._pieces.append((now, self._heard, self._heard + len(kept)))
        self._heard += len(kept)
        while self._pieces[0][2] <= self._heard - len(self._ring):
            self._pieces.popleft()

    def since(self, begin: float) -> Samples:
        """The sound from a time on, as far back as it is kept."""
        later = bisect_right(self._pieces, begin, key=lambda piece: piece[0])
        if later == len(self._pieces):
            return np.zeros(0, np.float32)
        came, before, end = self._pieces[later]
        start = max(before, end - round((came - begin) * RATE_HZ), self._heard - len(self._ring))
        at = np.arange(start, self._heard) % len(self._ring)
        return self._ring[at]
