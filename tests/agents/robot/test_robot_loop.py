"""The control loop: its beat, what reaches the controller, and how it ends."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from robot_bench import chunk, policy, robot

from agents.robot.controller import Controller
from agents.robot.events import (
    Answered,
    Begin,
    Cancel,
    EmergencyStop,
    Event,
    Infer,
    LinkBack,
    LinkLost,
    Refused,
    Steer,
)
from agents.robot.inference import Inference, Reply
from agents.robot.loop import Loop
from agents.robot.ports import Array, Observation, PolicySpec, RobotSpec
from agents.robot.strategies import STRATEGIES
from constellation.errors import InvalidTransition


class FakeClock:
    """Time passes only while somebody sleeps; `pauses` are what sleeping takes too long."""

    def __init__(self, pauses: dict[int, float] | None = None) -> None:
        self.time = 10.0
        self.slept: list[float] = []
        self._pauses = pauses or {}

    def now(self) -> float:
        return self.time

    def sleep_until(self, due: float) -> None:
        self.slept.append(due)
        self.time = max(self.time, due) + self._pauses.get(len(self.slept), 0.0)


class FakeArm:
    """Is where it is told to be; calls back before each observation."""

    def __init__(self, before: Callable[[int], None] = lambda step: None) -> None:
        self.acted: list[Array] = []
        self.fails_once_at: int | None = None
        self._before = before

    @property
    def spec(self) -> RobotSpec:
        return robot()

    def observe(self) -> Observation:
        if self.fails_once_at == len(self.acted):
            self.fails_once_at = None
            raise ValueError("no such joint")
        self._before(len(self.acted))
        position = self.acted[-1] if self.acted else np.zeros(2, np.float32)
        return Observation(0.0, np.concatenate((position, np.zeros(1, np.float32))), {})

    def act(self, action: Array) -> None:
        self.acted.append(action)


class AtOnce:
    """Answers before the question has been asked."""

    closed = False

    def ask(self, question: Infer, reply: Reply) -> None:
        reply(Answered(question.id, chunk(float(question.state[0]) + 0.01, slope=0.01)))

    def close(self) -> None:
        self.closed = True


class Stuck(FakeArm):
    """Fails in each step from the 20th on, whatever it is told."""

    def act(self, action: Array) -> None:
        super().act(action)
        if len(self.acted) > 20:
            raise RuntimeError("the motor is stuck")


def make(
    steps: dict[int, Callable[[Loop], object]],
    clock: FakeClock | None = None,
    kind: type[FakeArm] = FakeArm,
) -> tuple[Loop, FakeArm]:
    """A loop to run in the test's thread, with what happens before which step."""

    def before(step: int) -> None:
        if step in steps:
            steps[step](loop)

    arm = kind(before)
    controller = Controller(robot(), policy(), STRATEGIES["aligned"], np.zeros(2))
    loop = Loop(arm, controller, AtOnce(), clock or FakeClock())
    return loop, arm


def ended(loop: Loop) -> None:
    loop.end()


def posted(event: Event) -> Callable[[Loop], object]:
    return lambda loop: loop.post(event)


def test_steps_keep_their_beat_though_some_are_late() -> None:
    clock = FakeClock(pauses={3: 0.004, 5: 0.011})
    loop, _ = make({10: ended}, clock)
    loop.run()

    beat = 10.0 + 0.02 * np.arange(len(clock.slept))
    np.testing.assert_allclose(clock.slept, beat)
    np.testing.assert_allclose(list(loop.lateness)[:6], [0, 0, 0.004, 0, 0.011, 0], atol=1e-9)


def test_only_a_hold_that_nobody_wanted_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    loop, _ = make(
        {
            1: posted(Begin("play")),
            20: posted(Cancel("its motion is over")),
            40: posted(Begin("play")),
            60: posted(LinkLost()),
            70: posted(LinkBack()),
            200: ended,
        }
    )
    with caplog.at_level("INFO", "constellation.robot"):
        loop.run()

    told = {each.getMessage(): each.levelname for each in caplog.records}
    assert told["The robot holds: its motion is over."] == "INFO"
    assert told["The robot holds: the hub is out of reach."] == "WARNING"
    assert told["The robot goes on."] == "INFO"
    assert told["The robot holds: the robot is switched off."] == "INFO"


