"""Who speaks for a constellation, as far as a device has heard: the hub with the highest epoch.

In a cluster a constellation has one owner at a time, and each has a higher epoch than the one
before. A message of an owner that was deposed may still be on its way; it is not to be obeyed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Constellations that are remembered; the ones of which nothing came for longest are forgotten.
REMEMBERED = 10_000


class Epochs:
    """The highest epoch of each constellation."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}

    def admit(self, body: Mapping[str, Any]) -> bool:
        """Whether a message about an attempt is to be obeyed; one without an epoch always is."""
        epoch = body.get("epoch")
        if epoch is None:
            return True
        constellation = body["attempt"].partition("/")[0]
        highest = self._highest.pop(constellation, 0)
        self._highest[constellation] = max(highest, epoch)
        if len(self._highest) > REMEMBERED:
            del self._highest[next(iter(self._highest))]
        return bool(epoch >= highest)
