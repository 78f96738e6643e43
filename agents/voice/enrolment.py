"""What is heard of a voice that is to be known: as much as helps, or what there is. Pure.

A quarter of a minute makes voices easier to tell apart than five seconds do, which are enough
(docs/voice-training.md). So it ends by itself after that much voice, or after enough and a pause.
"""

from __future__ import annotations

import numpy as np

from .events import FRAME_S
from .sound import RATE_HZ, Samples

ENOUGH_S = 5.0
BEST_S = 15.0
# Whoever has said enough and is silent for so long has ended; whoever has not is waited for longer.
_PAUSE_S = 1.5
_PATIENCE_S = 10.0
# A voice that comes and goes is not listened to for ever.
_LONGEST_S = 120.0
_VOICE = 0.5


class Enrolment:
    """Somebody speaks to be known.

    Attributes:
        voiced_s: seconds with a voice in them, so far.
    """

    def __init__(self) -> None:
        self.voiced_s = 0.0
        self._silent_s = 0.0
        self._heard_s = 0.0
        self._sounds: list[Samples] = []

    def hear(self, samples: Samples) -> None:
        """Take in what the microphone heard."""
        self._sounds.append(samples)
        self._heard_s += len(samples) / RATE_HZ

    def judge(self, anyone: float) -> None:
        """Take in how probably somebody spoke in a frame of it."""
        if anyone >= _VOICE:
            self.voiced_s += FRAME_S
            self._silent_s = 0.0
        else:
            self._silent_s += FRAME_S

    @property
    def share(self) -> float:
        """How much of what helps was heard, from 0 to 1."""
        return min(1.0, self.voiced_s / BEST_S)

    @property
    def over(self) -> bool:
        """Whether nothing more is to be heard."""
        patience_s = _PAUSE_S if self.voiced_s >= ENOUGH_S else _PATIENCE_S
        long = self.voiced_s >= BEST_S or self._heard_s >= _LONGEST_S
        return long or self._silent_s >= patience_s

    def sound(self) -> Samples:
        """All that was heard."""
        return np.concatenate(self._sounds) if self._sounds else np.zeros(0, np.float32)
