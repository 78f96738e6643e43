"""Jobs that run on several devices at once, with real processes that meet over sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from bench.processes import Processes
from constellation.graph.edits import AddTask
from constellation.graph.plain import edit_to_plain
from constellation.graph.task import RetryPolicy, Task

pytestmark = [pytest.mark.anyio, pytest.mark.full, pytest.mark.timeout(600)]

SKILLS = Path(__file__).parents[2] / "bench" / "gang_skills.py"


def job(size: int, hold: Path) -> dict[str, Any]:
    arguments = {"values": [10**rank for rank in range(size)], "hold": str(hold)}
    retry = RetryPolicy(attempts=3, backoff_s=0.1)
    return edit_to_plain(AddTask(Task("sum", "gang.sum", arguments, gang=size, retry=retry)))


async def members(processes: Processes, constellation: str, attempt: int) -> dict[int, str]:
    """The device of each rank, once all have begun so many attempts."""
    with anyio.fail_after(100):
        async with processes.client() as client:
            # It changes with what happens, and with nothing else.
            async for _ in await client.watch(constellation, after=0):
                shown = await client.ask("show", constellation=constellation)
                nodes = {node["task"]["id"]: node for node in shown["graph"]["nodes"]}
                found = [node for id, node in nodes.items() if id != "sum"]
                if found and all(each.get("attempt") == attempt for each in found):
                    return {each.get("item"): each["device"] for each in found}
    raise AssertionError("nothing was told any more")


@pytest.mark.parametrize("size", [2, 4])
async def test_a_member_is_killed_and_the_whole_begins_anew(
    fabric: Any, tmp_path: Path, size: int
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    async with fabric(grace_s=0.5) as processes:
        for number in range(size + 1):
            await processes.start_agent(
                f"device-{number}", "--kind", "test", "--skills", str(SKILLS)
            )
        async with processes.client() as client:
            submitted = await client.ask("submit", edits=[job(size, hold)], name="a sum")
        id = submitted["constellation"]
        first = await members(processes, id, 1)
        assert len(set(first.values())) == size
        await processes.kill_agent(first[size - 1])
        second = await members(processes, id, 2)
        assert first[size - 1] not in second.values()
        hold.unlink()
        shown = await processes.ended(id, within_s=60)
    assert shown["state"] == "completed"
    (whole,) = [node for node in shown["graph"]["nodes"] if node["task"]["id"] == "sum"]
    assert whole["output"] == [sum(10**rank for rank in range(size))] * size
