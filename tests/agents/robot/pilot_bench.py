"""A pilot with its skills, on a loop whose seconds are over in some milliseconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from robot_bench import chunk, policy, robot

from agents.robot.controller import Controller
from agents.robot.events import Answered, Infer, Refused
from agents.robot.inference import Reply
from agents.robot.loop import Loop
from agents.robot.pilot import Pilot
from agents.robot.ports import Array, Observation, RobotSpec
from agents.robot.skills import robot_skills
from agents.robot.strategies import STRATEGIES
from agents.testing import Trial

ALL = ("track", "hit", "pick", "place", "home", "teleoperate", "hold")


class Quick:
    """A clock in which a second is over in some milliseconds."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep_until(self, due: float) -> None:
        self.time = max(self.time, due)
        # Others shall have their turn.
        time.sleep(0)


class World:
    """An arm that counts its steps, and is done after `enough`."""

    def __init__(self, enough: int | None = None) -> None:
        self.position = np.zeros(2, np.float32)
        self.steps = 0
        self.enough = enough
        self.tells_done = True
        self.spec: RobotSpec = replace(robot(), skills=ALL)

    def observe(self) -> Observation:
        done = self.enough is not None and self.steps >= self.enough
        values = {"score": np.float32([self.steps])}
        if self.tells_done:
            values["done"] = np.float32([done])
        state = np.concatenate((self.position, np.zeros(1, np.float32)))
        return Observation(0.0, state, values)

    def act(self, action: Array) -> None:
        self.position = action
        self.steps += 1


class Wandering:
    """Answers at once, wherever it is, unless it is in trouble; remembers the prompts."""

    def __init__(self) -> None:
        self.prompts: set[str] = set()
        self.trouble = ""

    def ask(self, question: Infer, reply: Reply) -> None:
        self.prompts.add(question.observation.prompt)
        if self.trouble:
            reply(Refused(question.id, self.trouble))
            return
        reply(Answered(question.id, chunk(0.3 * np.sin(question.step / 20), slope=0.0)))

    def close(self) -> None:
        pass


class Bench:
    """Everything around a pilot.

    Attributes:
        skills: by name, without ``robot.``.
    """

    def __init__(self, world: World) -> None:
        self.world, self.asked = world, Wandering()
        self.controller = Controller(world.spec, policy(), STRATEGIES["aligned"], np.zeros(2))
        self.loop = Loop(world, self.controller, self.asked, Quick())
        self.pilot = Pilot(world.spec, self.loop)
        self.skills = {each.name.removeprefix("robot."): each for each in robot_skills(self.pilot)}

    async def call(self, name: str, trial: Trial | None = None, **arguments: Any) -> Any:
        return await (trial or Trial()).run(self.skills[name], **arguments)


@contextmanager
def bench(enough: int | None = None) -> Iterator[Bench]:
    made = Bench(World(enough))
    with made.loop:
        yield made
