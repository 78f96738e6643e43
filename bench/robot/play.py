"""One episode: the real controller, a simulated robot, and a policy as slow as is asked for.

No clock is read: a policy that takes d control steps answers d steps after it was asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from agents.robot.controller import Controller
from agents.robot.events import Act, Answered, Begin, Infer, Observed, Tick
from agents.robot.ports import Array, Policy
from agents.robot.safety import Vector
from agents.robot.settings import Settings
from agents.robot.sims.robot import SimRobot, world_named
from agents.robot.sims.whack import Whack
from agents.robot.strategies import chosen


@dataclass(frozen=True, slots=True)
class Delay:
    """How many control steps an answer takes.

    Attributes:
        steps: always, or as the median.
        sigma: of the logarithm, for delays that are lognormal; 0 for always the same.
    """

    steps: int
    sigma: float = 0.0

    def drawn(self, rng: np.random.Generator) -> int:
        """The delay of the next answer."""
        if not self.sigma:
            return self.steps
        return round(self.steps * math.exp(self.sigma * rng.standard_normal()))

    def __str__(self) -> str:
        return f"{self.steps}~" if self.sigma else str(self.steps)


@dataclass(frozen=True, slots=True)
class Case:
    """What is played.

    Attributes:
        world: its name.
        strategy: its name.
        delay: of the policy.
        seed: of everything.
        settings: of the controller, besides the delay that it begins with.
        patient: moles wait until they are hit.
    """

    world: str
    strategy: str
    delay: Delay
    seed: int = 0
    settings: Settings = field(default_factory=Settings)
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Played:
    """How an episode went.

    Attributes:
        score: of the world.
        reactions: control steps from each step of the episode to the first action that rests on
            what was observed then or later.
        jerk: root of the mean squared third difference of the positions, units per second cubed.
        jump: median of the largest change of wished velocity when another chunk takes over, units
            per second.
        held, clamped: share of the steps without an action, and with one that was held back.
    """

    score: float
    reactions: tuple[int, ...]
    jerk: float
    jump: float
    held: float
    clamped: float


def play(case: Case, policy: Policy) -> Played:
    """Plays one episode."""
    rng, delays = np.random.default_rng([case.seed, 0]), np.random.default_rng([case.seed, 1])
    world = Whack(1, rng, patient=True) if case.patient else world_named(case.world)(1, rng)
    robot = SimRobot(world)
    controller = _controller(case, policy, robot)
    period, steps = 1 / robot.spec.rate_hz, world.task.steps
    due: list[tuple[int, Infer]] = []
    observed: dict[int, int] = {}
    wished: dict[int, Array] = {}
    positions: list[Vector] = []
    controller.handle(Begin(world.task.prompt), 0.0)
    for step in range(steps):
        now = step * period
        for asked in controller.handle(Observed(robot.observe()), now):
            if isinstance(asked, Infer):
                due.append((step + case.delay.drawn(delays), asked))
                observed[asked.id] = step
        for when, question in [each for each in due if each[0] <= step]:
            due.remove((when, question))
            seen, state = question.observation, question.state
            actions = policy.infer(seen, state, delay=question.delay, prefix=question.prefix)
            wished[question.id] = actions
            controller.handle(Answered(question.id, actions), now)
        for said in controller.handle(Tick(), now):
            if isinstance(said, Act):
                robot.act(said.action)
        positions.append(world.joints_of(world.state)[1][0])
    sources = [
        None if each.source.chunk is None else (each.source.chunk, each.source.index or 0)
        for each in controller.record
    ]
    return Played(
        score=float(world.score()[0]),
        reactions=_reactions([None if each is None else observed[each[0]] for each in sources]),
        jerk=_jerk(np.array(positions), period),
        jump=_jump(sources, wished),
        held=controller.holds / steps,
        clamped=controller.clamps / steps,
    )


def _controller(case: Case, policy: Policy, robot: SimRobot) -> Controller:
    choice = chosen(case.strategy, policy.spec, dynamics=True)
    settings = replace(case.settings, assumed=case.delay.steps, warm_up=0)
    still = np.zeros(robot.spec.action_dim)
    return Controller(
        robot.spec, policy.spec, choice.strategy, still, settings, dynamics=robot.predict
    )


def _reactions(rests_on: list[int | None]) -> tuple[int, ...]:
    """For each step, how long it took until an action rested on it."""
    found: list[int] = []
    later = 0
    for event in range(len(rests_on)):
        later = max(later, event)
        while later < len(rests_on):
            seen = rests_on[later]
            if seen is not None and seen >= event:
                break
            later += 1
        else:
            break
        found.append(later - event)
    return tuple(found)


def _jerk(positions: Vector, period: float) -> float:
    third = np.diff(positions, n=3, axis=0) / period**3
    return float(np.sqrt(np.square(third).sum(axis=1).mean()))


def _jump(sources: list[tuple[int, int] | None], wished: Mapping[int, Array]) -> float:
    jumps = [
        float(np.abs(wished[new[0]][new[1]] - wished[old[0]][old[1]]).max())
        for old, new in pairwise(sources)
        if old is not None and new is not None and old[0] != new[0]
    ]
    return float(np.median(jumps)) if jumps else 0.0
