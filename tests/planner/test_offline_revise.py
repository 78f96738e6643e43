"""Revision: work that failed moves to a device that was not there when it was planned."""

from __future__ import annotations

from typing import Any

import pytest

from constellation.aip.cards import DeviceCard
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch
from constellation.graph.export import to_json
from constellation.graph.task import Outcome, TaskState
from constellation.planner.offline import OfflinePlanner

pytestmark = pytest.mark.anyio

Cards = tuple[DeviceCard, ...]

REQUEST = (
    "fetch http://a.b/c on desk, and if that fails use another device, then write the result to "
    "c.txt on desk"
)
FAILED = Outcome(TaskState.FAILED, None, {"code": "task.failed", "message": "No route."})


async def _failed(cards: Cards, request: str = REQUEST) -> Constellation:
    """The constellation of a request after its first task failed, dependents held back."""
    graph = Constellation("c")
    plan = await OfflinePlanner().plan(request, cards)
    graph.apply(Batch(plan.edits), 0.0)
    (first,) = graph.take_changes().ready
    graph.start(first, "desk", 0.0)
    graph.finish(first, FAILED, 0.0, settle=False)
    return graph


def _snapshot(graph: Constellation, request: str = REQUEST) -> dict[str, Any]:
    return {**to_json(graph), "request": request}


async def test_a_device_that_came_later_takes_over(cards: Cards) -> None:
    graph = await _failed(cards[:1])
    event = {"task": "http-get-desk", "state": "failed"}
    edits = await OfflinePlanner().revise(_snapshot(graph), event, cards)
    graph.apply(Batch(edits), 1.0)
    graph.settle("http-get-desk", 1.0)
    (stand_in,) = graph.take_changes().ready
    assert graph.node(stand_in).task.requirement.avoid == ("desk",)
    graph.start(stand_in, "server", 1.0)
    graph.finish(stand_in, Outcome(TaskState.COMPLETED, {"body": "found"}), 2.0)
    assert graph.take_changes().ready == ["files-write-desk"]
    assert graph.arguments("files-write-desk") == {"path": "c.txt", "content": "found"}


async def test_a_stand_in_that_was_planned_needs_no_revision(cards: Cards) -> None:
    graph = await _failed(cards)
    event = {"task": "http-get-desk", "state": "failed"}
    assert await OfflinePlanner().revise(_snapshot(graph), event, cards) == ()


@pytest.mark.parametrize("state", ["completed", "canceled"])
async def test_only_failures_are_revised(state: str, cards: Cards) -> None:
    graph = await _failed(cards[:1])
    event = {"task": "http-get-desk", "state": state}
    assert await OfflinePlanner().revise(_snapshot(graph), event, cards) == ()


async def test_nothing_is_revised_that_was_not_asked_for(cards: Cards) -> None:
    request = "fetch http://a.b/c on desk, then write the result to c.txt on desk"
    graph = await _failed(cards[:1], request)
    event = {"task": "http-get-desk", "state": "failed"}
    assert await OfflinePlanner().revise(_snapshot(graph, request), event, cards) == ()


async def test_without_another_device_or_the_request_nothing_is_proposed(cards: Cards) -> None:
    graph = await _failed(cards[:1])
    event = {"task": "http-get-desk", "state": "failed"}
    assert await OfflinePlanner().revise(_snapshot(graph), event, cards[:1]) == ()
    assert await OfflinePlanner().revise(to_json(graph), event, cards) == ()
    assert await OfflinePlanner().revise(_snapshot(graph), event, ()) == ()


def test_nobody_is_asked_unless_told_to() -> None:
    assert OfflinePlanner().revise_on == frozenset()
    assert OfflinePlanner(revise_on=frozenset({"failed"})).revise_on == {"failed"}
