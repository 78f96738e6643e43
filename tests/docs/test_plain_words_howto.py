"""The requests of docs/howto/plain-words.md are planned, or refused, as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agents.computer import skills
from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch
from constellation.planner.offline import OfflinePlanner

pytestmark = pytest.mark.anyio

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "plain-words.md"
TEXT = HOWTO.read_text(encoding="utf-8")
COMPUTER = tuple(skill.card for skill in skills())
CARDS = tuple(
    DeviceCard(name=name, platform=platform, labels={"role": role}, skills=COMPUTER)
    for name, platform, role in (
        ("desk", "linux", "office"),
        ("server", "linux", "db"),
        ("laptop", "darwin", "travel"),
    )
)


def _requests(language: str) -> list[str]:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("words", _requests("request"))
async def test_planned(words: str) -> None:
    plan = await OfflinePlanner().plan(words, CARDS)
    Constellation("c").apply(Batch(plan.edits), 0.0)


@pytest.mark.parametrize("words", _requests("refused"))
async def test_refused(words: str) -> None:
    with pytest.raises(PlanError):
        await OfflinePlanner().plan(words, CARDS)


async def test_the_refusal_shown_is_the_refusal_given() -> None:
    with pytest.raises(PlanError) as caught:
        await OfflinePlanner().plan("write 'x' to a.txt", CARDS)
    assert caught.value.message in TEXT
