"""How long to wait before trying again: full jitter, as in M. Brooker, "Exponential Backoff And
Jitter" (AWS Architecture Blog, 2015). Of the schemes compared there it spreads a crowd best.
"""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Delays drawn evenly from zero up to a bound that doubles at each failure.

    The largest bound is well below the time that a hub waits for its devices: who dials more rarely
    would be given up by a hub that is back.

    Args:
        random: draws from [0, 1).
        first_s: the first bound.
        most_s: the largest bound.
    """

    def __init__(
        self, random: Callable[[], float], *, first_s: float = 0.1, most_s: float = 5.0
    ) -> None:
        self._random = random
        self._first_s = first_s
        self._most_s = most_s
        self._bound_s = first_s

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        delay_s = self._random() * self._bound_s
        self._bound_s = min(self._most_s, 2 * self._bound_s)
        return delay_s

    def reset(self) -> None:
        """It worked: the next failure starts anew."""
        self._bound_s = self._first_s
