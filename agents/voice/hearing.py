"""The last minute of what the microphone heard, by time: so that no turn loses its first sound."""

from __future__ import annotations

import numpy as np

from .sound import RATE_HZ, Samples

KEPT_S = 70.0


class Memory:
    """Sound of one stream, ending now."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._ring = np.zeros(round(kept_s * RATE_HZ), np.float32)
        self._heard = 0
        self._end_s = 0.0

    def push(self, samples: Samples, now: float) -> None:
        """Take in sound that ended at ``now``."""
        kept = samples[-len(self._ring) :]
        at = (self._heard + np.arange(len(kept))) % len(self._ring)
        self._ring[at] = kept
        self._heard += len(kept)
        self._end_s = now

    def since(self, begin: float) -> Samples:
        """The sound from a time on, as far back as it is kept."""
        wanted = round((self._end_s - begin) * RATE_HZ)
        count = max(0, min(wanted, self._heard, len(self._ring)))
        at = (self._heard - count + np.arange(count)) % len(self._ring)
        return self._ring[at]
