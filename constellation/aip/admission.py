"""Bounds on strangers: connections that have not said who they are, and wrong tries of an address.

Time is passed in; nothing here grows with the number of addresses that try.
"""

from __future__ import annotations

from collections import OrderedDict


class Admission:
    """Decides whether one more stranger may come in.

    Failures of an address wear off at an even pace (a leaky bucket). Whoever shows a valid
    credential at the door is no stranger, so a machine that keeps failing locks out nobody else
    behind the same address.

    Args:
        strangers: connections at once that have not authenticated yet.
        failures: wrong tries of an address before it is refused.
        forget_s: seconds after which one failure is forgotten.
        addresses: how many addresses are remembered; the one least recently wrong leaves first.
    """

    def __init__(
        self,
        *,
        strangers: int = 256,
        failures: int = 10,
        forget_s: float = 6.0,
        addresses: int = 4096,
    ) -> None:
        self._strangers_left = strangers
        self._failures = failures
        self._forget_s = forget_s
        self._addresses = addresses
        self._level: OrderedDict[str, tuple[float, float]] = OrderedDict()  # failures, as of when

    def enter(self) -> bool:
        """Let a stranger in if there is room; each one that came in must `leave`."""
        if self._strangers_left <= 0:
            return False
        self._strangers_left -= 1
        return True

    def leave(self) -> None:
        """A stranger has authenticated or gone."""
        self._strangers_left += 1

    def failed(self, address: str, now: float) -> None:
        """Count a wrong try."""
        self._level[address] = (self._failures_of(address, now) + 1, now)
        self._level.move_to_end(address)
        if len(self._level) > self._addresses:
            self._level.popitem(last=False)

    def blocked(self, address: str, now: float) -> bool:
        """True if too many tries of this address were wrong of late."""
        # At the bound until one whole failure is forgotten.
        return self._failures_of(address, now) > self._failures - 1

    def _failures_of(self, address: str, now: float) -> float:
        level, since = self._level.get(address, (0.0, now))
        return max(0.0, level - (now - since) / self._forget_s)
