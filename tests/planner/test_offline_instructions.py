"""Skills that take the words of the task itself: the words of a request reach them as said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planner_cards import computers
from planner_shapes import shape

from agents.robot.agent import assemble
from agents.robot.policies.local import local_policy
from agents.robot.sims.robot import simulated
from agents.robot.skills import robot_skills
from constellation.aip.cards import DeviceCard, SkillCard
from constellation.errors import PlanError
from constellation.planner.offline import OfflinePlanner

pytestmark = pytest.mark.anyio


def robot(name: str = "arm") -> DeviceCard:
    """A robot that declares all that robots can."""
    body = simulated("whack", 0, endless=True)
    body.spec = replace(body.spec, skills=("track", "hit", "pick", "place", "home"))
    skills = robot_skills(assemble(body, local_policy("whack")).pilot)
    return DeviceCard(name=name, kind="robot", skills=tuple(each.card for each in skills))


PAINTER = DeviceCard(
    name="easel",
    skills=(
        SkillCard(
            name="easel.paint",
            description="Paint a picture.",
            examples=("paint a tree",),
            input={
                "type": "object",
                "properties": {"task": {"type": "string", "format": "instruction"}},
                "required": ["task"],
            },
            output={},
            effect="write",
        ),
    ),
)
DEVICES = (robot(), PAINTER, *computers())

PLANNED = {
    "hit the moles for 20 s": 'hit instruction="hit the moles" seconds=20.0',
    "hit the moles": 'hit instruction="hit the moles"',
    "hit 'the small moles' for half a minute": (
        'hit instruction="hit the small moles" seconds=30.0'
    ),
    "tell the robot to hit the moles for 3 s": 'hit instruction="hit the moles" seconds=3.0',
    "track the blue ball slowly": 'track instruction="track the blue ball slowly"',
    "follow the red, round ball with arm for a minute": (
        'track instruction="follow the red, round ball" seconds=60.0'
    ),
    "pick up 2 cubes within 30 s": 'pick instruction="pick up 2 cubes" seconds=30.0',
    "pick up the red cube on the table": 'pick instruction="pick up the red cube on the table"',
    "put the red cube into the bowl": 'place instruction="put the red cube into the bowl"',
    "put the red cube on the table with arm": ('place instruction="put the red cube on the table"'),
    "place the cup next to the plate": 'place instruction="place the cup next to the plate"',
    "change the robot's task to 'pick up the other cube'": (
        'amend instruction="pick up the other cube"'
    ),
}

REFUSED = {
    "track it": "robot.track needs the instruction, in words that stand by themselves.",
    "pick up": "robot.pick needs the instruction, in words that stand by themselves.",
    "hit the moles tomorrow": "robot.hit is the nearest skill, but it says nothing of “tomorrow”.",
    "hit the moles at 5": "robot.hit seems meant, and has no use for 5.",
    "hit the moles every 5 minutes": "robot.hit seems meant, and has no use for 5.",
    "hit no moles": "It says what not to do. Only what is asked for is done, so leave that out.",
    "should I hit the moles?": "It speaks of robot.hit without clearly asking for it.",
    "hit the moles on mars": "No connected device is called, or described as, 'mars'.",
    "pick up the cup on the tablet": "No connected device is called, or described as, 'tablet'.",
    "paint": "easel.paint needs the task, in words that stand by themselves.",
}


@pytest.mark.parametrize(("request_text", "expected"), PLANNED.items(), ids=list(PLANNED))
async def test_the_words_of_a_task_reach_the_robot(request_text: str, expected: str) -> None:
    skill, _, arguments = expected.partition(" ")
    plan = await OfflinePlanner().plan(request_text, DEVICES)

    assert shape(plan) == [f"robot-{skill}-arm = robot.{skill} @arm {arguments}"]


@pytest.mark.parametrize(
    ("said", "skill"),
    [
        ("stop the robot on arm at once", "stop"),
        ("stop the robot at once on arm", "stop"),
        ("release the robot on arm", "release"),
        ("stop the robot arm", "stop"),
        ("stop arm at once", "stop"),
    ],
)
@pytest.mark.parametrize("devices", [DEVICES, (robot("leg"), *DEVICES)])
async def test_a_robot_may_be_named_too(
    said: str, skill: str, devices: tuple[DeviceCard, ...]
) -> None:
    plan = await OfflinePlanner().plan(said, devices)
    assert shape(plan) == [f"robot-{skill}-arm = robot.{skill} @arm"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop the robot at once", "could be"),
        ("stop the robot arm and leg", "several places|fits|could be"),
        ("stop the robot on desk", "several places"),
    ],
)
async def test_of_two_robots_one_must_be_named(said: str, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        await OfflinePlanner().plan(said, (robot("leg"), *DEVICES))


async def test_they_reach_whatever_declares_that_it_takes_them() -> None:
    plan = await OfflinePlanner().plan("paint 3 trees in the rain on easel", DEVICES)

    assert shape(plan) == [
        'easel-paint-easel = easel.paint @easel task="paint 3 trees in the rain"'
    ]


async def test_of_several_tasks_each_gets_its_own() -> None:
    plan = await OfflinePlanner().plan("track the ball, then hit the moles for 5 s", DEVICES)

    assert shape(plan) == [
        'robot-track-arm = robot.track @arm instruction="track the ball"',
        'robot-hit-arm = robot.hit @arm instruction="hit the moles" seconds=5.0',
        "robot-track-arm -> robot-hit-arm",
    ]


PICKED = 'robot-pick-arm = robot.pick @arm instruction="pick up the red cube"'
BOWL = 'robot-place-arm = robot.place @arm instruction="put the red cube into the bowl"'
POINTING = {
    "pick up the red cube and put it into the bowl": [PICKED, BOWL],
    "pick up the red cube, then put it into the bowl": [PICKED, BOWL],
    "pick up the red cube. put it into the bowl": [PICKED, BOWL],
    "have arm pick up the red cube and put it into the bowl": [PICKED, BOWL],
    "pick up the red cube and put the red cube into the bowl": [PICKED, BOWL],
    "pick a red cube up from the table and place it on the plate": [
        'robot-pick-arm = robot.pick @arm instruction="pick a red cube up from the table"',
        'robot-place-arm = robot.place @arm instruction="place the red cube on the plate"',
    ],
    "pick up 2 cubes slowly and put them next to the bowl": [
        'robot-pick-arm = robot.pick @arm instruction="pick up 2 cubes slowly"',
        'robot-place-arm = robot.place @arm instruction="put 2 cubes next to the bowl"',
    ],
}


@pytest.mark.parametrize("request_text", POINTING)
async def test_it_is_the_thing_that_the_task_before_was_about(request_text: str) -> None:
    plan = await OfflinePlanner().plan(request_text, DEVICES)

    assert shape(plan) == [*POINTING[request_text], "robot-pick-arm -> robot-place-arm"]


async def test_what_a_robot_is_told_is_done_in_that_order() -> None:
    said = "pick up the red cube and put it into the bowl and move the robot home"
    plan = await OfflinePlanner().plan(said, DEVICES)

    assert shape(plan) == [
        PICKED,
        BOWL,
        "robot-home-arm = robot.home @arm",
        "robot-pick-arm -> robot-place-arm",
        "robot-place-arm -> robot-home-arm",
    ]


UNCLEAR = (
    "put it into the bowl",
    "check the disk space on desk and put it into the bowl",
    "pick up the red cube and put it on it",
    "pick up the red cube and put them into the bowl",
    "pick up 2 cubes and put it into the bowl",
    "hold the robot and put it into the bowl",
)


@pytest.mark.parametrize("request_text", UNCLEAR)
async def test_what_points_at_nothing_sure_is_refused(request_text: str) -> None:
    with pytest.raises(PlanError):
        await OfflinePlanner().plan(request_text, DEVICES)


async def test_of_two_robots_the_one_that_holds_it_puts_it_down() -> None:
    said = "have arm pick up the red cube and put it into the bowl"
    other = robot().model_copy(update={"name": "crane"})
    plan = await OfflinePlanner().plan(said, (*DEVICES, other))
    assert shape(plan) == [PICKED, BOWL, "robot-pick-arm -> robot-place-arm"]

    handed = "have arm pick up the red cube and have crane put it into the bowl"
    with pytest.raises(PlanError):
        await OfflinePlanner().plan(handed, (*DEVICES, other))


@pytest.mark.parametrize(("request_text", "reason"), REFUSED.items(), ids=list(REFUSED))
async def test_what_is_no_clear_task_is_refused(request_text: str, reason: str) -> None:
    with pytest.raises(PlanError) as caught:
        await OfflinePlanner().plan(request_text, DEVICES)

    assert caught.value.details["problems"][0]["reason"] == reason


@pytest.mark.parametrize("request_text", ["write a poem", "play music", "move the red cube"])
async def test_other_verbs_do_not_move_it(request_text: str) -> None:
    """A skill that takes any words must still be asked for by a word of its own."""
    try:
        plan = await OfflinePlanner().plan(request_text, DEVICES)
    except PlanError:
        return
    assert not [line for line in shape(plan) if "robot." in line], shape(plan)
