"""How soon people are let interrupt, and how often others are, by rule and condition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agents.voice.sound import RATE_HZ

from .mixtures import Stream, Turn

# What comes so shortly after a turn was still about it.
_AFTER_S = 0.2
_DRAWS = 1_000
_ALIKE_S = 0.1


def frames(turn: Turn, frame_s: float) -> slice:
    """Those in which a decision is about a turn."""
    last_s = turn.end / RATE_HZ + _AFTER_S
    return slice(int(turn.begin / RATE_HZ / frame_s), int(last_s / frame_s))


def waited_s(turn: Turn, frame: int, frame_s: float) -> float:
    """From the start of a turn until a frame is heard."""
    return (frame + 1) * frame_s - turn.begin / RATE_HZ


@dataclass(slots=True)
class Events:
    """What one rule did in one condition.

    Attributes:
        waits_s: by person, from the start of each of their turns; infinity if never honoured.
        false: by person, for each turn of another whether it was an interruption.
    """

    waits_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    false: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def add(self, stream: Stream, fires: NDArray[np.bool_], frame_s: float) -> None:
        """Take in a rule's decisions on a stream."""
        name = stream.person.name
        for turn in stream.turns:
            here = frames(turn, frame_s)
            (fired,) = np.nonzero(fires[here])
            if turn.own:
                wait = waited_s(turn, here.start + fired[0], frame_s) if len(fired) else np.inf
                self.waits_s[name].append(float(wait))
            else:
                self.false[name].append(bool(len(fired)))

    def figures(self) -> Figures:
        """With intervals, by resampling people."""
        names = sorted(self.waits_s)
        rng = np.random.default_rng(0)
        chosen = np.array([rng.integers(len(names), size=len(names)) for _ in range(_DRAWS)])
        counts = (chosen[:, :, None] == np.arange(len(names))).sum(axis=1)
        drawn = self._of(names, counts)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0, method="nearest")
        t90, median, honoured, false = map(Interval, self.plain(), low, high)
        turns = sum(map(len, self.waits_s.values()))
        return Figures(t90, median, honoured, false, turns)

    def alike(self, other: Events) -> float:
        """The share of turns in which another rule decides the same, on the same streams.

        That is the same of a turn of somebody else's, and of the person's own a tenth of a second
        apart at most.
        """
        same: list[bool] = []
        for name, waits in self.waits_s.items():
            pairs = zip(waits, other.waits_s[name], strict=True)
            same += [one == two or abs(one - two) <= _ALIKE_S for one, two in pairs]
            pairs_false = zip(self.false[name], other.false[name], strict=True)
            same += [one == two for one, two in pairs_false]
        return sum(same) / len(same)

    def plain(self) -> tuple[float, float, float, float]:
        """T90 and median in seconds, the shares honoured and false; without intervals."""
        names = sorted(self.waits_s)
        t90, median, honoured, false = self._of(names, np.ones((1, len(names)), np.int64))[0]
        return float(t90), float(median), float(honoured), float(false)

    def _of(self, names: Sequence[str], counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """(k, 4) figures, as `plain` has them, of k crowds in which each is so often: (k, n)."""
        waits = np.concatenate([self.waits_s[name] for name in names])
        whose = np.repeat(np.arange(len(names)), [len(self.waits_s[name]) for name in names])
        order = np.argsort(waits, kind="stable")
        waits, whose = waits[order], whose[order]
        # So many turns have waited no longer than each.
        served = counts[:, whose].cumsum(axis=1)
        turns = served[:, -1]
        late = [
            waits[(served > np.ceil((turns - 1) * q)[:, None]).argmax(axis=1)] for q in (0.9, 0.5)
        ]
        honoured = counts[:, whose] @ np.isfinite(waits) / turns
        others, wrong = (
            counts @ np.array([count(self.false[name]) for name in names]) for count in (len, sum)
        )
        return np.stack([*late, honoured, wrong / np.maximum(others, 1)], axis=1)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def ms(self) -> str:
        """Seconds, in milliseconds, for people."""
        return f"{_ms(self.value)} ({_ms(self.low)}–{_ms(self.high)})"

    def percent(self) -> str:
        """A share, for people."""
        return f"{100 * self.value:.1f} ({100 * self.low:.0f}–{100 * self.high:.0f})"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f}" if np.isfinite(seconds) else "∞"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a rule in a condition.

    Attributes:
        t90_s: by then 90 % of the turns are honoured.
        median_s: by then half of them are.
        honoured: the share that ever is.
        false: the share of others' turns that interrupt.
        turns: so many of the enrolled people's.
    """

    t90_s: Interval
    median_s: Interval
    honoured: Interval
    false: Interval
    turns: int
