"""What is executed in which step: strategies, late answers, and the watchdogs."""

from __future__ import annotations

import numpy as np
import pytest
from robot_bench import HORIZON, Loop, chunk, chunks, indices, policy

from agents.robot.events import (
    Answered,
    Begin,
    Cancel,
    EmergencyStop,
    LinkBack,
    LinkLost,
    Refused,
    Release,
    Released,
    Steer,
)
from agents.robot.ports import Array, Observation, Semantics
from agents.robot.settings import Settings, WhenLost
from constellation.errors import ConfigError, InvalidTransition

D = 3
KNOWN = Settings(assumed=D, warm_up=0)
ALL = ["synchronous", "naive", "aligned", "weighted", "future-state-last", "future-state-sum"]


def begun(name: str, delay: int = D, settings: Settings = KNOWN, **more: object) -> Loop:
    loop = Loop(name, delay=delay, settings=settings, **more)  # type: ignore[arg-type]
    loop.send(Begin("play"))
    return loop


def at_switch(loop: Loop) -> list[int | None]:
    """The index with which each chunk but the first begins."""
    found = []
    for before, after in zip(loop.acts, loop.acts[1:], strict=False):
        if after.source.chunk is not None and after.source.chunk != before.source.chunk:
            found.append(after.source.index)
    return found[1:]


@pytest.mark.parametrize("name", ALL)
def test_without_delay_every_strategy_begins_chunks_at_their_first_action(name: str) -> None:
    loop = begun(name, delay=0, settings=Settings(assumed=0, warm_up=0))
    acts = loop.run(40)

    assert all(act.source.chunk is not None for act in acts)
    assert set(at_switch(loop)) == {0}


def test_synchronous_holds_from_the_question_to_the_answer() -> None:
    loop = begun("synchronous", settings=Settings(assumed=D, warm_up=0, execution=4))
    loop.run(30)

    assert indices(loop.acts)[:14] == [None] * 3 + [0, 1, 2, 3] + [None] * 3 + [0, 1, 2, 3]
    assert loop.halts == []


def test_naive_begins_at_the_first_action_however_late() -> None:
    loop = begun("naive")
    acts = loop.run(40)

    assert all(act.source.chunk is not None for act in acts[D:])
    assert set(at_switch(loop)) == {0}


def test_aligned_skips_the_actions_whose_time_is_over() -> None:
    loop = begun("aligned")
    acts = loop.run(40)

    assert all(act.source.chunk is not None for act in acts[D:])
    assert set(at_switch(loop)) == {D}


def test_future_state_begins_at_the_first_action_when_it_is_due() -> None:
    loop = begun("future-state-last")
    loop.run(40)

    assert set(at_switch(loop)) == {0}
    assert all(act.source.chunk is not None for act in loop.acts[D:])


def test_future_state_that_comes_early_waits_for_its_step() -> None:
    loop = begun("future-state-last", delay=1, settings=Settings(assumed=4, warm_up=99))
    acts = loop.run(8)

    assert indices(acts) == [None] * 4 + [0, 1, 2, 3]


def test_future_state_that_comes_late_goes_on_by_what_was_executed() -> None:
    loop = begun("future-state-last", delay=5, settings=Settings(assumed=3, warm_up=99))
    acts = loop.run(8)

    assert indices(acts) == [None] * 5 + [2, 3, 4]


def test_the_old_chunk_lasts_until_the_next_is_there() -> None:
    for delay in range(6):
        settings = Settings(assumed=delay, warm_up=0)
        for name in ("naive", "aligned", "weighted", "future-state-last"):
            acts = begun(name, delay=delay, settings=settings).run(60)
            assert all(act.source.chunk is not None for act in acts[delay:]), (name, delay)


def test_the_prediction_follows_what_was_measured() -> None:
    loop = begun("future-state-last", delay=5, settings=Settings(assumed=1, warm_up=1))
    loop.run(40)

    assert loop.controller.planned == 5
    assert loop.asked[-1].planned == 5