def test_it_tells_that_it_goes_on_as_often_as_that_it_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    breaks = {
        step: posted(event)
        for first, gap in ((20, 10), (100, 10), (140, 10), (600, 10))
        for step, event in ((first, LinkLost()), (first + gap, LinkBack()))
    }
    loop, _ = make({1: posted(Begin("play")), **breaks, 700: ended})
    with caplog.at_level("INFO", "constellation.robot"):
        loop.run()

    told = [each.getMessage() for each in caplog.records][:-1]
    # The same trouble is told once in 5 s.
    assert told == ["The robot holds: the hub is out of reach.", "The robot goes on."] * 2


def test_after_a_missed_step_the_beat_begins_anew() -> None:
    clock = FakeClock(pauses={3: 0.05})
    loop, _ = make({6: ended}, clock)
    loop.run()

    np.testing.assert_allclose(np.diff(clock.slept)[:4], [0.02, 0.02, 0.07, 0.02])


def test_a_policy_drives_the_robot_and_its_end_is_at_rest() -> None:
    loop, arm = make({1: lambda loop: loop.post(Begin()), 20: ended})
    loop.run()

    commands = np.stack(arm.acted)
    assert np.abs(commands).max() > 0.05
    np.testing.assert_allclose(commands[-1], commands[-2])
    assert loop.controller.at_rest


def test_what_the_controller_does_not_take_comes_back() -> None:
    refused: list[Any] = []
    loop, _ = make(
        {
            1: lambda loop: loop.post(EmergencyStop()),
            2: lambda loop: refused.append(loop.post(Steer(np.ones(2, np.float32)))),
            5: ended,
        }
    )
    loop.run()

    with pytest.raises(InvalidTransition):
        refused[0].result(timeout=0)


def test_what_is_withdrawn_in_time_is_not_heard_of() -> None:
    loop, arm = make({4: lambda loop: loop.post(Begin()).cancel(), 20: ended})
    loop.run()

    assert not np.stack(arm.acted).any()


def test_a_robot_that_cannot_be_observed_is_held() -> None:
    def broken(loop: Loop) -> None:
        raise OSError("the cable is out")

    loop, arm = make({1: lambda loop: loop.post(Begin())} | dict.fromkeys(range(10, 40), broken))
    for _ in range(60):
        loop.cycle(0.02 * len(arm.acted))
        if len(arm.acted) == 35:
            assert loop.controller.halted == "nothing is observed"

    assert loop.controller.halted is None


def test_a_robot_whose_sensors_fail_for_good_is_braked_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(loop: Loop) -> None:
        raise ValueError("no such joint")

    failing = dict.fromkeys(range(20, 120), fail)
    loop, arm = make({1: posted(Begin("play")), **failing, 120: ended})
    loop.run()

    assert np.ptp(arm.acted[10:20], axis=0).all(), "it moved"
    assert len(arm.acted) >= 120
    # Every way to rest has ended after so many steps.
    assert not np.ptp(arm.acted[20 + robot().limits.braking_steps :], axis=0).any()
    assert loop.controller.state == "stopped"
    assert caplog.text.count("A control step failed") == 1


def test_a_robot_that_fails_whatever_it_is_told_can_be_switched_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop, arm = make({1: posted(Begin("play")), 60: ended}, kind=Stuck)
    loop.run()

    assert len(arm.acted) < 200
    assert loop.controller.state == "stopped"
    assert caplog.text.count("A control step failed") == 1


def test_a_cable_that_is_out_is_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    def out(loop: Loop) -> None:
        raise OSError("the cable is out")

    loop, _ = make({**dict.fromkeys(range(10, 110), out), 110: ended})
    loop.run()

    assert caplog.text.count("cannot be observed") == 1


def test_a_robot_that_fails_is_stopped_and_braked(caplog: pytest.LogCaptureFixture) -> None:
    states: list[tuple[str, str | None]] = []
    loop, arm = make(
        {
            0: lambda loop: loop.post(Begin()),
            12: lambda loop: states.append((loop.controller.state, loop.controller.halted)),
            30: ended,
        }
    )
    arm.fails_once_at = 10
    loop.run()

    assert states == [("stopped", "ValueError: no such joint")]
    assert loop.controller.at_rest
    assert "A control step failed" in caplog.text


