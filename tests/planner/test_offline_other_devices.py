"""Devices that the planner has never heard of: their cards alone make them plannable."""

from __future__ import annotations

from typing import Any

import pytest
from planner_cards import computers
from planner_shapes import shape

from constellation.aip.cards import DeviceCard, Effect, SkillCard
from constellation.errors import PlanError
from constellation.planner.offline import OfflinePlanner

pytestmark = pytest.mark.anyio


def _skill(
    name: str,
    description: str,
    example: str,
    effect: Effect = "write",
    gives: dict[str, Any] | None = None,
    **needs: dict[str, Any],
) -> SkillCard:
    return SkillCard(
        name=name,
        description=description,
        examples=(example,),
        input={"type": "object", "properties": needs, "required": list(needs)},
        output={"type": "object", "properties": gives or {}},
        effect=effect,
    )


TEXT = {"type": "string"}
NUMBER = {"type": "number"}
ARM = DeviceCard(
    name="arm1",
    kind="robot",
    skills=(
        _skill("arm.pick", "Pick up an object.", "pick up the red cube", object=TEXT),
        _skill("arm.place", "Put down what is held.", "place it in the box", target=TEXT),
        _skill("arm.home", "Move to the home position.", "go home"),
    ),
)
KITCHEN = DeviceCard(
    name="kitchen",
    kind="voice",
    skills=(
        _skill("voice.say", "Say a text aloud.", "say 'dinner is ready'", text=TEXT),
        _skill(
            "voice.ask",
            "Ask a person, and return the answer.",
            "ask 'are you home?'",
            "read",
            {"text": TEXT},
            question=TEXT,
        ),
        _skill(
            "voice.volume", "Set the volume.", "set the volume to 30", level={"type": "integer"}
        ),
    ),
)
LAMP = DeviceCard(
    name="lamp",
    kind="lamp",
    skills=(
        _skill("lamp.set", "Turn the lamp on or off.", "turn the lamp on", on={"type": "boolean"}),
        _skill("lamp.state", "Tell whether the lamp is on.", "is the lamp on", "read"),
        _skill(
            "lamp.colour",
            "Give the light a colour.",
            "make the light red",
            colour={"enum": ["red", "green", "warm"]},
        ),
    ),
)
ROOM = DeviceCard(
    name="room",
    kind="room",
    skills=(
        _skill("room.temperature", "Tell how warm it is.", "how warm is the room", "read"),
        _skill(
            "room.heat", "Heat the room.", "heat the room to 21 degrees", celsius={"type": "number"}
        ),
        _skill(
            "room.air",
            "Air the room for a while.",
            "air the room for 5 minutes",
            seconds={"type": "number"},
        ),
    ),
)
DEVICES = (ARM, KITCHEN, LAMP, ROOM)

PLANNED = {
    "pick up the green cup": ['arm-pick-arm1 = arm.pick @arm1 object="the green cup"'],
    "pick up the blue cup with arm1 and then place it on the table": [
        'arm-pick-arm1 = arm.pick @arm1 object="the blue cup"',
        'arm-place-arm1 = arm.place @arm1 target="the table"',
        "arm-pick-arm1 -> arm-place-arm1",
    ],
    "all robots: go home": ["arm-home-arm1 = arm.home @arm1"],
    "say 'dinner is ready' in the kitchen": [
        'voice-say-kitchen = voice.say @kitchen text="dinner is ready"'
    ],
    "say good morning": ['voice-say-kitchen = voice.say @kitchen text="good morning"'],
    "set the volume to 40": ["voice-volume-kitchen = voice.volume @kitchen level=40"],
    "ask 'are you hungry?' and if the answer contains 'yes', go home": [
        'voice-ask-kitchen = voice.ask @kitchen question="are you hungry?"',
        "arm-home-arm1 = arm.home @arm1",
        "voice-ask-kitchen -['yes' in output.text]-> arm-home-arm1",
    ],
    "turn on the lamp": ["lamp-set-lamp = lamp.set @lamp on=true"],
    "switch the lamp off": ["lamp-set-lamp = lamp.set @lamp on=false"],
    "is the lamp on?": ["lamp-state-lamp = lamp.state @lamp"],
    "make the light green": ['lamp-colour-lamp = lamp.colour @lamp colour="green"'],
    "heat the room to 19.5 degrees, then tell how warm it is": [
        "room-heat-room = room.heat @room celsius=19.5",
        "room-temperature-room = room.temperature @room",
        "room-heat-room -> room-temperature-room",
    ],
    "say 'fresh air', and air the room for 30 seconds": [
        'voice-say-kitchen = voice.say @kitchen text="fresh air"',
        "room-air-room = room.air @room seconds=30.0",
    ],
    "air the room for 2 minutes": ["room-air-room = room.air @room seconds=120.0"],
}

REFUSED = {
    "heat the room": "room.heat needs a number for celsius.",
    "say": "voice.say needs the text, in quotes.",
    "make the light": "lamp.colour needs the colour.",
    "throw the cup": "None of the connected devices' skills fits it.",
    "is the light red?": "lamp.colour is the nearest skill, but that is too unsure to act on.",
}


@pytest.mark.parametrize(("request_text", "expected"), PLANNED.items(), ids=list(PLANNED))
async def test_planned(request_text: str, expected: list[str]) -> None:
    assert shape(await OfflinePlanner().plan(request_text, DEVICES)) == expected


@pytest.mark.parametrize(("request_text", "reason"), REFUSED.items(), ids=list(REFUSED))
async def test_refused(request_text: str, reason: str) -> None:
    with pytest.raises(PlanError) as caught:
        await OfflinePlanner().plan(request_text, DEVICES)
    assert caught.value.details["problems"][0]["reason"] == reason


async def test_without_devices_the_reason_says_so() -> None:
    with pytest.raises(PlanError, match="No connected device has any skill"):
        await OfflinePlanner().plan("check the disk", ())


@pytest.mark.parametrize(
    ("request_", "device"),
    [
        ("list the files on the laptop", "laptop"),
        ("list the files on every laptop", "laptop"),
        ("show the memory of my phone", "phone"),
        ("run 'ls' on the laptop", "laptop"),
        ("copy a.txt from desk to the laptop", "laptop"),
        ("copy a.txt from the laptop to desk", "laptop"),
        ("list the files on desk and laptop", "laptop"),
        ("list the files on desk, server and the tablets", "tablets"),
        ("list the files on desk and mars", "mars"),
    ],
)
async def test_a_device_that_is_not_there_is_named(request_: str, device: str) -> None:
    """Whatever words the skills use: `notify.send` speaks of laptops in its examples."""
    cards = [card for card in computers() if card.name != "laptop"]
    with pytest.raises(PlanError, match=f"No connected device is called.*'{device}'"):
        await OfflinePlanner().plan(request_, cards)


async def test_what_else_stands_behind_a_device_is_none() -> None:
    cards = [card for card in computers() if card.name != "laptop"]
    plan = await OfflinePlanner().plan("show the memory on desk and the disks", cards)
    assert len(plan.edits) == 2
    plan = await OfflinePlanner().plan("notify me on desk that the laptop is old", cards)
    assert len(plan.edits) == 1
