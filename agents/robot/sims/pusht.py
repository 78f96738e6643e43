"""Push-T: a round finger pushes a T-shaped block to where it shall lie, seen from above.

A robot of the extra ``pusht``: gym-pusht's simulation (Diffusion Policy, arXiv 2303.04137; packaged
by Hugging Face). No expert comes with it. The one here walks behind the block and pushes it towards
its goal, off the middle if it has to turn: it brings the block near, and seldom lays it exactly.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

# It draws by pygame, which looks for a display and greets; nothing is drawn here.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

from gym_pusht.envs import PushTEnv

from ..policies.questions import Question
from ..ports import Array, Observation, PolicySpec, RobotSpec, Semantics
from ..safety import Limits, Vector

RATE_HZ = 10.0
HORIZON = 16
SECONDS = 30
# Side of the field, in its pixels.
SIZE = 512.0
# How much of the goal must be covered: as in gym-pusht.
ENOUGH = 0.95
# Gains by which the simulation moves the finger to its setpoint, and its steps in a control step.
_PULL, _DAMP, _SUBSTEPS = 100.0, 20.0, 10
# How far behind the block the finger walks, how far it goes in a step, and to either side at most.
_BEHIND, _STRIDE, _ASIDE = 100.0, 22.0, 40.0
# How near to a wall the finger may come.
_MARGIN = 16.0
# Sideways pixels for each radian that the block has to turn.
_TURNING = 30.0


class PushT:
    """The finger.

    State, (6,): the commanded position, the position and the velocity, in pixels. Actions, (2,).

    Args:
        seed: of where finger and block start.
        endless: it is never done, and begins anew where it would be.
    """

    def __init__(self, seed: int, *, endless: bool = False) -> None:
        self._endless, self._steps, self._covered = endless, 0, 0.0
        self._env: Any = PushTEnv(obs_type="state", render_mode="rgb_array")
        self._env.reset(seed=seed)
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
            "done": np.array([over and not self._endless], np.float32),
        }
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


class Pusher:
    """Pushes the block to its place."""

    spec = PolicySpec(
        "pusht-expert", RATE_HZ, HORIZON, 2, Semantics.ABSOLUTE, takes_future_state=True
    )

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next positions, (H, 2)."""
        later, block = state.astype(float), observation.values["block"].astype(float)
        goal = observation.values["goal"].astype(float)
        actions = np.empty((HORIZON, 2), np.float32)
        for index in range(HORIZON):
            finger = later[2:4]
            wish, pushes = _wish(finger, block, goal)
            way = wish - finger
            command = finger + way * min(_STRIDE * 2.5 / max(float(np.linalg.norm(way)), 1e-6), 1.0)
            moved = _moved(later, command)
            if pushes:
                block[:2] += moved[2:4] - finger
            later, actions[index] = moved, np.clip(command, 0, SIZE)
        return actions

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next positions for several robots, (B, H, 2)."""
        return np.stack([self.infer(each.observation, each.state) for each in questions])


def _wish(finger: Vector, block: Vector, goal: Vector) -> tuple[Vector, bool]:
    """Where the finger shall go, and whether that pushes the block."""
    way = goal[:2] - block[:2]
    far = float(np.linalg.norm(way))
    turn = (goal[2] - block[2] + np.pi) % (2 * np.pi) - np.pi
    ahead = way / far if far > 1 else np.array([np.cos(block[2]), np.sin(block[2])])
    beside = np.array([-ahead[1], ahead[0]])
    aside = float(np.clip(-_TURNING * turn, -_ASIDE, _ASIDE))
    at = finger - block[:2]
    along, across = float(at @ ahead), float(at @ beside)
    # A block at a wall leaves less room behind it.
    behind = _inside(block[:2] - ahead * _BEHIND + beside * aside)
    in_line = along < 0 and abs(across - aside) < 12
    if in_line or float(np.linalg.norm(finger - behind)) < 10:
        return finger + ahead * min(_STRIDE, far + 5) * 2, along > -_BEHIND
    room = -float((behind - block[:2]) @ ahead)
    if along < -0.45 * min(room, _BEHIND):
        return behind, False
    # Round the block: first beside it, on the side where there is room, and then behind it.
    if abs(across) > 0.9 * _BEHIND:
        return (behind, False) if along < 0 else (_inside(finger - ahead * _BEHIND), False)
    side = 1.0 if across >= 0 else -1.0
    past = finger + beside * side * 0.5 * _BEHIND
    if not np.array_equal(past, _inside(past)):
        past = finger - beside * side * 0.5 * _BEHIND
    return _inside(past), False


def _inside(place: Vector) -> Vector:
    clipped: Vector = np.clip(place, _MARGIN, SIZE - _MARGIN)
    return clipped


def _moved(state: Vector, command: Vector) -> Vector:
    """The state, (6,), after one command, as the simulation moves the finger."""
    position, velocity = state[2:4].copy(), state[4:6].copy()
    step = 1 / (RATE_HZ * _SUBSTEPS)
    for _ in range(_SUBSTEPS):
        velocity += (_PULL * (command - position) - _DAMP * velocity) * step
        position += velocity * step
    return np.concatenate((command, position, velocity))