def test_its_thread_brings_the_robot_to_rest() -> None:
    moving = threading.Event()

    def look(loop: Loop) -> None:
        loop.post(Begin())

    steps: dict[int, Callable[[Loop], object]] = {1: look, 12: lambda loop: moving.set()}
    loop, _ = make(steps)
    usual = sys.getswitchinterval()
    with loop:
        assert moving.wait(10)
        assert loop.running
        assert sys.getswitchinterval() < usual
        loop.post(LinkLost())

    assert not loop.running
    assert loop.controller.at_rest
    assert sys.getswitchinterval() == usual


# ── inference ───────────────────────────────────────────────────────────────────────────────────


class Thinking:
    """A policy that waits to be told, and fails if told so."""

    def __init__(self) -> None:
        self.go: queue.Queue[bool] = queue.Queue()
        self.threads: list[str] = []

    @property
    def spec(self) -> PolicySpec:
        return policy()

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        self.threads.append(threading.current_thread().name)
        if not self.go.get(timeout=100):
            raise RuntimeError("out of memory")
        return np.full((4, 2), state[0] + (delay or 0), np.float64)


def question(number: int) -> Infer:
    observation = Observation(0.0, np.zeros(3, np.float32), {})
    return Infer(number, 0, observation, np.ones(3, np.float32), 2, 2, None)


def test_a_policy_is_asked_off_the_calling_thread() -> None:
    thinking, replies = Thinking(), queue.Queue[Answered | Refused]()
    inference = Inference(thinking)
    inference.ask(question(1), replies.put)
    thinking.go.put(True)
    answer = replies.get(timeout=100)
    inference.close()

    assert isinstance(answer, Answered)
    assert (answer.id, answer.actions.dtype) == (1, np.float32)
    assert (answer.actions == 3).all()
    assert thinking.threads[0].startswith("policy")


def test_a_policy_that_fails_refuses() -> None:
    thinking, replies = Thinking(), queue.Queue[Answered | Refused]()
    inference = Inference(thinking)
    inference.ask(question(1), replies.put)
    thinking.go.put(False)

    assert replies.get(timeout=100) == Refused(1, "RuntimeError: out of memory")
    inference.close()


def test_the_same_trouble_of_a_policy_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    thinking, replies = Thinking(), queue.Queue[Answered | Refused]()
    inference = Inference(thinking)
    for number, works in enumerate((False, False, True, False)):
        inference.ask(question(number), replies.put)
        thinking.go.put(works)
        replies.get(timeout=100)
    inference.close()

    assert [each.message for each in caplog.records] == [
        "The policy has no answer: RuntimeError: out of memory",
        "The policy has no answer: RuntimeError: out of memory",
    ]


def test_of_questions_that_wait_only_the_last_is_asked() -> None:
    thinking, replies = Thinking(), queue.Queue[Answered | Refused]()
    inference = Inference(thinking)
    for number in (1, 2, 3):
        inference.ask(question(number), replies.put)
    thinking.go.put(True)
    thinking.go.put(True)
    said = {each.id: each for each in (replies.get(timeout=100) for _ in range(3))}
    inference.close()

    assert isinstance(said[2], Refused)
    assert isinstance(said[3], Answered)
    assert len(thinking.threads) == 2


def test_the_same_reason_is_not_told_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    steps: dict[int, Callable[[Loop], object]] = {0: lambda loop: loop.post(Begin())}
    for step in range(10, 90, 10):
        steps[step] = lambda loop: loop.post(LinkLost())
        steps[step + 5] = lambda loop: loop.post(LinkBack())
    loop, arm = make(steps | {95: ended})
    loop.run()

    assert len(arm.acted) >= 95
    assert caplog.text.count("out of reach") == 1


def test_cancel_reaches_the_controller() -> None:
    loop, _ = make(
        {1: lambda loop: loop.post(Begin()), 9: lambda loop: loop.post(Cancel()), 14: ended}
    )
    loop.run()

    assert loop.controller.state == "held"
