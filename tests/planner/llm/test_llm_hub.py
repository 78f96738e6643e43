"""A hub whose planner is a model: it plans, a task fails, it is asked again, the work is done."""

from __future__ import annotations

from collections.abc import Sequence
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
from constellation.llm import ModelUnavailable
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


def settings(state: Path, url: str) -> Settings:
    planner = {"kind": "llm", "model": "m", "base_url": url, "api_key": "k"}
    return Settings.model_validate({"state_dir": state, "hub": {"port": 0}, "planner": planner})


def open_door(which: str) -> dict[str, Any]:
    return {"id": which, "skill": "door.open", "arguments": {"door": which}}


async def test_a_model_plans_and_mends_its_plan(tmp_path: Path) -> None:
    change = {"do": "add", "task": open_door("back")}
    script = (
        says({"title": "Let me in", "tasks": [open_door("front")]}),
        says({"changes": [change]}),
    )
    doorman = Doorman()
    with scripted_server(*script) as server:
        mine = settings(tmp_path, server.url)
        async with service.open_hub(mine), open_hub(mine) as hub:
            url, token = find_hub(mine)
            card = DeviceCard(name="porter", skills=(DOOR,))
            async with connect(
                url,
                role="device",
                name="porter",
                card=card,
                credential=token,
                on_messages=doorman.take,
            ) as doorman.link:
                await doorman.link.ready()
                ended = await (await Fabric(hub).submit("let me in")).ended()
    assert ended.constellation.nodes["front"].state is TaskState.FAILED
    assert ended.constellation.nodes["back"].output == "open"
    assert "The front door is stuck." in str(server.asked[1]["messages"])


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
