"""The table of requests: what each becomes, or why it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from planner_shapes import shape

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch
from constellation.planner.offline import OfflinePlanner
from constellation.planner.ports import Plan

pytestmark = pytest.mark.anyio

TABLE = Path(__file__).with_name("requests.txt")


def _table(mark: str) -> Iterator[tuple[str, list[str]]]:
    """The requests that begin with a mark, each with the indented lines below it."""
    request, lines = "", []
    for line in [*TABLE.read_text(encoding="utf-8").splitlines(), f"{mark} "]:
        if line.startswith((">", "?")):
            if request.startswith(f"{mark} "):
                yield request[2:], lines
            request, lines = line, []
        elif line.startswith("  "):
            lines.append(line.strip())


PLANNED = list(_table(">"))
REFUSED = list(_table("?"))


async def _plan(request: str, cards: tuple[DeviceCard, ...]) -> Plan:
    return await OfflinePlanner().plan(request, cards)


def test_the_table_is_large_and_its_requests_differ() -> None:
    requests = [request for request, _ in (*PLANNED, *REFUSED)]
    assert len(PLANNED) >= 60
    assert len(REFUSED) >= 30
    assert len(set(requests)) == len(requests)


@pytest.mark.parametrize(("request_text", "expected"), PLANNED, ids=[each[0] for each in PLANNED])
async def test_planned(
    request_text: str, expected: list[str], cards: tuple[DeviceCard, ...]
) -> None:
    plan = await _plan(request_text, cards)
    assert shape(plan) == expected
    graph = Constellation("c")
    graph.apply(Batch(plan.edits), 0.0)
    assert plan.notes
    assert plan.title


@pytest.mark.parametrize(("request_text", "expected"), REFUSED, ids=[each[0] for each in REFUSED])
async def test_refused(
    request_text: str, expected: list[str], cards: tuple[DeviceCard, ...]
) -> None:
    with pytest.raises(PlanError) as caught:
        await _plan(request_text, cards)
    problems = caught.value.details["problems"]
    assert [f"{problem['clause']}: {problem['reason']}" for problem in problems] == expected
    assert caught.value.message.startswith(f"I cannot place “{problems[0]['clause']}”")


@pytest.mark.parametrize("request_text", [request for request, _ in PLANNED])
async def test_the_order_in_which_devices_connected_does_not_matter(
    request_text: str, cards: tuple[DeviceCard, ...]
) -> None:
    forwards, backwards = await _plan(request_text, cards), await _plan(request_text, cards[::-1])
    assert forwards == backwards