def test_an_answer_whose_time_is_over_is_refused() -> None:
    loop = begun("aligned", delay=HORIZON)
    acts = loop.run(HORIZON + 3)

    assert set(chunks(acts)) == {None}
    assert loop.controller.refused == 1


def test_weighted_draws_the_new_chunk_towards_the_old() -> None:
    values = iter(np.arange(100.0))
    loop = begun("weighted", answer=lambda asked: chunk(0.01 * next(values), slope=0.0))
    acts = loop.run(D + D + 1)

    assert acts[-2].action[0] == pytest.approx(0.0)
    assert acts[-1].action[0] == pytest.approx(0.7 * 0.01, rel=1e-4)


def test_real_time_chunking_tells_the_policy_what_is_executed_meanwhile() -> None:
    values = iter(np.arange(100.0))
    loop = begun(
        "rtc",
        answer=lambda asked: chunk(0.001 * next(values)),
        policy_spec=policy(takes_prefix=True),
    )
    acts = loop.run(30)

    assert loop.asked[0].prefix is None
    for asked in loop.asked[1:7]:
        assert asked.prefix is not None
        executed = np.stack([act.action for act in acts[asked.step : asked.step + D]])
        np.testing.assert_allclose(asked.prefix, executed, atol=1e-6)
        assert asked.delay == D


def test_a_policy_that_inpaints_is_told_all_that_is_left_and_how_much_of_it_is_sure() -> None:
    values = iter(np.arange(100.0))
    loop = begun(
        "rtc",
        answer=lambda asked: chunk(0.001 * next(values)),
        policy_spec=policy(inpaints=True),
    )
    acts = loop.run(30)

    assert loop.controller.strategy.name == "rtc-guided"
    for before, asked in zip(loop.asked[:6], loop.asked[1:7], strict=True):
        assert asked.prefix is not None
        assert asked.delay == D
        executed = np.stack([act.action for act in acts[asked.step : asked.step + D]])
        np.testing.assert_allclose(asked.prefix[:D], executed, atol=1e-6)
        # The chunk that runs began with the observation of the question before.
        assert len(asked.prefix) == HORIZON - (asked.step - before.step)


def test_a_correction_sees_what_is_observed_now_and_how_old_the_action_is() -> None:
    seen: list[tuple[float, int]] = []

    def correct(observation: Observation, action: Array, age: int) -> Array:
        seen.append((float(observation.state[2]), age))
        return action + np.float32(0.002)

    loop = begun("a2c2", policy_spec=policy(corrects=True), correct=correct)
    acts = loop.run(D + 2)

    assert seen == [(D, D), (D + 1, D + 1)]
    assert acts[D].action[0] == pytest.approx(0.001 * D + 0.002, abs=1e-6)


def test_the_state_is_rolled_forward_by_the_last_command() -> None:
    loop = begun("future-state-last")
    acts = loop.run(30)

    asked = loop.asked[3]
    np.testing.assert_allclose(asked.state[:2], acts[asked.step + D - 1].action, atol=1e-6)
    assert asked.state[2] == asked.step


def test_the_state_is_rolled_forward_by_the_sum_of_relative_actions() -> None:
    loop = begun(
        "future-state-sum",
        answer=lambda asked: chunk(0.001, slope=0.0),
        policy_spec=policy(semantics=Semantics.RELATIVE),
    )
    acts = loop.run(30)

    asked = loop.asked[3]
    np.testing.assert_allclose(asked.state[:2], asked.observation.state[:2] + D * 0.001, atol=1e-6)
    np.testing.assert_allclose(asked.state[:2], acts[asked.step + D - 1].action, atol=1e-5)


def test_the_state_is_rolled_forward_by_a_model_of_the_robot() -> None:
    def dynamics(state: Array, commands: Array) -> Array:
        assert commands.shape == (D, 2)
        return np.concatenate((commands[-1], np.float32([state[2] + 100])))

    loop = begun("future-state-dynamics", dynamics=dynamics)
    loop.run(10)

    assert loop.asked[1].state[2] == loop.asked[1].step + 100


