"""A robot of two joints, a policy that answers when told to, and a loop without a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from agents.robot.controller import Controller
from agents.robot.events import Act, Answered, Event, Halted, Infer, Instruction, Observed, Tick
from agents.robot.ports import Array, Observation, PolicySpec, RobotSpec, Semantics
from agents.robot.safety import Limits
from agents.robot.settings import Settings
from agents.robot.strategies import chosen

RATE = 50.0
HORIZON = 12


def robot(rate_hz: float = RATE) -> RobotSpec:
    one = np.ones(2)
    limits = Limits(-one, one, 4.0 * one, 200.0 * one, 20_000.0 * one, rate_hz)
    return RobotSpec("arm", rate_hz, 3, 2, limits, ("track",))


def policy(**declared: Any) -> PolicySpec:
    given = {"semantics": Semantics.ABSOLUTE, "horizon": HORIZON, "rate_hz": RATE} | declared
    return PolicySpec(name="plan", action_dim=2, **given)


def chunk(value: float = 0.0, slope: float = 0.001, count: int = HORIZON) -> Array:
    """Actions that tell their index: value + slope · index, for both joints."""
    return np.float32(value + slope * np.arange(count))[:, None] * np.ones((1, 2), np.float32)


class Loop:
    """Ticks a controller; answers come the given number of steps after their observation.

    Attributes:
        acts: of all ticks.
        asked: all questions.
        halts: reasons.
    """

    def __init__(
        self,
        name: str | None = "aligned",
        *,
        delay: int = 0,
        settings: Settings | None = None,
        answer: Callable[[Infer], Array] = lambda asked: chunk(),
        rate_hz: float = RATE,
        policy_spec: PolicySpec | None = None,
        **hooks: Any,
    ) -> None:
        spec = policy_spec or policy()
        choice = chosen(name, spec, dynamics=hooks.get("dynamics") is not None)
        self.controller = Controller(
            robot(rate_hz), spec, choice.strategy, np.zeros(2), settings, **hooks
        )
        self.delay = delay
        self.answer = answer
        self.now = 0.0
        self.period = 1 / rate_hz
        self.acts: list[Act] = []
        self.asked: list[Infer] = []
        self.halts: list[str] = []
        self._under_way: list[tuple[int, Answered]] = []

    def send(self, *events: Event) -> None:
        for event in events:
            self._take(self.controller.handle(event, self.now))

    def run(self, steps: int, *, observe: bool = True) -> list[Act]:
        """Control steps, each with an observation before it; the acts of these steps."""
        for _ in range(steps):
            self._deliver()
            if observe:
                self.send(Observed(self.observation()))
            self._deliver()
            self.send(Tick())
            self.now += self.period
        return self.acts[-steps:]

    def observation(self) -> Observation:
        position = self.controller.commanded
        state = np.concatenate((position, np.float32([self.controller.step])))
        return Observation(self.now, state, {})

    def _deliver(self) -> None:
        for due, answered in list(self._under_way):
            if due <= self.controller.step:
                self._under_way.remove((due, answered))
                self.send(answered)

    def _take(self, instructions: Iterable[Instruction]) -> None:
        for each in instructions:
            match each:
                case Act():
                    self.acts.append(each)
                case Infer():
                    self.asked.append(each)
                    answered = Answered(each.id, self.answer(each))
                    self._under_way.append((each.step + self.delay, answered))
                case Halted(reason):
                    self.halts.append(reason)


def indices(acts: Iterable[Act]) -> list[int | None]:
    return [act.source.index for act in acts]


def chunks(acts: Iterable[Act]) -> list[int | None]:
    return [act.source.chunk for act in acts]
