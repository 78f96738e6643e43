"""Skills of a robot: words reach the policy, motions end at rest, a stop needs a person."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from pilot_bench import Bench, World, bench

from agents.skills import AnySkill
from agents.testing import Trial
from constellation.errors import ConfigError, TaskFailed

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("name", "arguments", "prompt"),
    [
        ("track", {"instruction": "follow the red ball"}, "follow the red ball"),
        ("hit", {}, "hit the target"),
        ("pick", {"instruction": "pick up the cube"}, "pick up the cube"),
        ("place", {"instruction": "put it into the bowl"}, "put it into the bowl"),
    ],
)
async def test_words_reach_the_policy(name: str, arguments: dict[str, str], prompt: str) -> None:
    with bench(enough=40) as made:
        await made.call(name, seconds=1, **arguments)
        assert made.asked.prompts == {prompt}


async def test_a_motion_lasts_as_long_as_it_shall_and_reports() -> None:
    with bench() as made:
        trial = Trial()
        outcome = await made.call("track", trial, seconds=30)
        assert made.controller.at_rest

    assert outcome["steps"] >= 30 * 50
    assert outcome["score"] >= 30 * 50
    assert 0 <= outcome["held"] < outcome["steps"]
    assert outcome["done"] is False
    fractions = [fraction for fraction, _ in trial.reports]
    assert fractions == sorted(fractions)


async def test_a_motion_ends_when_the_robot_is_done() -> None:
    with bench(enough=100) as made:
        outcome = await made.call("pick", instruction="pick up the cube", seconds=3600)

    assert outcome["done"] is True


@pytest.mark.parametrize("name", ["pick", "place"])
async def test_what_is_not_done_in_its_time_has_failed(name: str) -> None:
    with bench() as made:
        with pytest.raises(TaskFailed, match="given up after 2 s"):
            await made.call(name, instruction="pick up the cube", seconds=2)
        assert made.controller.at_rest


async def test_a_robot_that_cannot_tell_whether_it_is_done_is_believed() -> None:
    with bench() as made:
        made.world.tells_done = False
        outcome = await made.call("pick", instruction="pick up the cube", seconds=2)
    assert outcome["done"] is False


async def test_a_motion_in_which_nothing_moved_has_failed_and_says_why() -> None:
    with bench() as made:
        made.asked.trouble = "it is out of reach"
        trial = Trial()
        with pytest.raises(TaskFailed, match="in 20 s: the policy has no answer: it is out of rea"):
            await made.call("track", trial, seconds=20)
    assert any("it is out of reach" in message for _, message in trial.reports)


async def test_one_motion_runs_at_a_time() -> None:
    outcomes: list[dict[str, Any]] = []

    async def call(made: Bench, name: str) -> None:
        outcomes.append(await made.call(name, seconds=20))

    with bench() as made:
        begun = made.controller.step
        async with anyio.create_task_group() as tasks:
            for name in ("track", "hit"):
                tasks.start_soon(call, made, name)

        assert sum(each["steps"] for each in outcomes) <= made.controller.step - begun


async def test_home_is_where_it_stood() -> None:
    with bench() as made:
        await made.call("track", seconds=2)
        there = await made.call("home")

    assert there["position"] == pytest.approx([0, 0], abs=1e-4)


async def test_a_canceled_motion_comes_to_rest() -> None:
    with bench() as made:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made.call, "track")
            while not made.asked.prompts:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

        assert made.controller.state == "held"
        assert made.controller.at_rest


async def until_driven(made: Bench) -> None:
    with anyio.fail_after(20):
        while made.controller.state != "driven":
            await anyio.lowlevel.checkpoint()


async def test_hold_brings_a_robot_to_rest_that_does_nothing() -> None:
    with bench() as made:
        await made.call("hold")

        assert made.controller.state == "held"
        assert made.controller.at_rest


@pytest.mark.parametrize(
    ("ending", "reason"), [("hold", "told to hold"), ("teleoperate", "a person took over")]
)
async def test_what_runs_and_what_waits_is_ended(ending: str, reason: str) -> None:
    ended: list[str] = []

    async def drive(made: Bench, prompt: str) -> None:
        with pytest.raises(TaskFailed, match=reason):
            await made.pilot.drive(prompt, 1e9, lambda fraction, said: None)
        ended.append(prompt)

    with bench() as made:
        async with anyio.create_task_group() as tasks:
            for prompt in ("track the target", "hit the target"):
                tasks.start_soon(drive, made, prompt)
            await until_driven(made)
            await made.call(ending, Trial(answers=["stop"]))

        assert sorted(ended) == ["hit the target", "track the target"]
        assert made.asked.prompts == {"track the target"}
        assert made.controller.state == "held"
        # It moves again for whoever asks from now on.
        assert (await made.call("track", seconds=1))["steps"] > 0


async def test_nobody_else_moves_it_while_a_person_does() -> None:
    with bench() as made:
        async with made.pilot.by_hand(), anyio.create_task_group() as tasks:
            tasks.start_soon(partial(made.call, "track", seconds=1))
            await anyio.wait_all_tasks_blocked()
            await made.pilot.steer(np.float32([0.1, 0.1]), lambda fraction, said: None)
            assert not made.asked.prompts
            tasks.cancel_scope.cancel()


async def test_a_person_steers_and_is_told_what_was_not_done() -> None:
    with bench() as made:
        trial = Trial(answers=["0.2, -0.3", "left", "1", "5 0", "stop"])
        there = await made.call("teleoperate", trial)

    assert there["position"] == pytest.approx([1.0, 0.0], abs=1e-4)
    remarks = [each[1].partition("It is at ")[0] for each in trial.questions]
    assert remarks == [
        "",
        "",
        "'left' is no position. ",
        "'1' is no position. ",
        "That is beyond its limits: it went as far as it may. ",
    ]
    assert "It is at 1, 0. Where to?" in trial.questions[-1][1]


async def test_after_a_stop_only_a_person_lets_it_move() -> None:
    with bench() as made:
        stopped = await made.call("stop", reason="smoke")
        again = await made.call("stop", reason="fire")
        assert made.controller.at_rest
        assert stopped == again == {"position": [0, 0], "stopped": "smoke", "ended": ""}
        with pytest.raises(TaskFailed, match="stopped"):
            await made.call("track", seconds=1)
        with pytest.raises(TaskFailed, match="not released"):
            await made.call("release", Trial(answers=[False]))
        assert made.controller.state == "stopped"

        freed = await made.call("release", Trial(answers=[True], person="ann"))
        assert freed == {"position": [0, 0], "stopped": "smoke", "released_by": "ann"}
        assert (await made.call("track", seconds=1))["steps"] >= 50


async def test_a_hub_that_does_not_tell_who_allowed_it_can_release_it_too() -> None:
    with bench() as made:
        await made.call("stop")
        assert (await made.call("release", Trial(answers=[True])))["released_by"] == "a person"


async def test_whoever_releases_it_is_told_why_it_stopped_and_does_not_undo_a_later_stop() -> None:
    with bench() as made:
        with pytest.raises(TaskFailed, match="nothing to release: the robot is held"):
            await made.call("release", Trial())
        await made.call("stop", reason="smoke")
        known = made.controller.stops
        trial = Trial(answers=[False])
        with pytest.raises(TaskFailed):
            await made.call("release", trial)
        assert trial.questions[0][1] == "The robot was stopped: smoke. Is it safe to release it?"

        await made.call("stop", reason="fire")
        with pytest.raises(TaskFailed, match="stopped again"):
            await made.pilot.release("a person", known)
        assert made.controller.state == "stopped"


async def test_a_stop_ends_a_motion() -> None:
    with bench() as made, pytest.RaisesGroup(pytest.RaisesExc(TaskFailed, match="smoke")):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(made.call, "track", seconds=3600))
            while not made.asked.prompts:
                await anyio.lowlevel.checkpoint()
            assert (await made.call("stop", reason="smoke"))["ended"] == "track the target"
            assert made.controller.at_rest


async def test_without_the_hub_it_holds_and_says_so() -> None:
    with bench() as made:
        trial = Trial()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(made.call, "track", trial, seconds=3600))
            while not made.asked.prompts:
                await anyio.lowlevel.checkpoint()
            made.pilot.linked(False)
            while not any("out of reach" in message for _, message in trial.reports):
                await anyio.lowlevel.checkpoint()
            # It is told when the hold begins, and coming to rest takes a while.
            while not made.controller.at_rest:
                await anyio.lowlevel.checkpoint()
            made.pilot.linked(True)
            while "aligned" not in trial.reports[-1][1]:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()


async def test_a_robot_that_is_switched_off_does_nothing() -> None:
    made = Bench(World())
    with pytest.raises(TaskFailed, match="switched off"):
        await made.call("home")


def test_a_robot_that_declares_what_nobody_knows_is_refused() -> None:
    world = World()
    world.spec = replace(world.spec, skills=("dance",))
    with pytest.raises(ConfigError, match="dance"):
        Bench(world)


def test_every_robot_can_be_held_amended_and_stopped() -> None:
    world = World()
    world.spec = replace(world.spec, skills=("home",))
    names: dict[str, AnySkill] = Bench(world).skills

    assert set(names) == {"home", "hold", "amend", "stop", "release"}
