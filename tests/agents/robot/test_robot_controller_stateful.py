"""Under any timing of answers, losses and stops: limits, holds, no action twice, same replay."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from robot_bench import HORIZON, RATE, policy, robot

from agents.robot.controller import Controller
from agents.robot.events import (
    Act,
    Amend,
    Answered,
    Begin,
    Cancel,
    EmergencyStop,
    Event,
    Infer,
    Instruction,
    LinkBack,
    LinkLost,
    Observed,
    Refused,
    Release,
    Steer,
    Tick,
)
from agents.robot.ports import Observation, Semantics
from agents.robot.settings import Settings
from agents.robot.strategies import STRATEGIES, Roll

NAMES = [name for name, each in STRATEGIES.items() if each.roll is not Roll.DYNAMICS]
SPEC = robot()
values = st.floats(-2.0, 2.0, width=32)
slopes = st.floats(-0.25, 0.25, width=32)


class Driving(RuleBasedStateMachine):
    """Everything that can happen to a controller, in any order."""

    @initialize(name=st.sampled_from(NAMES), semantics=st.sampled_from(Semantics))
    def build(self, name: str, semantics: Semantics) -> None:
        self.declared = policy(semantics=semantics, takes_prefix=True, corrects=True)
        self.strategy = STRATEGIES[name]
        self.controller = self.fresh()
        self.now = 0.0
        self.events: list[tuple[Event, float]] = []
        self.said: list[Instruction] = []
        self.open: list[int] = []
        self.unusable: set[int] = set()
        self.prompt = ""
        # After how much was said, and after which question, the words were amended.
        self.amended: list[tuple[int, int]] = []
        self.commands = [np.zeros(2)] * 4
        self.linked = True
        self.stopped = False
        self.begin()

    def fresh(self) -> Controller:
        chosen = Settings(assumed=2, warm_up=0, patience_s=0.4)
        return Controller(
            SPEC, self.declared, self.strategy, np.zeros(2), chosen,
            correct=lambda observation, action, age: action + observation.state[:2] * 0,
        )  # fmt: skip

    def send(self, event: Event) -> list[Instruction]:
        self.events.append((event, self.now))
        said = self.controller.handle(event, self.now)
        self.said += said
        asked = [each for each in said if isinstance(each, Infer)]
        assert all(each.observation.prompt == self.prompt for each in asked)
        self.open += [each.id for each in asked]
        return said

    @rule(steps=st.integers(1, 6), observed=st.booleans())
    def tick(self, steps: int, observed: bool) -> None:
        for _ in range(steps):
            if observed:
                state = np.concatenate((self.controller.commanded, np.zeros(1, np.float32)))
                self.send(Observed(Observation(self.now, state, {})))
            [act] = [each for each in self.send(Tick()) if isinstance(each, Act)]
            self.commands.append(self.controller.commanded.astype(np.float64))
            if self.stopped or not self.linked:
                assert act.source.strategy == "hold"
            self.now += 1 / RATE

    @rule(rounds=st.integers(1, 5), steps=st.integers(1, 5), start=values, slope=slopes)
    def play(self, rounds: int, steps: int, start: float, slope: float) -> None:
        """As it should be: each question is answered after some steps."""
        for _ in range(rounds):
            self.tick(steps, True)
            while self.open:
                self.answer(0, start, slope)

    @rule(late_s=st.floats(0.0, 0.5))
    def pause(self, late_s: float) -> None:
        self.now += late_s

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 5), start=values, slope=slopes)
    def answer(self, which: int, start: float, slope: float) -> None:
        question = self.open.pop(min(which, len(self.open) - 1))
        steps = np.arange(HORIZON, dtype=np.float32)[:, None]
        refused = self.controller.refused
        self.send(Answered(question, np.float32(start) + np.float32(slope) * steps.repeat(2, 1)))
        if self.controller.refused > refused:
            self.unusable.add(question)

    @precondition(lambda self: self.open)
    @rule()
    def fail(self) -> None:
        question = self.open.pop()
        self.unusable.add(question)
        self.send(Refused(question, "overloaded"))

    @rule()
    def begin(self) -> None:
        if not self.stopped:
            self.unusable.update(self.open)
            self.prompt = "play"
            self.send(Begin("play"))

    @precondition(lambda self: self.controller.state == "driven")
    @rule(prompt=st.sampled_from(["play", "play on", "play with the other"]))
    def amend(self, prompt: str) -> None:
        if prompt != self.prompt:
            self.unusable.update(self.open)
            last = max((each.id for each in self.said if isinstance(each, Infer)), default=0)
            self.amended.append((len(self.said), last))
            self.prompt = prompt
        self.send(Amend(prompt))

    @rule(x=values, y=values)
    def steer(self, x: float, y: float) -> None:
        if not self.stopped:
            self.send(Steer(np.float32([x, y]), for_s=0.2))

    @rule()
    def cancel(self) -> None:
        self.unusable.update(self.open)
        self.send(Cancel())

    @rule()
    def lose(self) -> None:
        self.linked = False
        self.send(LinkLost())

    @rule()
    def find(self) -> None:
        self.linked = True
        self.send(LinkBack())

    @rule()
    def stop(self) -> None:
        self.stopped = True
        self.unusable.update(self.open)
        self.send(EmergencyStop())

    @rule()
    def release(self) -> None:
        self.stopped = False
        self.send(Release("Ada"))

    @rule()
    def rest(self) -> None:
        """A hold is over after the time that braking may take."""
        self.cancel()
        self.tick(SPEC.limits.braking_steps + 1, True)
        assert self.controller.at_rest

    @invariant()
    def limits_are_kept(self) -> None:
        if not hasattr(self, "commands"):
            return
        limits, recent = SPEC.limits, np.stack(self.commands[-40:])
        # Commands are read as float32.
        assert (np.abs(recent) <= limits.high + 1e-6).all()
        for order, most in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk)):
            assert (np.abs(np.diff(recent, n=order, axis=0)) <= most / RATE**order + 1e-6).all()

    @invariant()
    def no_action_is_executed_twice_or_from_a_refused_chunk(self) -> None:
        if not hasattr(self, "said"):
            return
        done = [
            (each.source.chunk, each.source.index)
            for each in self.said
            if isinstance(each, Act) and each.source.chunk is not None
        ]
        assert len(done) == len(set(done))
        assert not {chunk for chunk, _ in done} & self.unusable

    @invariant()
    def after_an_amendment_no_chunk_begins_that_was_asked_for_before(self) -> None:
        for said, last in getattr(self, "amended", ()):
            sources = [each.source.chunk for each in self.said[said:] if isinstance(each, Act)]
            # The one that runs may go on.
            assert len({chunk for chunk in sources if chunk is not None and chunk <= last}) <= 1

    def teardown(self) -> None:
        """The same events at the same times say the same."""
        if not hasattr(self, "events"):
            return
        again = self.fresh()
        replayed = [each for event, now in self.events for each in again.handle(event, now)]
        for first, second in zip(self.said, replayed, strict=True):
            assert type(first) is type(second)
            if isinstance(first, Act) and isinstance(second, Act):
                assert first.source == second.source
                np.testing.assert_array_equal(first.action, second.action)


TestDriving = Driving.TestCase
TestDriving.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