def test_the_prediction_foresees_what_will_be_corrected() -> None:
    def dynamics(state: Array, commands: Array) -> Array:
        return np.concatenate((commands[-1], np.float32([state[2] + len(commands)])))

    def correct(observation: Observation, action: Array, age: int) -> Array:
        # It depends on where the robot is by then, and on how old the action is.
        return action + 0.05 * (0.3 - observation.state[:2]) + np.float32(1e-4 * age)

    spec = policy(takes_future_state=True, corrects=True)
    loop = begun("future-state", policy_spec=spec, dynamics=dynamics, correct=correct)
    acts = loop.run(40)

    for asked in loop.asked[1:5]:
        np.testing.assert_allclose(asked.state[:2], acts[asked.step + D - 1].action, atol=1e-5)
        assert asked.state[2] == asked.step + D


def test_while_it_holds_the_state_is_rolled_to_where_it_comes_to_rest() -> None:
    told: list[Array] = []

    def dynamics(state: Array, commands: Array) -> Array:
        told.append(commands)
        return state

    loop = begun("future-state-dynamics", dynamics=dynamics, answer=lambda asked: chunk(0.4, 0.02))
    loop.run(10)
    loop.delay = 99
    loop.send(Cancel(), Begin("another"))
    told.clear()
    loop.run(41)
    [commands] = told

    rest = loop.acts[-1].action
    assert np.abs(rest - loop.acts[-42].action).max() > 0.001
    np.testing.assert_allclose(commands, np.tile(rest, (D, 1)), atol=1e-6)


def test_a_new_task_begins_with_a_chunk_of_its_own() -> None:
    loop = begun("aligned")
    loop.run(10)
    loop.send(Begin("another"))
    asked = len(loop.asked)

    assert held(loop, D)
    assert loop.run(1)[0].source.chunk == asked + 1
    assert loop.asked[-1].observation.prompt == "another"


def test_the_wanted_reaction_says_how_long_a_chunk_is_executed() -> None:
    loop = begun("future-state-last", settings=Settings(assumed=D, warm_up=0, reaction_s=0.2))
    loop.run(40)

    assert set(np.diff([asked.step for asked in loop.asked[1:]])) == {10 - D}


def test_no_longer_delay_is_planned_than_two_chunks_can_bridge() -> None:
    loop = begun("future-state-last", settings=Settings(assumed=99))

    assert loop.controller.planned == 2 * HORIZON


def test_the_delay_is_told_in_steps_of_the_policy() -> None:
    spec = policy(takes_delay=True)
    loop = begun("future-state-last", settings=Settings(assumed=3), policy_spec=spec, rate_hz=100.0)
    loop.run(1)

    assert loop.asked[0].planned == 3
    assert loop.asked[0].delay == 2


def test_the_planned_delay_is_told_to_a_policy_that_takes_it() -> None:
    later = begun("future-state-last", policy_spec=policy(takes_delay=True))
    later.run(10)
    now = begun("aligned", policy_spec=policy(takes_delay=True))
    now.run(10)
    untold = begun("future-state-last")
    untold.run(10)

    assert (later.asked[1].delay, now.asked[1].delay, untold.asked[1].delay) == (D, 0, None)


def test_actions_are_merged_and_interpolated() -> None:
    merged = begun("aligned", delay=0, settings=Settings(merge=2, assumed=0, execution=6))
    acts = merged.run(3)
    assert [round(float(act.action[0]), 6) for act in acts] == [0.001, 0.003, 0.005]

    finer = begun("aligned", delay=0, settings=Settings(assumed=0, execution=12), rate_hz=100.0)
    acts = finer.run(5)
    assert [round(float(act.action[0]), 6) for act in acts] == [0, 0, 0.0005, 0.001, 0.0015]


def test_the_task_reaches_the_policy() -> None:
    loop = begun("aligned")
    loop.run(1)

    assert loop.asked[0].observation.prompt == "play"


# ── watchdogs ───────────────────────────────────────────────────────────────────────────────────


def held(loop: Loop, steps: int = 1) -> bool:
    return all(act.source.strategy == "hold" for act in loop.run(steps))


