"""The specification is enough: a device that knows nothing of our package serves a real hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.full]

DEVICE = Path(__file__).parents[2] / "examples" / "tiny_device.py"


@asynccontextmanager
async def tiny(processes: Any, folder: Path) -> AsyncIterator[None]:
    async with processes.client() as client:
        offer = await client.ask("pair", name="tiny")
        events = await client.watch()
        url = f"ws://127.0.0.1:{processes.proxy.port}/aip"
        async with await anyio.open_process(
            [sys.executable, str(DEVICE), url, offer["code"], "tiny"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": ""},
            stderr=subprocess.STDOUT,
        ) as process:
            with anyio.fail_after(100):
                async for event in events:
                    if event["kind"] == "device":
                        break
            try:
                yield
            finally:
                process.kill()


def task(name: str, skill: str, **arguments: Any) -> dict[str, Any]:
    return {"op": "add_task", "task": {"id": name, "skill": skill, "arguments": arguments}}


async def run(processes: Any, *edits: dict[str, Any]) -> dict[str, Any]:
    async with processes.client() as client:
        submitted = await client.ask("submit", edits=list(edits))
    shown = await processes.ended(submitted["constellation"])
    return {node["task"]["id"]: node for node in shown["graph"]["nodes"]}


async def test_it_serves_tasks_and_refuses_what_it_cannot_do(fabric: Any, tmp_path: Path) -> None:
    async with fabric() as processes, tiny(processes, tmp_path):
        nodes = await run(
            processes,
            task("sum", "tiny.add", a=1, b=2),
            task("say", "tiny.echo", text="${sum.output.sum} grüße"),
            task("bad", "tiny.add", a=1),
        )
    assert nodes["say"]["output"] == {"text": "3 grüße"}
    assert nodes["bad"]["error"]["code"] == "task.failed"


async def test_it_resumes_after_cuts_and_loses_nothing(fabric: Any, tmp_path: Path) -> None:
    async with fabric() as processes, tiny(processes, tmp_path):
        edits = [task("t0", "tiny.add", a=0, b=1)]
        edits += [
            task(f"t{n}", "tiny.add", a=f"${{t{n - 1}.output.sum}}", b=1) for n in range(1, 30)
        ]
        async with processes.client() as client:
            submitted = await client.ask("submit", edits=edits)
            events = await client.watch(submitted["constellation"], after=0)
            cuts = 0
            async for event in events:
                if event["kind"] == "ended":
                    break
                if event["kind"] == "finished" and processes.proxy.accepted > cuts:
                    cuts = processes.proxy.accepted
                    processes.proxy.cut_after(2_000)
        shown = await processes.ended(submitted["constellation"])
        assert processes.proxy.accepted > 3
    nodes = {node["task"]["id"]: node for node in shown["graph"]["nodes"]}
    assert nodes["t29"]["output"] == {"sum": 30}
    assert {node["attempt"] for node in nodes.values()} == {1}


async def test_it_hands_results_in_to_a_hub_that_was_killed(fabric: Any, tmp_path: Path) -> None:
    async with fabric() as processes, tiny(processes, tmp_path):
        await processes.kill_hub()
        await processes.start_hub()
        nodes = await run(processes, task("sum", "tiny.add", a=2, b=2))
    assert nodes["sum"]["output"] == {"sum": 4}


async def test_it_stops_what_is_canceled_and_goes_on(fabric: Any, tmp_path: Path) -> None:
    """Its capacity is two: while nothing was stopped, nothing else could run."""
    async with fabric() as processes, tiny(processes, tmp_path):
        edits = [task(f"long{n}", "tiny.add", a=0, b=n, after_s=600) for n in range(2)]
        async with processes.client() as client:
            submitted = await client.ask("submit", edits=edits)
            events = await client.watch(submitted["constellation"], after=0)
            started = 0
            async for event in events:
                started += event["kind"] == "started"
                if started == 2:
                    break
            # The link is cut meanwhile: what runs goes on, and the cancel arrives all the same.
            processes.proxy.cut()
            await client.ask("cancel", constellation=submitted["constellation"])
        shown = await processes.ended(submitted["constellation"])
        nodes = await run(processes, task("sum", "tiny.add", a=2, b=2))
    assert {node["state"] for node in shown["graph"]["nodes"]} == {"canceled"}
    assert nodes["sum"]["output"] == {"sum": 4}


async def test_it_answers_pings(fabric: Any, tmp_path: Path) -> None:
    async with fabric() as processes, tiny(processes, tmp_path):
        # The hub pings before it gives work, so that the answer comes before the result.
        await run(processes, task("sum", "tiny.add", a=2, b=2))
        async with processes.client() as client:
            devices = (await client.ask("devices", names=["tiny"]))["devices"]
    assert devices[0]["rtt_s"] > 0
