"""A clock that moves only when told to."""

from __future__ import annotations


class ManualClock:
    """Call it for the time, as `time.monotonic` would be called.

    Args:
        start: seconds.
    """

    def __init__(self, start: float = 1_000.0) -> None:
        self._now = start

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> float:
        """Move on by ``seconds``, at least 0; return the new time."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._now += seconds
        return self._now
