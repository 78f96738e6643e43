"""Push-T: a round finger pushes a T-shaped block to where it shall lie, seen from above.

A robot of the extra ``pusht``: gym-pusht's simulation (Diffusion Policy, arXiv 2303.04137; packaged
by Hugging Face). No expert comes with it; ours is `pushing`.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

# It draws by pygame, which looks for a display and greets; nothing is drawn here.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

from gym_pusht.envs import PushTEnv

from ..ports import Array, Observation, RobotSpec
from ..safety import Limits, Vector

RATE_HZ = 10.0
HORIZON = 16
SECONDS = 30
# Side of the field, in its pixels.
SIZE = 512.0
# How much of the goal must be covered: as in gym-pusht.
ENOUGH = 0.95
# Gains by which the simulation moves the finger to its setpoint, and its steps in a control step.
PULL, DAMP, SUBSTEPS = 100.0, 20.0, 10
# How near to a wall the finger may come.
MARGIN = 16.0


def simulation(seed: int) -> Any:
    """Gym-pusht's own, reset."""
    env = PushTEnv(obs_type="state", render_mode="rgb_array")
    env.reset(seed=seed)
    return env


class PushT:
    """The finger.

    State, (6,): the commanded position, the position and the velocity, in pixels. Actions, (2,).

    Args:
        seed: of where finger and block start.
        endless: it is never done, and does not speak of it.
    """

    def __init__(self, seed: int, *, endless: bool = False) -> None:
        self._endless, self._steps, self._covered = endless, 0, 0.0
        self._env = simulation(seed)
        self._command = np.array(self._env.agent.position, float)
        full = np.full(2, SIZE)
        limits = Limits(
            low=np.zeros(2),
            high=full,
            velocity=1.2 * full,
            acceleration=12 * full,
            jerk=240 * full,
            rate_hz=RATE_HZ,
        )
        self.spec = RobotSpec("pusht", RATE_HZ, 6, 2, limits, ("place", "home", "teleoperate"))

    def observe(self) -> Observation:
        """The state; block and goal, (3,) each, as place and angle; the most that was covered."""
        body, block = self._env.agent, self._env.block
        state = np.concatenate((self._command, body.position, body.velocity)).astype(np.float32)
        over = self._covered >= ENOUGH or self._steps >= SECONDS * RATE_HZ
        values = {
            "block": np.array([*block.position, block.angle], np.float32),
            "goal": np.asarray(self._env.goal_pose, np.float32),
            "score": np.array([min(self._covered / ENOUGH, 1.0)], np.float32),
        }
        if not self._endless:
            values["done"] = np.array([over], np.float32)
        return Observation(self._steps / RATE_HZ, state, values, "push the block to its place")

    def act(self, action: Array) -> None:
        """Commands a position, (2,)."""
        self._command = action.astype(float)
        *_, info = self._env.step(action.astype(np.float32))
        self._covered = max(self._covered, float(info["coverage"]))
        self._steps += 1

    def predict(self, state: Array, commands: Array) -> Array:
        """The state, (6,), after commands, (n, 2): the block does not hold the finger up."""
        later = state.astype(float)
        for command in commands:
            later = _moved(later, command.astype(float))
        return later.astype(np.float32)


def _moved(state: Vector, command: Vector) -> Vector:
    """The state, (6,), after one command, as the simulation moves the finger."""
    position, velocity = state[2:4].copy(), state[4:6].copy()
    step = 1 / (RATE_HZ * SUBSTEPS)
    for _ in range(SUBSTEPS):
        velocity += (PULL * (command - position) - DAMP * velocity) * step
        position += velocity * step
    return np.concatenate((command, position, velocity))
