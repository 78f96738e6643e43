"""What a rule would do with every threshold: from one hearing of the streams, the whole curve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .interruptions import Events, Figures, frames, waited_s
from .mixtures import Stream

# Shares of others' turns that interrupt, at which the tables look.
FALSE = (0.02, 0.04, 0.06, 0.08, 0.12, 0.16)
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Point:
    """A threshold, and what comes of it.

    Attributes:
        asked: at most this share of others' turns was to interrupt.
    """

    asked: float
    threshold: float
    figures: Figures


@dataclass(frozen=True, slots=True)
class Line:
    """(n,) of each, for every share of false alarms up to a half that can be had."""

    false: NDArray[np.float64]
    t90_s: NDArray[np.float64]
    median_s: NDArray[np.float64]
    honoured: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Rise:
    """How the score of a turn climbs.

    Attributes:
        waits_s: from its start, whenever the score is higher than ever in it.
        scores: what it is then.
    """

    waits_s: NDArray[np.float64]
    scores: NDArray[np.float64]

    def wait_s(self, threshold: float) -> float:
        """Until it reaches a threshold; infinity if it never does."""
        at = int(np.searchsorted(self.scores, threshold))
        return float(self.waits_s[at]) if at < len(self.scores) else float("inf")


@dataclass(slots=True)
class Sweep:
    """The scores of one rule in one condition, by person: of their turns, and of others'."""

    own: dict[str, list[_Rise]] = field(default_factory=lambda: defaultdict(list))
    others: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, stream: Stream, scores: NDArray[np.float64], frame_s: float) -> None:
        """Take in (n,) scores of a stream."""
        name = stream.person.name
        for turn in stream.turns:
            here = frames(turn, frame_s)
            heard = scores[here]
            if not turn.own:
                self.others[name].append(float(heard.max(initial=-np.inf)))
                continue
            before = np.maximum.accumulate(np.concatenate([[-np.inf], heard]))[:-1]
            (higher,) = np.nonzero(heard > before)
            waits_s = np.array([waited_s(turn, here.start + each, frame_s) for each in higher])
            self.own[name].append(_Rise(waits_s, heard[higher]))

    def include(self, other: Sweep) -> None:
        """Take in another condition of the same rule."""
        for name in other.own:
            self.own[name] += other.own[name]
            self.others[name] += other.others[name]

    def events(self, threshold: float) -> Events:
        """What the rule does with a threshold: a score that reaches it interrupts."""
        events = Events()
        for name, rises in self.own.items():
            events.waits_s[name] = [each.wait_s(threshold) for each in rises]
            events.false[name] = [each >= threshold for each in self.others[name]]
        return events

    def threshold(self, false: float) -> float:
        """The lowest with which at most this share of others' turns interrupts."""
        highest = np.sort(np.concatenate([list(each) for each in self.others.values()]))[::-1]
        allowed = int(false * len(highest) + 1e-9)
        return float(np.nextafter(highest[min(allowed, len(highest) - 1)], np.inf))

    def points(self, false: Sequence[float] = FALSE) -> list[Point]:
        """The curve at some shares of false alarms, with intervals by person."""
        found = []
        for asked in false:
            threshold = self.threshold(asked)
            found.append(Point(asked, threshold, self.events(threshold).figures()))
        return found

    def line(self) -> Line:
        """The whole curve."""
        count = sum(map(len, self.others.values()))
        thresholds = {self.threshold(each / count) for each in range(int(_MOST * count) + 1)}
        rows = np.array([self.events(each).plain() for each in sorted(thresholds)[::-1]])
        t90_s, median_s, honoured, false = rows.T
        return Line(false, t90_s, median_s, honoured)
