"""A hub whose planner is a model: it plans, a task fails, it is asked again, the work is done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link, connect
from constellation.aip.messages import Message
from constellation.client import find_hub, open_hub
from constellation.config import Settings, load_settings
from constellation.errors import ConfigError
from constellation.fabric import Fabric
from constellation.graph.task import TaskState
from constellation.llm import ModelUnavailable, OverBudget
from constellation.orchestrator import service
from constellation.planner.choice import make_planner
from constellation.testing.chat_server import fails, says, scripted_server

pytestmark = pytest.mark.anyio

DOOR = SkillCard(name="door.open", effect="write", description="Open a door.")


class Doorman:
    """A device that opens every door but the front door."""

    link: Link

    def take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.type == "assign":
                done: dict[str, Any] = {"state": "completed", "output": "open"}
                if message.body["arguments"]["door"] == "front":
                    error = {"code": "task.failed", "message": "The front door is stuck."}
                    done = {"state": "failed", "error": error}
                self.link.send("result", {"attempt": message.body["attempt"], **done})
        self.link.acknowledge(messages[-1].seq)


def settings(state: Path, url: str, **more: Any) -> Settings:
    planner = {"kind": "llm", "model": "m", "base_url": url, "api_key": "k", **more}
    return Settings.model_validate({"state_dir": state, "hub": {"port": 0}, "planner": planner})


def open_door(which: str) -> dict[str, Any]:
    return {"id": which, "skill": "door.open", "arguments": {"door": which}}


# An answer of the script has one token of prompt and 99 of its own.
PRICES = {"price_in": 1.0, "price_out": 10.0}


@asynccontextmanager
async def house(mine: Settings) -> AsyncIterator[Fabric]:
    """A hub, and a device with doors."""
    doorman = Doorman()
    async with service.open_hub(mine), open_hub(mine) as hub:
        url, token = find_hub(mine)
        async with connect(
            url,
            role="device",
            name="porter",
            card=DeviceCard(name="porter", skills=(DOOR,)),
            credential=token,
            on_messages=doorman.take,
        ) as doorman.link:
            await doorman.link.ready()
            yield Fabric(hub)


async def test_a_model_plans_and_mends_its_plan(tmp_path: Path) -> None:
    change = {"do": "add", "task": open_door("back")}
    script = (
        says({"title": "Let me in", "tasks": [open_door("front")]}),
        says({"changes": [change]}),
    )
    with scripted_server(*script) as server:
        async with house(settings(tmp_path, server.url, **PRICES)) as fabric:
            ended = await (await fabric.submit("let me in")).ended()
            shown = await fabric.hub.show(ended.constellation.id)
    assert (shown["tokens"], shown["cost"]) == (200, pytest.approx(2 * 0.000991))
    assert ended.constellation.nodes["front"].state is TaskState.FAILED
    assert ended.constellation.nodes["back"].output == "open"
    assert "The front door is stuck." in str(server.asked[1]["messages"])


async def test_planning_and_revising_share_a_budget(tmp_path: Path) -> None:
    script = [says({"title": "Let me in", "tasks": [open_door("front")]}, tokens=60_001)]
    with scripted_server(*script) as server:
        # A revision would fit into a budget of its own.
        mine = settings(tmp_path, server.url, **PRICES, max_tokens=60_500)
        async with house(mine) as fabric:
            events = await fabric.hub.watch(after=0)
            await fabric.submit("let me in")
            told = await anext(each["body"] async for each in events if each["kind"] == "revision")
            await events.aclose()
        assert told["code"] == "plan.budget"
        assert "499 tokens are left" in told["message"]
    assert len(server.asked) == 1


async def test_a_constellation_is_planned_for_no_more_than_it_may_cost(tmp_path: Path) -> None:
    with scripted_server() as server:
        async with house(settings(tmp_path, server.url, **PRICES)) as fabric:
            with pytest.raises(OverBudget, match="left of it"):
                await fabric.submit("let me in", max_cost=0.0001)
            assert await fabric.constellations(ended=True) == []
    assert server.asked == []


async def test_a_plan_alone_tells_what_it_took(tmp_path: Path) -> None:
    with scripted_server(says({"title": "Let me in", "tasks": [open_door("back")]})) as server:
        async with house(settings(tmp_path, server.url, **PRICES)) as fabric:
            answer = await fabric.hub.ask("plan", request="let me in")
    assert (answer["tokens"], answer["cost"]) == (100, pytest.approx(0.000991))


async def test_a_model_that_does_not_answer_harms_nobody(tmp_path: Path) -> None:
    with scripted_server(*[fails(401, "bad key")] * 2) as server:
        mine = settings(tmp_path, server.url)
        async with service.open_hub(mine), open_hub(mine) as hub:
            with pytest.raises(ModelUnavailable, match="bad key"):
                await Fabric(hub).submit("let me in")
            assert (await hub.ask("status"))["constellations"] == 0


def test_a_model_must_be_named() -> None:
    chosen = load_settings({"planner": {"kind": "llm"}}).planner
    with pytest.raises(ConfigError, match="No model"):
        make_planner(chosen)
