"""Where the words lie in a sentence's sound, when the synthesiser does not say."""

from __future__ import annotations

import numpy as np

from .events import Word
from .sound import RATE_HZ, Samples

_HOP = RATE_HZ // 100
_QUIET = 10**-3.5  # of the loudest hop's power
# A word takes as long as its letters and something for its ends; a mark after it, a short pause.
_EXTRA = 1.5
_PAUSE = 3.0


def timed(text: str, sound: Samples) -> tuple[Word, ...]:
    """An estimate: the sound between the first and the last voice, shared out by letters.

    Each end is a little late rather than early, so that a word that counts as heard was heard.
    """
    texts = text.split()
    begin, end = _voiced(sound)
    sizes = [_EXTRA + len(word) + (_PAUSE if not word[-1].isalnum() else 0.0) for word in texts]
    ends = begin + np.cumsum(sizes) / max(sum(sizes), 1.0) * (end - begin)
    return tuple(Word(word, round(float(at))) for word, at in zip(texts, ends, strict=True))


def _voiced(sound: Samples) -> tuple[int, int]:
    hops = sound[: len(sound) // _HOP * _HOP].reshape(-1, _HOP)
    power = np.mean(hops**2, axis=1)
    loud = np.flatnonzero(power > _QUIET * power.max(initial=0.0))
    if not len(loud):
        return 0, len(sound)
    return int(loud[0]) * _HOP, min(len(sound), int(loud[-1] + 2) * _HOP)
