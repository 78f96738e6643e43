"""Answers of a planner that come while others change the same constellation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link
from constellation.aip.client import connect as connect_device
from constellation.aip.messages import Message
from constellation.client import find_hub, open_hub
from constellation.config import load_settings
from constellation.fabric import Fabric, Work
from constellation.graph.constellation import Constellation
from constellation.graph.edits import UpdateTask
from constellation.graph.task import TaskState
from constellation.orchestrator import service
from constellation.testing.chat_server import (
    Hangs,
    Reply,
    ScriptedServer,
    says,
    scripted_server,
    waits,
)

pytestmark = pytest.mark.anyio

OPEN = SkillCard(name="door.open", effect="read", description="Open a door.")
CARD = DeviceCard(name="porter", skills=(OPEN,), capacity=8)


class Doorman:
    """A device that opens every door but those that are stuck."""

    link: Link

    def take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.type == "assign":
                door = message.body["arguments"]["door"]
                done: dict[str, Any] = {"state": "completed", "output": door}
                if door.startswith("stuck"):
                    error = {"code": "task.failed", "message": f"The {door} door is stuck."}
                    done = {"state": "failed", "error": error}
                self.link.send("result", {"attempt": message.body["attempt"], **done})
        self.link.acknowledge(messages[-1].seq)


@asynccontextmanager
async def house(state: Path, url: str, **planner: Any) -> AsyncIterator[Fabric]:
    """A hub that plans with a model, and a device with doors."""
    chosen = {"kind": "llm", "model": "m", "base_url": url, "api_key": "k", **planner}
    mine = load_settings({"state_dir": state, "hub": {"port": 0}, "planner": chosen})
    doorman = Doorman()
    async with service.open_hub(mine), open_hub(mine) as hub:
        address, token = find_hub(mine)
        async with connect_device(
            address,
            role="device",
            name=CARD.name,
            card=CARD,
            credential=token,
            on_messages=doorman.take,
        ) as doorman.link:
            await doorman.link.ready()
            yield Fabric(hub)


def step(identifier: str, door: str, *after: str) -> dict[str, Any]:
    """A task that opens a door once others are through, whatever became of them."""
    waits_for = [{"task": task, "on": "completion"} for task in after]
    return {
        "id": identifier,
        "skill": OPEN.name,
        "arguments": {"door": door},
        "after": waits_for,
    }


def plan(*steps: dict[str, Any]) -> Reply:
    return says({"title": "Through the house", "tasks": steps})


def change(identifier: str, door: str) -> Reply:
    return says({"changes": [{"do": "change", "id": identifier, "arguments": {"door": door}}]})


def add(identifier: str, door: str) -> Reply:
    return says({"changes": [{"do": "add", "task": step(identifier, door)}]})


def told(server: ScriptedServer, index: int) -> str:
    """What the model was told in a request."""
    return str(server.asked[index]["messages"])


async def until_asked(server: ScriptedServer, count: int, work: Work) -> None:
    """Wait until the model has been asked so often; every fact of the work is a chance to look."""
    async for event in work.events():
        if event.kind == "finished":
            break
    while len(server.asked) < count:
        await work.show()


async def test_a_late_answer_does_not_undo_what_a_person_did(tmp_path: Path) -> None:
    go = Event()
    script = (
        plan(step("front", "stuck"), step("hall", "hall", "front")),
        waits(go, change("hall", "cellar")),
        says({"changes": []}),
    )
    with scripted_server(*script) as server:
        async with house(tmp_path, server.url) as fabric:
            work = await fabric.submit("open the stuck door, then the hall")
            await until_asked(server, 2, work)
            await work.edit(UpdateTask("hall", {"arguments": {"door": "kitchen"}}))
            go.set()
            ended = await work.ended()
    assert ended.constellation.nodes["hall"].output == "kitchen"
    assert len(server.asked) == 3
    assert "kitchen" not in told(server, 1)
    assert "kitchen" in told(server, 2)


async def test_an_answer_that_nobody_crossed_counts(tmp_path: Path) -> None:
    go = Event()
    script = (
        plan(step("front", "stuck"), step("hall", "hall", "front"), step("loft", "loft", "hall")),
        waits(go, change("hall", "cellar")),
    )
    with scripted_server(*script) as server:
        async with house(tmp_path, server.url) as fabric:
            work = await fabric.submit("open the stuck door, then hall and loft")
            await until_asked(server, 2, work)
            await work.edit(UpdateTask("loft", {"arguments": {"door": "attic"}}))
            go.set()
            ended = await work.ended()
    assert {name: node.output for name, node in ended.constellation.nodes.items()} == {
        "front": None,
        "hall": "cellar",
        "loft": "attic",
    }
    assert len(server.asked) == 2


async def test_two_answers_at_once_that_exclude_each_other(tmp_path: Path) -> None:
    both = Event()

    def second(handler: Any) -> None:
        both.set()
        add("back", "garden")(handler)

    script = (
        plan(step("left", "stuck left"), step("right", "stuck right")),
        waits(both, add("back", "terrace")),
        second,
        says({"changes": []}),
    )
    with scripted_server(*script) as server:
        async with house(tmp_path, server.url) as fabric:
            ended = await (await fabric.submit("open the stuck left and stuck right doors")).ended()
    # Both were thought of before either was done; who came second was asked again, and knew.
    assert len(server.asked) == 4
    assert [told(server, index).count('"id":"back"') for index in (1, 2, 3)] == [0, 0, 1]
    assert states(ended.constellation)["back"] is TaskState.COMPLETED


async def test_an_answer_to_what_no_longer_waits_is_dropped(tmp_path: Path) -> None:
    go = Event()
    script = (
        plan(step("front", "stuck"), step("hall", "hall", "front")),
        waits(go, add("back", "garden")),
    )
    with scripted_server(*script) as server:
        async with house(tmp_path, server.url) as fabric:
            work = await fabric.submit("open the stuck door, then the hall")
            await until_asked(server, 2, work)
            await work.cancel("hall")
            await work.cancel()
            go.set()
            ended = await work.ended()
    assert set(states(ended.constellation)) == {"front", "hall"}


async def test_a_model_that_takes_too_long_holds_nobody_up(tmp_path: Path) -> None:
    hangs = Hangs()
    script = (plan(step("front", "stuck"), step("hall", "hall", "front")), hangs)
    with scripted_server(*script) as server:
        async with house(tmp_path, server.url, revise_within_s=1.5) as fabric:
            work = await fabric.submit("open the stuck door, then the hall")
            notices = [each async for each in work.events() if each.kind == "revision"]
            ended = await work.ended()
        assert hangs.left.wait(60), "the model's server still writes"
    assert ended.constellation.nodes["hall"].output == "hall"
    assert [each.body["message"] for each in notices] == [
        "The planner did not answer the end of front in time."
    ]


def states(graph: Constellation) -> dict[str, TaskState]:
    return {name: node.state for name, node in graph.nodes.items()}
