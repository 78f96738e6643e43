"""Devices whose names resemble each other: the one that was named is meant, or the planner asks."""

from __future__ import annotations

import pytest
from planner_cards import COMPUTER

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.edits import AddTask
from constellation.planner.offline import OfflinePlanner

pytestmark = pytest.mark.anyio

CARDS = tuple(
    DeviceCard(name=name, platform="linux", labels=labels, skills=COMPUTER)
    for name, labels in (
        ("pi", {}),
        ("pi-2", {}),
        ("pi2", {}),
        ("pi-kitchen", {"role": "pi"}),
        ("Desk", {}),
        ("desktop", {"role": "desk"}),
        ("server", {}),
        ("server-old", {"role": "server"}),
    )
)


@pytest.mark.parametrize(
    ("words", "devices"),
    [
        ("on pi", ["pi"]),
        ("on PI", ["pi"]),
        ("on pi-2", ["pi-2"]),
        ("on pi2", ["pi2"]),
        ("on pi, pi2 and pi-2", ["pi", "pi2", "pi-2"]),
        ("on desk", ["Desk"]),
        ("on the desk", ["Desk"]),
        ("on the server", ["server"]),
        ("on server-old", ["server-old"]),
    ],
)
async def test_the_named_one_is_meant(words: str, devices: list[str]) -> None:
    plan = await OfflinePlanner().plan(f"delete a.txt {words}", CARDS)
    tasks = [edit.task for edit in plan.edits if isinstance(edit, AddTask)]
    assert [task.requirement.device for task in tasks] == devices


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("on the old server", "It could mean server or server-old."),
        ("on server old", "It could mean server or server-old."),
        ("on the kitchen pi", "It could mean pi or pi-kitchen."),
        ("on server-new", "No connected device is called, or described as, 'server-new'."),
        ("on pis", "No connected device is called, or described as, 'pis'."),
        ("on sérver", "No connected device is called, or described as, 'sérver'."),
    ],
)
async def test_a_name_that_is_close_is_asked_about(words: str, reason: str) -> None:
    with pytest.raises(PlanError) as caught:
        await OfflinePlanner().plan(f"delete a.txt {words}", CARDS)
    assert caught.value.details["problems"][0]["reason"] == reason
    assert caught.value.remedy


@pytest.mark.parametrize("words", ["on pi 2", "on the green server", "on pi.2", "on all pis"])
async def test_what_is_not_quite_a_name_is_never_taken_for_one(words: str) -> None:
    with pytest.raises(PlanError):
        await OfflinePlanner().plan(f"delete a.txt {words}", CARDS)
