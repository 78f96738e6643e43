"""How long a skill takes on a device, learned while it is used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

DEFAULT_S = 1.0
# The weight of a new duration is 1/n at first and never less than this: what is learned follows a
# device that changes.
MIN_WEIGHT = 0.1
# A device counts as known for a skill from this many durations on.
KNOWN = 4
MAX_DEVICES = 4_096


class Estimate:
    """Exponentially weighted mean and variance of durations, in seconds.

    The update is that of T. Finch, "Incremental calculation of weighted mean and variance" (2009),
    section 9.
    """

    __slots__ = ("count", "mean", "variance")

    def __init__(self, mean: float = 0.0, variance: float = 0.0, count: int = 0) -> None:
        self.mean = mean
        self.variance = variance
        self.count = count

    def observe(self, duration_s: float) -> None:
        """Take in a duration."""
        count = self.count = self.count + 1
        weight = 1.0 / count if count < 10 else MIN_WEIGHT
        delta = duration_s - self.mean
        step = weight * delta
        self.mean += step
        self.variance = (1.0 - weight) * (self.variance + delta * step)

    def upper(self, spread: float) -> float:
        """A bound that few durations pass: ``spread`` standard deviations above the mean.

        The deviation is widened as Student's prediction interval is, since the mean itself is
        uncertain while the sample is small; and the bound is twice the mean at least, as durations
        have longer tails than a bell curve.
        """
        known = min(self.count, 1.0 / MIN_WEIGHT)
        deviation = math.sqrt(self.variance * (1.0 + 1.0 / known)) if known else math.inf
        return max(self.mean + spread * deviation, 2.0 * self.mean)

    def to_plain(self) -> list[float]:
        return [self.mean, self.variance, self.count]


class Estimates:
    """Durations of each skill on each device, and over all devices.

    Attributes:
        skills: over all devices, by skill; tasks that are instructions in words have the skill "".
    """

    def __init__(self) -> None:
        self.skills: dict[str, Estimate] = {}
        self._devices: dict[str, dict[str, Estimate]] = {}

    def of(self, device: str) -> dict[str, Estimate]:
        """The estimates of one device by skill; the same dict each time, so it may be kept."""
        found = self._devices.get(device)
        if found is None:
            if len(self._devices) >= MAX_DEVICES:
                del self._devices[next(iter(self._devices))]
            found = self._devices[device] = {}
        return found

    def observe(self, of_device: dict[str, Estimate], skill: str, duration_s: float) -> None:
        """Take in how long a skill took on a device (given by what `of` returned)."""
        estimate = of_device.get(skill)
        if estimate is None:
            estimate = of_device[skill] = Estimate()
        estimate.observe(duration_s)
        estimate = self.skills.get(skill)
        if estimate is None:
            estimate = self.skills[skill] = Estimate()
        estimate.observe(duration_s)

    def expected(self, skill: str) -> float:
        """Expected seconds of a skill on a device of which nothing is known."""
        estimate = self.skills.get(skill)
        if estimate is not None:
            return estimate.mean
        known = [each.mean for each in self.skills.values()]
        return median(known) if known else DEFAULT_S

    def expected_on(self, of_device: Mapping[str, Estimate], skill: str) -> float:
        """Expected seconds of a skill on a device (given by what `of` returned).

        Where it has not done it yet, it is taken to be as quick or slow, beside others, as in what
        it has done.
        """
        estimate = of_device.get(skill)
        if estimate is not None:
            return estimate.mean
        expected = self.expected(skill)
        if skill not in self.skills or not of_device:
            return expected
        ratios = [
            math.log(here.mean / general.mean)
            for name, here in of_device.items()
            if here.mean > 0 and (general := self.skills.get(name)) is not None and general.mean > 0
        ]
        return expected * math.exp(sum(ratios) / len(ratios)) if ratios else expected

    def of_others(self, device: str, skill: str) -> float | None:
        """The median over the other devices that are known for a skill; None if there is none."""
        found = [
            estimate.mean
            for name, skills in self._devices.items()
            if name != device
            and (estimate := skills.get(skill)) is not None
            and estimate.count >= KNOWN
        ]
        return median(found) if found else None

    def snapshot(self) -> dict[str, Any]:
        """Everything learned, as plain data."""
        return {
            "devices": {
                name: {skill: estimate.to_plain() for skill, estimate in skills.items()}
                for name, skills in self._devices.items()
                if skills
            },
            "skills": {skill: estimate.to_plain() for skill, estimate in self.skills.items()},
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over what `snapshot` returned."""
        for name, skills in data["devices"].items():
            of_device = self.of(name)
            for skill, plain in skills.items():
                of_device[skill] = _from_plain(plain)
        self.skills.update({skill: _from_plain(plain) for skill, plain in data["skills"].items()})


def _from_plain(plain: list[float]) -> Estimate:
    mean, variance, count = plain
    return Estimate(mean, variance, int(count))
