"""Streams between tasks with real processes, of which some are killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from bench.processes import Processes

pytestmark = [pytest.mark.anyio, pytest.mark.full, pytest.mark.timeout(600)]

SKILLS = Path(__file__).parents[2] / "bench" / "pipeline_skills.py"
COUNT = 600


def pipeline() -> list[dict[str, Any]]:
    source = {"count": COUNT, "each_s": 0.005}
    stage = {"items": "${a.items}", "each_s": 0.0}
    here, elsewhere = {"device": "left"}, {"avoid": ["left"]}
    tasks = [
        {"id": "a", "skill": "pipeline.source", "arguments": source, "requirement": here},
        {"id": "b", "skill": "pipeline.stage", "arguments": stage, "requirement": elsewhere},
    ]
    return [{"op": "add_task", "task": task} for task in tasks]


async def begun(processes: Processes, constellation: str) -> str:
    """Wait until the reader has begun; the name of its device."""
    with anyio.fail_after(60):
        async with processes.client() as client:
            async for event in await client.watch(constellation, after=0):
                if event["kind"] == "started" and event["body"]["task"] == "b":
                    return str(event["body"]["device"])
    raise AssertionError("it ended before")


@pytest.mark.parametrize("killed", ["hub", "reader", "links"])
async def test_a_pipeline_survives(fabric: Any, killed: str) -> None:
    async with fabric(grace_s=5.0) as processes:
        for name in ("left", "right", "other"):
            await processes.start_agent(name, "--kind", "test", "--skills", str(SKILLS))
        async with processes.client() as client:
            submitted = await client.ask("submit", edits=pipeline(), name="a pipeline")
        id = submitted["constellation"]
        where = await begun(processes, id)
        match killed:
            case "hub":
                await processes.kill_hub()
                await processes.start_hub()
            case "reader":
                await processes.kill_agent(where)
            case "links":
                processes.proxy.cut()
        shown = await processes.ended(id, within_s=120)
    nodes = {node["task"]["id"]: node for node in shown["graph"]["nodes"]}
    assert shown["state"] == "completed", nodes
    assert len(nodes["b"]["output"]) == COUNT
    assert nodes["a"]["attempt"] == 1
    assert nodes["b"]["attempt"] == (2 if killed == "reader" else 1)
