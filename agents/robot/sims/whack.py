"""Whack-a-mole: be where a mole looks out, and stay for a moment, before it is gone."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..safety import Vector
from .world import RATE_HZ, Task, Things, World, towards

LIFE_STEPS = 35
RADIUS = 0.05
DWELL = 3
FIELD = 0.4


class Whack(World):
    """The moles of each episode come one after the other, each for 0.7 s.

    Args:
        patient: a mole stays until it is hit, and the next comes at once; the score is then the
            number of moles hit in a second.
    """

    task: ClassVar[Task] = Task("whack", "hit the moles", "hit", 2, 6, 500)

    def __init__(self, batch: int, rng: np.random.Generator, *, patient: bool = False) -> None:
        super().__init__(batch, rng)
        self._patient = patient
        self._mole = self._place(batch)
        # Episodes do not keep time with each other, nor with the chunks of a policy.
        self._left = rng.integers(1, LIFE_STEPS + 1, batch)
        self._dwelt = np.zeros(batch, int)
        self._hit = np.zeros(batch, bool)
        self._whole = np.zeros(batch, bool)
        self._hits = np.zeros(batch)
        self._moles = np.zeros(batch)

    def things(self) -> dict[str, Vector]:
        return {"mole": self._mole}

    def score(self) -> Vector:
        if self._patient:
            return self._hits * RATE_HZ / max(self.step_count, 1)
        return self._hits / np.maximum(self._moles, 1)

    def wanted(self, state: Vector, things: Things, ahead: Vector) -> Vector:
        _, position, velocity = self.joints_of(state)
        return towards(things["mole"], position, velocity, pace=18.0, most=40.0)

    def features(self, state: Vector, things: Things) -> Vector:
        commanded, position, velocity = self.joints_of(state)
        return np.concatenate((things["mole"] - position, commanded - position, velocity), axis=1)

    def _go_on(self) -> None:
        _, position, _ = self.joints_of(self.state)
        near = np.linalg.norm(position - self._mole, axis=1) < RADIUS
        self._dwelt = np.where(near, self._dwelt + 1, 0)
        self._hit |= self._dwelt >= DWELL
        self._left -= 1
        over = self._hit if self._patient else self._left == 0
        # The first mole of an episode may have been seen only in part: it does not count.
        counts = over if self._patient else over & self._whole
        self._hits += counts & self._hit
        self._moles += counts
        self._mole = np.where(over[:, None], self._place(self.batch), self._mole)
        self._left = np.where(over, LIFE_STEPS, self._left)
        self._whole = self._whole | over
        self._hit = self._hit & ~over
        self._dwelt = np.where(over, 0, self._dwelt)

    def _place(self, count: int) -> Vector:
        return self.rng.uniform(-FIELD, FIELD, (count, 2))
