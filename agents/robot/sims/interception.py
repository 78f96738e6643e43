"""Interception: a ping-pong in two dimensions, one paddle and balls that bounce off the walls."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..safety import Vector
from .world import RATE_HZ, Task, Things, World, towards

HALF_PADDLE = 0.06
WALL = 0.5
_WIND = 0.15


class Interception(World):
    """Balls are served at x = 1 and come down to the paddle's line at x = 0 in about 0.7 s."""

    task: ClassVar[Task] = Task("intercept", "return the balls", "hit", 1, 3, 500)

    def __init__(self, batch: int, rng: np.random.Generator) -> None:
        super().__init__(batch, rng)
        self._ball = self._serve(batch)
        self._caught = np.zeros(batch)
        self._served = np.zeros(batch)

    def things(self) -> dict[str, Vector]:
        return {"ball": self._ball}

    def score(self) -> Vector:
        return self._caught / np.maximum(self._served, 1)

    def wanted(self, state: Vector, things: Things, ahead: Vector) -> Vector:
        _, position, velocity = self.joints_of(state)
        ball = things["ball"]
        left = np.maximum(ball[:, :1], 0.0) / np.maximum(-ball[:, 2:3], 0.1)
        goal = folded(ball[:, 1:2] + ball[:, 3:4] * left)
        return towards(goal, position, velocity, pace=18.0, most=40.0)

    def features(self, state: Vector, things: Things) -> Vector:
        commanded, position, velocity = self.joints_of(state)
        return np.concatenate((things["ball"], position, commanded - position, velocity), axis=1)

    def _go_on(self) -> None:
        x, y, vx, vy = self._ball.T
        vy = vy + _WIND * np.sqrt(1 / RATE_HZ) * self.rng.standard_normal(self.batch)
        x, y = x + vx / RATE_HZ, y + vy / RATE_HZ
        vy = np.where(np.abs(y) > WALL, -vy, vy)
        ball = np.stack((x, folded(y), vx, vy), axis=1)
        there = x <= 0
        _, position, _ = self.joints_of(self.state)
        self._served += there
        self._caught += there & (np.abs(position[:, 0] - ball[:, 1]) < HALF_PADDLE)
        self._ball = np.where(there[:, None], self._serve(self.batch), ball)

    def _serve(self, count: int) -> Vector:
        x = np.ones(count)
        y = self.rng.uniform(-WALL, WALL, count)
        vx = -self.rng.uniform(1.2, 1.8, count)
        return np.stack((x, y, vx, self.rng.uniform(-1.0, 1.0, count)), axis=1)


def folded(y: Vector) -> Vector:
    """Where something is that bounces between the walls, had it gone to y without them."""
    around = np.mod(y + WALL, 4 * WALL)
    return np.minimum(around, 4 * WALL - around) - WALL
