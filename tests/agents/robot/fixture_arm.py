"""A robot file: two joints that are where they are told to be, and a policy that swings them."""

from __future__ import annotations

import numpy as np

from agents.robot.ports import Array, Observation, PolicySpec, RobotSpec, Semantics
from agents.robot.safety import Limits

RATE = 50.0
HORIZON = 16


class Arm:
    """State: both positions."""

    def __init__(self) -> None:
        one = np.ones(2)
        limits = Limits(-one, one, 2 * one, 20 * one, 400 * one, RATE)
        self.spec = RobotSpec("arm", RATE, 2, 2, limits, ("track", "home", "teleoperate"))
        self._position = np.zeros(2, np.float32)
        self._steps = 0

    def observe(self) -> Observation:
        time = self._steps / RATE
        return Observation(time, self._position, {"score": np.float32([self._steps])})

    def act(self, action: Array) -> None:
        self._position = action
        self._steps += 1


class Swing:
    """Swings both joints, by the time of the observation."""

    spec = PolicySpec("swing", RATE, HORIZON, 2, Semantics.ABSOLUTE)

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        times = observation.time + np.arange(HORIZON) / RATE
        swing = 0.5 * (1 - np.cos(2 * times))
        return np.stack((swing, -swing), axis=1).astype(np.float32)


def robot() -> Arm:
    return Arm()


def policy() -> Swing:
    return Swing()
