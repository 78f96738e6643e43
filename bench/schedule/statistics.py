"""Medians with 95 % intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_DOUBT = 0.05


@dataclass(frozen=True, slots=True)
class Median:
    """The median of a sample, and an interval that holds that of the population 19 times in 20."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"

    def to_plain(self) -> dict[str, float]:
        """As plain data."""
        return {"median": self.median, "low": self.low, "high": self.high}


def median_of(sample: Sequence[float]) -> Median:
    """The median, between the order statistics that enclose it whatever the distribution.

    How many values of n lie below the median is binomial (Conover, "Practical Nonparametric
    Statistics", section 3.2). Fewer than six values enclose it too seldom: then it is their range.
    """
    ordered = sorted(sample)
    count = len(ordered)
    below, tail = 0, 0.0
    while below < count // 2:
        tail += math.comb(count, below) / 2.0**count
        if 2 * tail > _DOUBT:
            break
        below += 1
    rank = max(0, below - 1)
    return Median(statistics.median(ordered), ordered[rank], ordered[count - 1 - rank])
