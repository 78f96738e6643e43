"""The health of a device, learned from what it does: failures that are its own, and slowness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from constellation.errors import InvalidTransition

from .settings import Settings


class Condition(StrEnum):
    """How far a device is trusted."""

    WELL = "well"
    DEGRADED = "degraded"
    QUARANTINED = "quarantined"
    PROBING = "probing"


# A degraded device still gets work, others being preferred; a quarantined one gets none; one on
# probation gets one task at a time.
TRANSITIONS: dict[Condition, dict[str, Condition]] = {
    Condition.WELL: {"doubt": Condition.DEGRADED},
    Condition.DEGRADED: {"recover": Condition.WELL, "condemn": Condition.QUARANTINED},
    Condition.QUARANTINED: {"probe": Condition.PROBING},
    Condition.PROBING: {"recover": Condition.WELL, "condemn": Condition.QUARANTINED},
}

# Errors that are the device's own; any other is the task's, such as a command that exits with 1.
BLAMED = ("task.timeout", "task.failed.device_lost", "agent")

# Slowness is the mean of log2(duration / what others take), each term within ±_CLIP, so that a
# single odd duration cannot move it far. The gap between the two bounds keeps it from flapping.
_CLIP = 3.0
_WEIGHT = 0.1
_MIN_COMPARED = 8
_SLOW = 2.0
_SLOW_NO_MORE = 1.0


def is_blamed(code: str) -> bool:
    """Whether an error speaks against the device rather than against the task."""
    return any(code == blamed or code.startswith(f"{blamed}.") for blamed in BLAMED)


class Health:
    """What is known of one device's health.

    Attributes:
        condition: see `Condition`.
        failures: blamed failures since the last success.
        slowness: 0 is as fast as others, 1 half as fast, 2 a quarter.
        reason: why it is not well, a clause for people; empty if it is.
        quarantine_s: how long the next quarantine lasts.
    """

    __slots__ = ("compared", "condition", "failures", "quarantine_s", "reason", "slowness")

    def __init__(self, settings: Settings) -> None:
        self.condition = Condition.WELL
        self.failures = 0
        self.slowness = 0.0
        self.compared = 0
        self.reason = ""
        self.quarantine_s = settings.quarantine_s

    def move(self, device: str, event: str, reason: str) -> None:
        """Take a transition of the table.

        Raises:
            InvalidTransition: the table has none.
        """
        following = TRANSITIONS[self.condition].get(event)
        if following is None:
            raise InvalidTransition(f"Device {device}", self.condition, event)
        self.condition = following
        self.reason = reason

    def succeeded(self) -> str | None:
        """A task was done; return the transition that follows, if any."""
        self.failures = 0
        if self.condition is Condition.PROBING:
            return "recover"
        if self.condition is Condition.DEGRADED and self.slowness < _SLOW_NO_MORE:
            return "recover"
        return None

    def failed(self, settings: Settings) -> str | None:
        """A failure was the device's own; return the transition that follows, if any."""
        self.failures += 1
        if self.condition is Condition.PROBING:
            return "condemn"
        if self.condition is Condition.DEGRADED and self.failures >= settings.quarantine_after:
            return "condemn"
        if self.condition is Condition.WELL and 2 * self.failures >= settings.quarantine_after:
            return "doubt"
        return None

    def compare(self, duration_s: float, others_s: float) -> str | None:
        """Compare a duration with what others take; return the transition that follows, if any."""
        if duration_s <= 0 or others_s <= 0:
            return None
        ratio = max(-_CLIP, min(_CLIP, math.log2(duration_s / others_s)))
        self.compared += 1
        self.slowness += max(1.0 / self.compared, _WEIGHT) * (ratio - self.slowness)
        slow = self.compared >= _MIN_COMPARED and self.slowness > _SLOW
        return "doubt" if slow and self.condition is Condition.WELL else None

    def sentence(self, settings: Settings) -> float:
        """How long the quarantine that begins now lasts; the next one lasts twice as long."""
        sentence = self.quarantine_s
        self.quarantine_s = min(2 * sentence, settings.quarantine_max_s)
        return sentence

    def acquit(self, settings: Settings) -> None:
        """Forget failures and earlier quarantines."""
        self.failures = 0
        self.quarantine_s = settings.quarantine_s

    def to_plain(self) -> dict[str, Any]:
        """What is worth keeping across a restart."""
        return {"slowness": self.slowness, "compared": self.compared}

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Take over what `to_plain` returned."""
        self.slowness = float(plain["slowness"])
        self.compared = int(plain["compared"])
