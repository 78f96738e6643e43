"""An emergency stop on a real hub: whoever ends it is known by name, wherever it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from bench.processes import Processes
from constellation.aip.client import connect
from constellation.aip.link import Link

pytestmark = [pytest.mark.anyio, pytest.mark.full, pytest.mark.timeout(600)]


@asynccontextmanager
async def client_called(name: str, url: str, **proof: Any) -> AsyncIterator[Link]:
    async with connect(url, role="client", name=name, **proof) as link:
        with anyio.fail_after(100):
            await link.ready()
        yield link


async def done(processes: Processes, skill: str, **arguments: Any) -> dict[str, Any]:
    task = {"id": "a", "skill": skill, "arguments": arguments}
    async with processes.client() as client:
        edits = [{"op": "add_task", "task": task}]
        submitted = await client.ask("submit", edits=edits)
    return await processes.ended(submitted["constellation"])


async def test_who_released_a_robot_is_in_the_journal_and_known_to_the_robot(fabric: Any) -> None:
    async with fabric() as processes:
        await processes.start_agent("arm", "--sim", "whack", command="robot")
        stopped = await done(processes, "robot.stop", reason="smoke")
        assert stopped["state"] == "completed"

        async with processes.client() as client:
            code = (await client.ask("pair", name="ann", role="client"))["code"]
            edits = [{"op": "add_task", "task": {"id": "a", "skill": "robot.release"}}]
            name = (await client.ask("submit", edits=edits))["constellation"]
            events = await client.watch(name, after=0)
            async for event in events:
                if event["kind"] == "asked":
                    break
        url, tokens = f"ws://127.0.0.1:{processes.port}/aip", list[str]()
        async with client_called("ann", url, pair_code=code, on_credential=tokens.append):
            pass
        # What a session calls itself is told, but it can be anything.
        async with client_called("bob", url, credential=tokens[0]) as ann:
            await ann.request("answer", {"constellation": name, "task": "a", "answer": True})
        shown = await processes.ended(name)
        async with processes.client() as client:
            facts = (await client.ask("logs", constellation=name))["facts"]

        assert shown["state"] == "completed"
        bodies = {fact["kind"]: fact["body"] for fact in facts}
        assert bodies["answered"]["by"] == "ann (bob)"
        assert bodies["finished"]["output"]["released_by"] == "ann (bob)"
        assert bodies["finished"]["output"]["stopped"] == "smoke"
