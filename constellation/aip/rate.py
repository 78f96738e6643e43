"""How often something may happen: a token bucket. Pure; the time is passed in."""

from __future__ import annotations


class TokenBucket:
    """Fills at an even pace up to a bound; whatever happens takes from it.

    In any stretch of ``t`` seconds at most ``burst + rate_per_s * t`` are taken.

    Args:
        rate_per_s: how many tokens come in a second; above 0.
        burst: how many it holds, and begins with.
    """

    __slots__ = ("_burst", "_level", "_rate_per_s", "_since")

    def __init__(self, rate_per_s: float, burst: float) -> None:
        if not (rate_per_s > 0 and burst > 0):
            raise ValueError("a bucket fills, and holds something")
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._level = burst
        self._since: float | None = None

    def take(self, now: float, cost: float = 1.0) -> float:
        """Take tokens if there are enough.

        Args:
            now: seconds; one that goes back is taken for no time at all.
            cost: how many; what costs more than the bucket holds takes a full one.

        Returns:
            0.0 if they were taken; else nothing was, and there will be enough in so many seconds.
        """
        if self._since is None or now > self._since:
            passed = 0.0 if self._since is None else now - self._since
            self._level = min(self._burst, self._level + passed * self._rate_per_s)
            self._since = now
        cost = min(cost, self._burst)
        if self._level < cost:
            return (cost - self._level) / self._rate_per_s
        self._level -= cost
        return 0.0

    def is_full(self, now: float) -> bool:
        """True if nothing that was taken is still felt: a new bucket would be the same."""
        passed = 0.0 if self._since is None else max(0.0, now - self._since)
        return self._level + passed * self._rate_per_s >= self._burst
