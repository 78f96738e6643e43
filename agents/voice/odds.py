"""Probabilities put together by their log-odds, so that one sure frame outweighs two doubtful ones.

Pure.
"""

from __future__ import annotations

import math

_SURELY = 6.0


def log_odds(probability: float) -> float:
    """Clipped, so that nothing is ever certain."""
    if probability <= 0:
        return -_SURELY
    if probability >= 1:
        return _SURELY
    return max(-_SURELY, min(_SURELY, math.log(probability / (1 - probability))))


def probability(odds: float) -> float:
    """What has these log-odds."""
    return 1 / (1 + math.exp(-odds))


def together(*probabilities: float) -> float:
    """What opinions that know nothing of each other come to: their log-odds are added."""
    return probability(sum(map(log_odds, probabilities)))
