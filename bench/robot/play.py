"""One episode: the real controller, a simulated robot, and a policy as slow as is asked for.

No clock is read: a policy that takes d control steps answers d steps after it was asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from agents.robot.controller import Controller
from agents.robot.events import Act, Answered, Begin, Infer, Observed, Tick
from agents.robot.ports import Array, Corrects, Policy, Robot
from agents.robot.safety import Vector
from agents.robot.settings import Settings
from agents.robot.sims.robot import SimRobot, world_named
from agents.robot.sims.whack import Whack
from agents.robot.sims.world import World
from agents.robot.strategies import chosen


@dataclass(frozen=True, slots=True)
class Delay:
    """How many control steps an answer takes.

    Attributes:
        steps: always, or as the median.
        sigma: of the logarithm, for delays that are lognormal; 0 for always the same.
        most: longer ones are cut to this; None for no bound.
    """

    steps: int
    sigma: float = 0.0
    most: int | None = None

    def drawn(self, rng: np.random.Generator) -> int:
        """The delay of the next answer."""
        if not self.sigma:
            return self.steps
        steps = round(self.steps * math.exp(self.sigma * rng.standard_normal()))
        return steps if self.most is None else min(steps, self.most)

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
            per second; 0 where actions are merged.
        delays: control steps that each answer was expected to take, and took.
        held, clamped: share of the steps without an action, and with one that was held back.
    """

    score: float
    reactions: tuple[int, ...]
    delays: tuple[tuple[int, int], ...]
    jerk: float
    jump: float
    held: float
    clamped: float


class Episode:
    """A robot, its controller and its slow policy, step by step.

    Args:
        policy: answers at once, but is heard late.
        delay: in control steps, of the next answer.

    Attributes:
        steps: made so far.
        observed: for each question, the step of its observation.
        answers: to each question.
        delays: control steps that each answer was expected to take, and took.
    """

    def __init__(
        self, robot: Robot, controller: Controller, policy: Policy, delay: Callable[[], int]
    ) -> None:
        self.controller = controller
        self.steps = 0
        self.observed: dict[int, int] = {}
        self.answers: dict[int, Array] = {}
        self.delays: list[tuple[int, int]] = []
        self._robot = robot
        self._policy = policy
        self._delay = delay
        self._period = 1 / robot.spec.rate_hz
        self._under_way: list[tuple[int, Infer]] = []

    @property
    def now(self) -> float:
        """Seconds since it began."""
        return self.steps * self._period

    def step(self) -> Act:
        """One control step; what is commanded."""
        self._hear()
        observation = Observed(self._robot.observe())
        for asked in self.controller.handle(observation, self.now):
            if isinstance(asked, Infer):
                self.observed[asked.id] = self.steps
                self._under_way.append((self.steps + self._delay(), asked))
        # What answers at once serves this step.
        self._hear()
        (act,) = [
            each for each in self.controller.handle(Tick(), self.now) if isinstance(each, Act)
        ]
        self._robot.act(act.action)
        self.steps += 1
        return act

    def _hear(self) -> None:
        for due, asked in [each for each in self._under_way if each[0] <= self.steps]:
            self._under_way.remove((due, asked))
            self._answer(asked)

    def _answer(self, asked: Infer) -> None:
        self.delays.append((asked.planned, self.steps - asked.step))
        actions = self._policy.infer(
            asked.observation, asked.state, delay=asked.delay, prefix=asked.prefix
        )
        self.answers[asked.id] = actions
        self.controller.handle(Answered(asked.id, actions), self.now)


def play(case: Case, policy: Policy, kind: type[World] | None = None) -> Played:
    """Plays one episode.

    Args:
        kind: of world, if it is not quite the one that the case names.
    """
    rng, delays = np.random.default_rng([case.seed, 0]), np.random.default_rng([case.seed, 1])
    named = kind or world_named(case.world)
    world = Whack(1, rng, patient=True) if case.patient else named(1, rng)
    robot = SimRobot(world)
    controller = _controller(case, policy, robot)
    episode = Episode(robot, controller, policy, lambda: case.delay.drawn(delays))
    controller.handle(Begin(world.task.prompt), 0.0)
    positions: list[Vector] = []
    sources: list[tuple[int, int] | None] = []
    for _ in range(world.task.steps):
        source = episode.step().source
        sources.append(None if source.chunk is None else (source.chunk, source.index or 0))
        positions.append(world.joints_of(world.state)[1][0])
    rests_on = [None if each is None else episode.observed[each[0]] for each in sources]
    return Played(
        score=float(world.score()[0]),
        reactions=_reactions(rests_on),
        delays=tuple(episode.delays),
        jerk=_jerk(np.array(positions), 1 / robot.spec.rate_hz),
        jump=0.0 if case.settings.merge > 1 else _jump(sources, episode.answers),
        held=controller.holds / world.task.steps,
        clamped=controller.clamps / world.task.steps,
    )


def _controller(case: Case, policy: Policy, robot: SimRobot) -> Controller:
    choice = chosen(case.strategy, policy.spec, dynamics=True)
    settings = replace(case.settings, assumed=case.delay.steps, warm_up=0)
    still = np.zeros(robot.spec.action_dim)
    return Controller(
        robot.spec,
        policy.spec,
        choice.strategy,
        still,
        settings,
        dynamics=robot.predict,
        correct=policy.correct if isinstance(policy, Corrects) else None,
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
