"""How often each credential may ask: a bucket of requests, and one of those that make plans."""

from __future__ import annotations

import math

from constellation.aip.rate import TokenBucket
from constellation.errors import LimitExceeded

# Seconds of its rate that a credential may use at once.
BURST_S = 10.0
# Credentials of which a bucket is kept before full ones are let go.
KEPT = 1_000
# What costs a planner's time, and perhaps money.
PLANNING = frozenset({"plan", "submit"})


class Rates:
    """The buckets of all credentials.

    Args:
        requests_per_s: of any kind.
        submits_per_s: of those that plan or submit.
    """

    def __init__(self, requests_per_s: float, submits_per_s: float) -> None:
        self._requests_per_s = requests_per_s
        self._submits_per_s = submits_per_s
        self._requests: dict[str, TokenBucket] = {}
        self._submits: dict[str, TokenBucket] = {}

    def check(self, credential: str, name: str, verb: str, now: float) -> None:
        """Count a request.

        Args:
            credential: its id.
            name: of the credential, for people.

        Raises:
            LimitExceeded: it comes too soon; ``details`` say in how many seconds it would not.
        """
        self._take(self._requests, self._requests_per_s, credential, name, "requests", now)
        if verb in PLANNING:
            self._take(self._submits, self._submits_per_s, credential, name, "submits", now)

    def _take(
        self,
        buckets: dict[str, TokenBucket],
        rate_per_s: float,
        credential: str,
        name: str,
        what: str,
        now: float,
    ) -> None:
        bucket = buckets.get(credential)
        if bucket is None:
            if len(buckets) >= KEPT:
                for each in [key for key, found in buckets.items() if found.is_full(now)]:
                    del buckets[each]
            burst = max(1.0, rate_per_s * BURST_S)
            bucket = buckets[credential] = TokenBucket(rate_per_s, burst)
        wait_s = bucket.take(now)
        if wait_s:
            raise LimitExceeded(
                f"{name} makes more than {rate_per_s:g} {what} a second.",
                remedy=f"Wait {math.ceil(wait_s * 1000):,} ms, and ask less often.",
                retry_after_s=wait_s,
            )