def test_no_answer_ends_in_a_hold_and_goes_on_with_the_next() -> None:
    loop = begun("aligned")
    loop.run(10)
    loop.delay = 2 * HORIZON
    loop.run(2 * HORIZON)

    assert loop.halts == ["no action for this step"]
    assert loop.controller.at_rest
    loop.delay = D
    loop.run(2 * HORIZON)
    assert loop.acts[-1].source.strategy == "aligned"
    assert loop.controller.halted is None


def test_a_refused_question_is_asked_again_but_not_at_once() -> None:
    loop = begun("aligned", delay=99)
    loop.run(1)
    loop.send(Refused(loop.asked[0].id, "overloaded"))
    loop.run(D + 1)

    assert [asked.step for asked in loop.asked] == [0, 1 + D]


def test_it_says_why_the_policy_has_no_answer_though_nothing_moved_yet() -> None:
    loop = begun("synchronous", delay=99)
    loop.run(1)
    assert loop.halts == []
    loop.send(Refused(loop.asked[0].id, "overloaded"))
    loop.run(1)
    assert loop.halts == ["the policy has no answer: overloaded"]

    loop.delay = 0
    loop.run(2 * HORIZON)
    assert loop.controller.unanswered == ""
    assert loop.controller.halted is None


def test_a_policy_that_keeps_failing_is_asked_ever_more_seldom_but_never_left_alone() -> None:
    loop = begun("aligned", delay=9_999)
    for _ in range(40):
        loop.run(1)
        known = len(loop.asked)
        loop.send(Refused(loop.asked[-1].id, "overloaded"))
        while len(loop.asked) == known:
            loop.run(1)
    pauses = np.diff([asked.step for asked in loop.asked])
    assert pauses[0] == D + 1
    assert (np.diff(pauses) >= 0).all()
    # It is refused a step or two after it was asked.
    assert pauses[-1] == HORIZON + 2

    loop.delay = 0
    loop.send(Refused(loop.asked[-1].id, "overloaded"))
    loop.run(2 * HORIZON)
    assert loop.acts[-1].source.strategy == "aligned"


def test_a_question_that_is_out_of_date_is_no_trouble() -> None:
    loop = begun("aligned", delay=99)
    loop.run(1)
    loop.send(Begin("another"), Refused(loop.asked[0].id, "out of date before its turn came"))
    assert loop.controller.unanswered == ""


def test_an_answer_that_never_comes_is_given_up() -> None:
    loop = begun("aligned", delay=99, settings=Settings(assumed=D, patience_s=0.2))
    loop.run(12)

    assert [asked.step for asked in loop.asked] == [0, 11]
    loop.send(Answered(loop.asked[0].id, chunk()))
    assert loop.controller.refused == 1
    assert held(loop)


@pytest.mark.parametrize(
    "wrong", [np.full((HORIZON, 2), np.nan), np.zeros((HORIZON, 3)), np.zeros(2), np.zeros((0, 2))]
)
def test_answers_that_are_no_actions_are_refused(wrong: np.ndarray) -> None:
    loop = begun("aligned", delay=0, answer=lambda asked: wrong.astype(np.float32))

    assert held(loop, 3)
    assert loop.controller.refused >= 1


def test_a_lost_hub_ends_in_a_hold_at_once_and_resumes() -> None:
    loop = begun("aligned")
    loop.run(10)
    loop.send(LinkLost())
    asked = len(loop.asked)

    assert held(loop, 20)
    assert loop.halts == ["the hub is out of reach"]
    assert loop.controller.at_rest
    assert len(loop.asked) == asked
    loop.send(LinkBack())
    assert loop.run(D + 2)[-1].source.strategy == "aligned"


def test_a_hub_that_is_lost_in_another_trouble_is_told_too() -> None:
    loop = begun("aligned")
    loop.run(20)
    loop.now += 0.5
    loop.run(1)
    loop.send(LinkLost())
    loop.run(5)
    loop.send(LinkBack())
    loop.run(1)

    assert loop.halts == ["a control step came late", "the hub is out of reach"]


