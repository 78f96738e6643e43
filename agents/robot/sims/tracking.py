"""Tracking: stay on a target that wanders and never stands still."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..safety import Vector
from .world import RATE_HZ, Task, Things, World

RADIUS = 0.04
_PULL, _DRAG, _GUST = 4.0, 0.15, 0.25
_SPIN_UP = 400


class Tracking(World):
    """The target is a mass on a spring that gusts push about, at about 0.5 units per second."""

    task: ClassVar[Task] = Task("track", "stay on the target", "track", 2, 6, 500)

    def __init__(self, batch: int, rng: np.random.Generator) -> None:
        super().__init__(batch, rng)
        self._target = np.zeros((batch, 2))
        self._speed = np.zeros((batch, 2))
        for _ in range(_SPIN_UP):
            self._wander()
        self._on = np.zeros(batch)
        self._counted = 0

    def things(self) -> dict[str, Vector]:
        return {"target": np.concatenate((self._target, self._speed), axis=1)}

    def score(self) -> Vector:
        return self._on / max(self._counted, 1)

    def wanted(self, state: Vector, things: Things, ahead: Vector) -> Vector:
        _, position, velocity = self.joints_of(state)
        target, speed = np.split(things["target"], 2, axis=1)
        # As it will swing on its spring if no gust comes.
        turn = np.sqrt(_PULL) * ahead[:, None] / RATE_HZ
        there = target * np.cos(turn) + speed * np.sin(turn) / np.sqrt(_PULL)
        pace = speed * np.cos(turn) - target * np.sin(turn) * np.sqrt(_PULL)
        pull = 200.0 * (there - position) + 28.0 * (pace - velocity) - _PULL * there
        wanted: Vector = np.clip(pull, -40.0, 40.0)
        return wanted

    def features(self, state: Vector, things: Things) -> Vector:
        commanded, position, velocity = self.joints_of(state)
        target, speed = np.split(things["target"], 2, axis=1)
        return np.concatenate(
            (target - position, target, speed, commanded - position, velocity), axis=1
        )

    def _go_on(self) -> None:
        self._wander()
        _, position, _ = self.joints_of(self.state)
        if self.step_count > RATE_HZ:
            self._counted += 1
            self._on += np.linalg.norm(position - self._target, axis=1) < RADIUS

    def _wander(self) -> None:
        gust = _GUST * self.rng.standard_normal(self._speed.shape) * np.sqrt(1 / RATE_HZ)
        self._speed = self._speed + gust - (_PULL * self._target + _DRAG * self._speed) / RATE_HZ
        self._target = self._target + self._speed / RATE_HZ
