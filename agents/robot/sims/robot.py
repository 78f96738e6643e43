"""One episode of a simulated world as a robot: it senses, is commanded, and knows its own model."""

from __future__ import annotations

from typing import Any

import numpy as np

from constellation.errors import ConfigError

from ..ports import Array, Observation, RobotSpec
from ..safety import Limits
from .balance import Balance
from .interception import Interception
from .pictures import picture
from .tracking import Tracking
from .whack import Whack
from .world import RATE_HZ, World

WORLDS: dict[str, type[World]] = {
    each.task.name: each for each in (Whack, Tracking, Balance, Interception)
}


def world_named(name: str) -> type[World]:
    """The world of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in WORLDS:
        raise ConfigError(
            f"There is no simulated world {name!r}.",
            remedy=f"Take one of {', '.join(WORLDS)}.",
        )
    return WORLDS[name]


def spec_of(world: type[World]) -> RobotSpec:
    """What the robot of a world declares: quick joints, so that limits are rarely felt."""
    one = np.ones(world.task.joints)
    limits = Limits(
        low=-world.reach * one,
        high=world.reach * one,
        velocity=15.0 * one,
        acceleration=1_500.0 * one,
        jerk=150_000.0 * one,
        rate_hz=RATE_HZ,
    )
    task = world.task
    skills = (task.skill, "home", "teleoperate")
    return RobotSpec(task.name, RATE_HZ, task.state_dim, task.joints, limits, skills)


class SimRobot:
    """A robot in a world of its own. Each `act` is one control step of the world.

    Args:
        world: with a batch of one episode.
        endless: it is never done.
        camera: a picture of the world is among what it senses, as ``camera``.
    """

    def __init__(self, world: World, *, endless: bool = False, camera: bool = False) -> None:
        self.spec = spec_of(type(world))
        self._world = world
        self._endless = endless
        self._camera = camera

    def observe(self) -> Observation:
        """The state, and in its values the things of the world, `score` and `done`."""
        world = self._world
        state, things = world.sense()
        values: dict[str, Any] = {
            name: value[0].astype(np.float32) for name, value in things.items()
        }
        if self._camera:
            values["camera"] = picture(world)
        values["score"] = world.score().astype(np.float32)
        values["done"] = np.array([world.done and not self._endless], np.float32)
        time = world.step_count / RATE_HZ
        return Observation(time, state[0].astype(np.float32), values, world.task.prompt)

    def act(self, action: Array) -> None:
        """Commands positions, (A,)."""
        self._world.step(action[None].astype(np.float64))

    def predict(self, state: Array, commands: Array) -> Array:
        """The state, (S,), after commands, (n, A), if nothing disturbs it."""
        rolled = state[None].astype(np.float64)
        for command in commands.astype(np.float64):
            rolled = self._world.predict(rolled, command[None])
        later: Array = rolled[0].astype(np.float32)
        return later


def simulated(name: str, seed: int, *, endless: bool = False, camera: bool = False) -> SimRobot:
    """The robot of a world, by the world's name.

    Raises:
        ConfigError: there is no such world.
    """
    world = world_named(name)(1, np.random.default_rng(seed))
    return SimRobot(world, endless=endless, camera=camera)
