"""Balancing: keep a pole upright on a cart that is pushed about."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..safety import Vector
from .world import RATE_HZ, Task, Things, World

LENGTH = 0.5
GRAVITY = 9.81
FALLEN = 0.5
PACE = 7.0


class Balance(World):
    """State: the joint of the cart, then the lean of the pole and its rate, radians and per second.

    An episode is a success if the pole never falls.
    """

    task: ClassVar[Task] = Task("balance", "keep the pole upright", "track", 1, 5, 500)
    noise: ClassVar[float] = 0.001
    # Of the pushes, in radians per second and square root of a second.
    push: ClassVar[float] = 0.25

    def __init__(self, batch: int, rng: np.random.Generator) -> None:
        super().__init__(batch, rng)
        self.state[:, 3] = rng.uniform(-0.05, 0.05, batch)
        self._upright = np.ones(batch, bool)

    def things(self) -> dict[str, Vector]:
        return {}

    def score(self) -> Vector:
        return self._upright.astype(float)

    def predict(self, state: Vector, commands: Vector) -> Vector:
        _, position, velocity = self.joints_of(state)
        pull = self.servo.acceleration(commands, position, velocity)
        moved = self.servo.moved(pull, position, velocity)
        lean, rate = state[:, 3:4], state[:, 4:5]
        rate = rate + (GRAVITY * np.sin(lean) - pull * np.cos(lean)) / LENGTH / RATE_HZ
        lean = np.clip(lean + rate / RATE_HZ, -1.5, 1.5)
        return np.concatenate((commands, *moved, lean, rate), axis=1)

    def wanted(self, state: Vector, things: Things, ahead: Vector) -> Vector:
        # The point one length up the pole, y = q + l θ, has ÿ = g θ: four poles at -p are placed by
        # asking for y'''' = -(4 p y''' + 6 p² y'' + 4 p³ y' + p⁴ y).
        _, position, velocity = self.joints_of(state)
        lean, rate = state[:, 3:4], state[:, 4:5]
        top, drift = position + LENGTH * lean, velocity + LENGTH * rate
        p = PACE
        asked = 4 * p * GRAVITY * rate + 6 * p**2 * GRAVITY * lean + 4 * p**3 * drift + p**4 * top
        return np.clip(GRAVITY * lean + LENGTH / GRAVITY * asked, -40.0, 40.0)

    def features(self, state: Vector, things: Things) -> Vector:
        commanded, position, velocity = self.joints_of(state)
        return np.concatenate((commanded - position, position, velocity, state[:, 3:5]), axis=1)

    def _go_on(self) -> None:
        size = self.push * np.sqrt(1 / RATE_HZ)
        self.state[:, 4] += size * self.rng.standard_normal(self.batch)
        _, position, _ = self.joints_of(self.state)
        fallen = (np.abs(self.state[:, 3]) > FALLEN) | (np.abs(position[:, 0]) > self.reach)
        self._upright &= ~fallen
