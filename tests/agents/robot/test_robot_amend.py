"""Other words for what runs: the chunk goes on, the next one is of the new words."""

from __future__ import annotations

from functools import partial

import anyio
import anyio.lowlevel
import pytest
from pilot_bench import Bench, bench
from robot_bench import Loop, chunks, indices

from agents.robot.events import Amend, Begin, Cancel, EmergencyStop, Refused, Steer
from agents.robot.pilot import Driven
from agents.robot.ports import Array
from agents.robot.settings import Settings
from constellation.errors import InvalidTransition, SkillError, TaskFailed

D = 3
EXECUTION = 6


def begun(name: str = "aligned", *, execution: int | None = EXECUTION) -> Loop:
    """A loop whose first chunk runs."""
    loop = Loop(name, delay=D, settings=Settings(assumed=D, warm_up=0, execution=execution))
    loop.send(Begin("the red cube"))
    loop.run(D + 2)
    assert chunks(loop.acts) == [None] * D + [1, 1]
    return loop


def test_the_chunk_that_runs_goes_on_until_there_is_an_answer_to_the_new_words() -> None:
    loop = begun()
    loop.send(Amend("the other cube"))
    acts = loop.run(D + 2)

    assert chunks(acts) == [1] * D + [2] * 2
    assert indices(acts)[:D] == [D + 2, D + 3, D + 4]
    assert loop.halts == []
    # It was asked at once, not when the old chunk would have been over.
    assert [each.step for each in loop.asked[:2]] == [0, D + 2]
    assert loop.asked[1].observation.prompt == "the other cube"


def test_an_answer_to_the_old_words_is_refused() -> None:
    loop = begun(execution=None)
    loop.run(1)
    assert len(loop.asked) == 2, "the second question is under way"
    loop.send(Amend("the other cube"))
    acts = loop.run(12)

    assert loop.controller.refused == 1
    assert 2 not in chunks(acts)
    assert {each.observation.prompt for each in loop.asked[2:]} == {"the other cube"}


def test_an_answer_that_waits_for_its_step_is_dropped() -> None:
    settings = Settings(assumed=D, warm_up=0, execution=EXECUTION, window=1)
    loop = Loop("future-state-last", delay=D, settings=settings)
    loop.send(Begin("the red cube"))
    loop.run(2 * D)
    loop.delay = 1
    while len(loop.asked) < 2:
        loop.run(1)
    loop.run(1)
    assert loop.controller.planned == 1, "its answer is there, before its step"
    loop.send(Amend("the other cube"))

    assert 2 not in chunks(loop.run(12))


def test_a_robot_that_waits_for_answers_executes_first_what_it_would_execute_anyway() -> None:
    loop = begun("synchronous")
    loop.send(Amend("the other cube"))
    acts = loop.run(EXECUTION + D)

    assert chunks(acts)[: EXECUTION - 2] == [1] * (EXECUTION - 2)
    assert loop.asked[1].observation.prompt == "the other cube"


def test_the_same_words_change_nothing() -> None:
    plain, amended = begun(execution=None), begun(execution=None)
    amended.send(Amend("the red cube"))

    assert indices(amended.run(30)) == indices(plain.run(30))


def test_if_the_new_words_get_no_answer_they_are_asked_again() -> None:
    loop = begun()
    loop.send(Amend("the other cube"))
    loop.delay = 1_000
    loop.run(1)
    loop.send(Refused(2, "overloaded"))
    loop.run(D + 1)

    assert [each.step for each in loop.asked] == [0, D + 2, 2 * D + 2 + 1]
    assert loop.asked[-1].observation.prompt == "the other cube"


@pytest.mark.parametrize("state", ["held", "steered", "stopped"])
def test_only_what_a_policy_drives_can_be_amended(state: str) -> None:
    loop = Loop()
    happened = {"held": Cancel(), "stopped": EmergencyStop(), "steered": Steer(_nowhere())}
    loop.send(Begin("the red cube"), happened[state])
    with pytest.raises(InvalidTransition) as error:
        loop.send(Amend("the other cube"))

    assert error.value.state == state
    assert loop.controller.prompt == ""


def test_words_that_it_is_not_driven_by_are_not_replaced() -> None:
    loop = begun()
    with pytest.raises(InvalidTransition, match="the red cube"):
        loop.send(Amend("the other cube", instead_of="the blue cube"))
    loop.send(Amend("the other cube", instead_of="the red cube"))

    assert loop.controller.prompt == "the other cube"


def _nowhere() -> Array:
    return Loop().controller.commanded


# ── as a skill ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.anyio
async def test_a_person_amends_what_runs_and_it_says_so() -> None:
    reports: list[str] = []
    driven: list[Driven] = []

    async def play(made: Bench) -> None:
        drive = made.pilot.drive("the red cube", 1e9, lambda share, said: reports.append(said))
        driven.append(await drive)

    with bench() as made:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(play, made)
            while not made.asked.prompts:
                await anyio.lowlevel.checkpoint()
            now = await made.call("amend", instruction="the other cube")
            while not any("amended: the other cube" in said for said in reports):
                await anyio.lowlevel.checkpoint()
            made.world.enough = made.world.steps

    assert now == {"instruction": "the other cube"}
    assert driven[0].instruction == "the other cube"
    assert made.asked.prompts == {"the red cube", "the other cube"}


@pytest.mark.anyio
async def test_there_is_nothing_to_amend_where_nothing_runs() -> None:
    with bench() as made:
        amend = partial(made.call, "amend", instruction="pick up the other cube")
        with pytest.raises(TaskFailed, match="nothing to amend: the robot is held"):
            await amend()
        await made.pilot.stop("smoke")
        with pytest.raises(TaskFailed, match="nothing to amend: the robot is stopped"):
            await amend()
        with pytest.raises(SkillError, match="instruction"):
            await made.call("amend", instruction="")

    with pytest.raises(TaskFailed, match="switched off"):
        await made.pilot.amend("pick up the other cube")
