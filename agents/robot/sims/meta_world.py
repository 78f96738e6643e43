"""Tasks of Meta-World with a goal that moves, and their scripted experts as policies.

A robot of the extra ``sims``: MuJoCo's simulation of a Sawyer arm, seen by its state. The goal
goes round a circle and never waits. The experts that come with Meta-World answer one observation
with one action; here one is asked for each step of a chunk, of what a model of the hand foresees.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.policies import ENV_POLICY_MAP

from constellation.errors import ConfigError

from ..policies.questions import Question
from ..ports import Array, Observation, PolicySpec, RobotSpec, Semantics
from ..safety import Limits, Vector

REACH = "reach-v3"
RATE_HZ = 80.0
HORIZON = 32
SECONDS = 8
# The goal's circle, metres and seconds.
RADIUS, PERIOD_S = 0.1, 2.0
# How near to the goal counts, in metres: as in Meta-World.
NEAR = 0.05
# Where the circle may lie, so that the arm can reach all of it.
_INNER, _OUTER = np.array([-0.1, 0.6, 0.1]), np.array([0.1, 0.72, 0.25])
# What an action of 1 moves the hand's setpoint by, and what share of the way to it the hand moves
# in a control step; both of the simulation, the latter fitted to it.
_STEP, _FOLLOWS = 0.01, 0.32
# The experts go a tenth of the way in each step, so they lag behind whatever moves by as many steps
# and what the hand lags behind its setpoint: they are shown the goal that much later.
_LEAD = 12
# Where an observation of Meta-World holds the hand, its opening, the things, and the goal.
_HAND, _THINGS, _GOAL, _SIZE = 3, slice(4, 18), slice(36, 39), 39


class MetaWorld:
    """A robot of one task.

    State, (8,): the commanded position of the hand and grip of its fingers, then the hand's
    position and how far it is open. Actions, (4,): position and grip.

    Args:
        task: of Meta-World, such as ``reach-v3``.
        seed: of the task's things and goal, and of where the goal starts.
        endless: it is never done, and does not speak of it.
    """

    def __init__(self, task: str, seed: int, *, endless: bool = False) -> None:
        known(task)
        self._task, self._endless, self._steps, self._good = task, endless, 0, 0.0
        self._env: Any = ALL_V3_ENVIRONMENTS[task](render_mode=None)
        self._env._freeze_rand_vec, self._env._set_task_called = False, True
        self._env.seeded_rand_vec = True
        self._env.seed(seed)
        self._seen, _ = self._env.reset(seed=seed)
        self._centre = np.clip(self._env._target_pos, _INNER, _OUTER)
        self._phase = float(np.random.default_rng(seed).uniform(0, 2 * np.pi))
        self._command = np.append(self._env.data.mocap_pos[0], 0.0)
        low, high = (
            np.append(each, grip) for each, grip in zip(self._bounds(), (-1.0, 1.0), strict=True)
        )
        limits = Limits(
            low=low,
            high=high,
            velocity=np.array([0.8, 0.8, 0.8, 80.0]),
            acceleration=np.array([60.0, 60.0, 60.0, 6_000.0]),
            jerk=np.array([8_000.0, 8_000.0, 8_000.0, 800_000.0]),
            rate_hz=RATE_HZ,
        )
        skills = ("track" if task == REACH else "place", "home", "teleoperate")
        self.spec = RobotSpec(f"metaworld:{task}", RATE_HZ, 8, 4, limits, skills)
        self._move_goal()

    def observe(self) -> Observation:
        """The state; things, (14,), as Meta-World tells them; the goal and its velocity, (6,)."""
        state = np.concatenate((self._command, self._seen[: _HAND + 1])).astype(np.float32)
        goal, velocity = self._goal()
        values = {
            "things": self._seen[_THINGS].astype(np.float32),
            "goal": np.concatenate((goal, velocity)).astype(np.float32),
            "score": np.array([self._good / max(self._steps - RATE_HZ, 1)], np.float32),
        }
        if not self._endless:
            values["done"] = np.array([self._steps >= SECONDS * RATE_HZ], np.float32)
        prompt = self._task.removesuffix("-v3").replace("-", " ")
        return Observation(self._steps / RATE_HZ, state, values, prompt)

    def act(self, action: Array) -> None:
        """Commands a position and a grip, (4,)."""
        self._command = action.astype(float)
        move = (self._command[:3] - self._env.data.mocap_pos[0]) / _STEP
        # It counts steps by itself, and would refuse to go on after as many.
        self._env.curr_path_length = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = np.append(np.clip(move, -1, 1), self._command[3]).astype(np.float32)
            self._seen, _, _, _, info = self._env.step(given)
        self._steps += 1
        # The first second is for getting there.
        if self._steps > RATE_HZ:
            self._good += self._succeeds(info)
        self._move_goal()

    def predict(self, state: Array, commands: Array) -> Array:
        """The state, (8,), after commands, (n, 4)."""
        later = state.copy()
        for command in commands:
            later[4:7] += np.float32(_FOLLOWS) * (command[:3] - later[4:7])
            later[:4] = command
        return later

    def _bounds(self) -> tuple[Vector, Vector]:
        return self._env.mocap_low.astype(float), self._env.mocap_high.astype(float)

    def _goal(self) -> tuple[Vector, Vector]:
        turn = 2 * np.pi / PERIOD_S
        angle = self._phase + turn * self._steps / RATE_HZ
        way = RADIUS * np.array([np.cos(angle), np.sin(angle), 0.0])
        pace = RADIUS * turn * np.array([-np.sin(angle), np.cos(angle), 0.0])
        return self._centre + way, pace

    def _move_goal(self) -> None:
        self._env._target_pos = self._goal()[0]

    def _succeeds(self, info: dict[str, Any]) -> float:
        if self._task != REACH:
            return float(info["success"])
        return float(np.linalg.norm(self._seen[:_HAND] - self._env._target_pos) < NEAR)


class ScriptedExpert:
    """The expert of a task as a policy of chunks.

    It foresees its own hand and the goal; the things stay where they were seen.

    Args:
        task: of Meta-World.
    """

    def __init__(self, task: str) -> None:
        known(task)
        self._expert: Any = ENV_POLICY_MAP[task]()
        self.spec = PolicySpec(
            f"metaworld:{task}-expert",
            RATE_HZ,
            HORIZON,
            4,
            Semantics.ABSOLUTE,
            takes_delay=True,
            takes_future_state=True,
        )

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next positions and grips, (H, 4)."""
        command, hand, opening = state[:3].astype(float), state[4:7].astype(float), state[7]
        goal, pace = np.split(observation.values["goal"].astype(float), 2)
        shown, actions = np.zeros(_SIZE), np.empty((HORIZON, 4), np.float32)
        shown[_HAND], shown[_THINGS] = opening, observation.values["things"]
        for index in range(HORIZON):
            shown[:_HAND] = hand
            shown[_GOAL] = goal + pace * ((delay or 0) + index + _LEAD) / RATE_HZ
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                action = np.clip(self._expert.get_action(shown), -1, 1)
            command = command + _STEP * action[:3]
            hand = hand + _FOLLOWS * (command - hand)
            actions[index] = np.append(command, action[3])
        return actions

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next actions for several robots, (B, H, 4)."""
        return np.stack(
            [self.infer(each.observation, each.state, each.delay) for each in questions]
        )


def known(task: str) -> None:
    """Refuses what is no task of Meta-World.

    Raises:
        ConfigError: there is none of that name.
    """
    if task not in ALL_V3_ENVIRONMENTS:
        raise ConfigError(
            f"Meta-World has no task {task!r}.",
            remedy="Take one of its 50, such as reach-v3 or push-v3.",
        )