def test_a_robot_that_needs_no_hub_goes_on() -> None:
    loop = begun("aligned", settings=Settings(assumed=D, when_lost=WhenLost.GO_ON))
    loop.run(10)
    loop.send(LinkLost())

    assert not any(act.source.strategy == "hold" for act in loop.run(20))


def test_what_is_not_observed_is_not_acted_upon() -> None:
    loop = begun("aligned", settings=Settings(assumed=D, unseen_s=0.05))
    loop.run(10)
    loop.run(5, observe=False)

    assert loop.halts == ["nothing is observed"]
    assert loop.acts[-1].source.strategy == "hold"
    assert loop.run(D + 2)[-1].source.strategy == "aligned"


def test_a_late_step_makes_its_actions_out_of_date() -> None:
    loop = begun("aligned")
    loop.run(10)
    loop.now += 0.3

    assert held(loop)
    assert loop.halts == ["a control step came late"]
    assert loop.run(D + 2)[-1].source.strategy == "aligned"


def test_cancel_holds_and_forgets() -> None:
    loop = begun("aligned")
    loop.run(10)
    loop.send(Cancel("a person took over"))

    assert held(loop, 20)
    assert loop.halts == ["a person took over"]
    assert loop.controller.state == "held"


def test_answers_to_questions_of_a_task_that_is_over_are_refused() -> None:
    loop = begun("aligned", delay=99)
    loop.run(2)
    loop.send(Cancel(), Begin("another"))
    loop.send(Answered(loop.asked[0].id, chunk()))

    assert loop.controller.refused == 1
    assert held(loop, 3)


def test_an_emergency_stop_needs_a_person_to_release() -> None:
    loop = begun("aligned")
    loop.run(10)
    loop.send(Release("Bob"))
    assert loop.controller.released is None, "there was nothing to release"
    loop.send(EmergencyStop("smoke"), EmergencyStop("fire"))

    assert held(loop, 5)
    with pytest.raises(InvalidTransition):
        loop.send(Begin())
    with pytest.raises(InvalidTransition):
        loop.send(Steer(np.zeros(2, np.float32)))
    loop.send(Cancel(), LinkLost(), LinkBack())
    assert loop.controller.state == "stopped"
    loop.send(Release("Ada"))
    assert loop.controller.released == Released(15, "smoke", "Ada")
    assert (loop.controller.halted, loop.halts[-1]) == ("Ada released it",) * 2
    loop.send(Begin())
    assert loop.run(D + 2)[-1].source.strategy == "aligned"


def test_a_person_steers_and_silence_is_a_hold() -> None:
    loop = Loop()
    loop.send(Steer(np.float32([0.5, -0.5]), for_s=0.3))
    assert {act.source.strategy for act in loop.run(10)} == {"steer"}
    loop.run(40)

    assert loop.halts == ["no action for this step"]
    assert loop.controller.at_rest


def test_a_goal_that_stands_is_reached() -> None:
    loop = Loop()
    loop.send(Steer(np.float32([0.5, -0.5])))
    loop.run(100)

    assert loop.controller.at_rest
    assert loop.acts[-1].action == pytest.approx([0.5, -0.5])


def test_every_action_is_recorded_with_where_it_came_from() -> None:
    loop = begun("aligned", settings=Settings(assumed=D, record=20))
    loop.run(30)

    record = list(loop.controller.record)
    assert [each.step for each in record] == list(range(10, 30))
    assert [each.source for each in record] == [act.source for act in loop.acts[10:]]


@pytest.mark.parametrize(
    ("spec", "settings", "rate"),
    [
        (policy(rate_hz=30.0), Settings(), 50.0),
        (policy(rate_hz=100.0), Settings(), 50.0),
        (policy(), Settings(merge=13), 50.0),
        (policy(takes_prefix=True), Settings(merge=2), 50.0),
    ],
)
def test_what_does_not_fit_together_is_refused(
    spec: object, settings: Settings, rate: float
) -> None:
    with pytest.raises(ConfigError):
        Loop(None, policy_spec=spec, settings=settings, rate_hz=rate)  # type: ignore[arg-type]
