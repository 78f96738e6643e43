"""Ball in a cup of dm_control: swing the ball up and catch it; and a planner that can, as a policy.

A robot of the extra ``sims``. The ball hangs from the cup by a string and moves by the cup's doing
alone, so it belongs to the robot's state and is foreseen with it, by the simulator itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from dm_control import suite

from ..policies.questions import Question
from ..ports import Array, Observation, PolicySpec, RobotSpec, Semantics
from ..safety import Limits, Vector

RATE_HZ = 50.0
HORIZON = 24
SECONDS = 8
# Samples of the planner, the control steps it looks ahead, and the steps between its knots.
_SAMPLES, _AHEAD, _APART = 48, 40, 5
# A third of the samples strays from the last plan, by up to so much; the others are wild.
_STRAY, _WILD = 0.4, 1.2
_JOINTS = 4
# What a shove of the ball changes of its velocity, metres per second, and how often one comes.
_SHOVE, _EVERY_S = 0.5, 2.0


class Model:
    """The simulation, to be set to a state and played on.

    State, (10,): the commanded pulls, the positions of cup and ball, x and z each, and velocities.
    """

    def __init__(self) -> None:
        physics = suite.load("ball_in_cup", "catch", task_kwargs={"random": 0}).physics
        # The raw model steps without what dm_control wraps around it.
        self.raw: Any = physics.model.ptr
        self.data: Any = mujoco.MjData(self.raw)
        self._substeps = round(1 / RATE_HZ / self.raw.opt.timestep)
        self._target = self.raw.site("target").id
        self._ball = self.raw.body("ball").id
        self._size = float(self.raw.geom("ball").size[0])

    def set(self, state: Vector) -> None:
        """Goes to a state."""
        self.data.qpos[:], self.data.qvel[:] = state[2:6], state[6:10]
        self.data.ctrl[:] = state[:2]

    def step(self, command: Vector) -> None:
        """One control step."""
        self.data.ctrl[:] = command
        mujoco.mj_step(self.raw, self.data, self._substeps)

    @property
    def state(self) -> Vector:
        """Where it is."""
        return np.concatenate((self.data.ctrl, self.data.qpos, self.data.qvel))

    def away(self) -> float:
        """How far the ball is from the middle of the cup, metres."""
        ball, target = self.data.xpos[self._ball], self.data.site_xpos[self._target]
        return float(np.linalg.norm((ball - target)[[0, 2]]))

    def caught(self) -> bool:
        """Whether the ball is in the cup, as dm_control counts it."""
        ball, target = self.data.xpos[self._ball], self.data.site_xpos[self._target]
        room = self.raw.site_size[self._target][[0, 2]] - self._size
        return bool((np.abs(ball - target)[[0, 2]] < room).all())


class Cup:
    """A robot that holds the cup. Actions, (2,): how far it is pulled, x and z, from -1 to 1.

    Springs hold the cup, so that each pull has a place where it comes to rest. The ball is shoved
    now and then.

    Args:
        seed: of the beginning and of the shoves.
        endless: it is never done.
    """

    def __init__(self, seed: int, *, endless: bool = False) -> None:
        one = np.ones(2)
        limits = Limits(-one, one, 30 * one, 3_000 * one, 300_000 * one, RATE_HZ)
        self.spec = RobotSpec("cup", RATE_HZ, 2 + 2 * _JOINTS, 2, limits, ("hit", "home"))
        self._rng = np.random.default_rng(seed)
        self._world, self._model = Model(), Model()
        self._endless, self._steps, self._held = endless, 0, 0
        start = np.zeros(2 + 2 * _JOINTS)
        # The ball hangs at the end of its string, a little to one side.
        start[4:6] = self._rng.uniform(-0.1, 0.1), -0.1
        self._world.set(start)
        mujoco.mj_forward(self._world.raw, self._world.data)

    def observe(self) -> Observation:
        """The state; ``score`` is the share of the time for which the ball was in the cup."""
        done = self._steps >= SECONDS * RATE_HZ and not self._endless
        values = {
            "score": np.array([self._held / max(self._steps, 1)], np.float32),
            "done": np.array([done], np.float32),
        }
        state = self._world.state.astype(np.float32)
        return Observation(self._steps / RATE_HZ, state, values, "catch the ball in the cup")

    def act(self, action: Array) -> None:
        """Commands a pull, (2,)."""
        self._world.step(action.astype(float))
        self._steps += 1
        self._held += self._world.caught()
        if self._steps % round(_EVERY_S * RATE_HZ) == 0:
            angle = self._rng.uniform(0, 2 * np.pi)
            self._world.data.qvel[2:4] += _SHOVE * np.array([np.cos(angle), np.sin(angle)])

    def predict(self, state: Array, commands: Array) -> Array:
        """The state, (10,), after commands, (n, 2), if nobody shoves the ball."""
        self._model.set(state.astype(float))
        for command in commands:
            self._model.step(command.astype(float))
        later: Array = self._model.state.astype(np.float32)
        return later


class Planner:
    """Tries plans in the simulator and takes the best (predictive sampling, arXiv 2212.00541).

    It remembers its last plan, from which it goes on.

    Args:
        seed: of the plans that it tries.
    """

    def __init__(self, seed: int = 0) -> None:
        self.spec = PolicySpec(
            "cup-planner", RATE_HZ, HORIZON, 2, Semantics.ABSOLUTE, takes_future_state=True
        )
        self._rng = np.random.default_rng(seed)
        self._model = Model()
        self._best = np.zeros((_AHEAD // _APART + 1, 2))
        self._begins = 0.0

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next pulls, (H, 2)."""
        knots = np.arange(len(self._best)) * _APART
        gone = (observation.time - self._begins) * RATE_HZ
        self._begins = observation.time
        kept = np.stack(
            [np.interp(knots + gone, knots, self._best[:, axis]) for axis in range(2)], axis=1
        )
        chance = self._rng.standard_normal((_SAMPLES, *kept.shape))
        near = _SAMPLES // 3
        stray = np.linspace(0.0, _STRAY, near)[:, None, None] * chance[:near]
        tried = np.concatenate((kept + stray, _WILD * chance[near:]))
        # Going on as before is among what is tried, and staying.
        tried[1] = state[:2]
        plans = np.clip(tried, -1, 1)
        steps = np.arange(_AHEAD)
        whole = np.stack(
            [
                np.stack([np.interp(steps, knots, plan[:, axis]) for axis in range(2)], axis=1)
                for plan in plans
            ]
        )
        best = int(np.argmin([self._cost(state, plan) for plan in whole]))
        self._best = plans[best]
        chunk: Array = whole[best, :HORIZON].astype(np.float32)
        return chunk

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next pulls for several robots, (B, H, 2)."""
        return np.stack([self.infer(each.observation, each.state) for each in questions])

    def _cost(self, state: Array, plan: Vector) -> float:
        self._model.set(state.astype(float))
        cost = 0.0
        for command in plan:
            self._model.step(command)
            cost += self._model.away() + 0.1 * (not self._model.caught())
        return cost
