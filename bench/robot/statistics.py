"""Means with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 2_000
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, and the interval in which it lies with 95 % confidence."""

    mean: float
    low: float
    high: float

    def percent(self) -> str:
        """As a share, for people."""
        low, mean, high = (round(100 * each) for each in (self.low, self.mean, self.high))
        return f"{mean} ({low}–{high})"

    def to_plain(self) -> dict[str, float]:
        """As plain data."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def mean_of(scores: Sequence[float], seed: int = 0) -> Mean:
    """The mean of the scores of episodes.

    The interval is a bootstrap's over episodes. Where each wholly succeeded or failed it is
    Wilson's (1927): a bootstrap of twenty successes would know no doubt.
    """
    found = np.asarray(scores, float)
    mean = float(found.mean())
    if set(found.tolist()) <= {0.0, 1.0}:
        return _wilson(mean, len(found))
    rng = np.random.default_rng(seed)
    means = rng.choice(found, (_RESAMPLES, len(found))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Mean(mean, float(low), float(high))


def _wilson(share: float, count: int) -> Mean:
    spread = _Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return Mean(share, max(middle - half, 0.0), min(middle + half, 1.0))
