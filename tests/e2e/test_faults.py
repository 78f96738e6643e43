"""What the fabric survives: killed hubs, killed devices, cut links; with real processes.

The ledger holds a line for each time a task really ran, so what ran twice cannot hide.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import psutil
import pytest

from bench.processes import layered, ledger_counts

pytestmark = [pytest.mark.anyio, pytest.mark.full, pytest.mark.timeout(600)]


def names(edits: list[Any]) -> set[str]:
    return {edit["task"]["id"] for edit in edits if edit["op"] == "add_task"}


def check(shown: dict[str, Any], expected: set[str]) -> None:
    """No task lost, no result lost, none applied to another task."""
    assert shown["state"] == "completed"
    nodes = {node["task"]["id"]: node for node in shown["graph"]["nodes"]}
    assert set(nodes) == expected
    for name, node in nodes.items():
        assert node["state"] == "completed"
        assert node["output"] == {"name": name}


async def begun(events: AsyncIterator[Any], count: int) -> None:
    """Wait until a device has said that so many tasks have begun, from before it could."""
    accepted: set[str] = set()
    with anyio.fail_after(100):
        async for event in events:
            if event["kind"] == "accept":
                accepted.add(event["body"]["attempt"])
                if len(accepted) == count:
                    return


@pytest.mark.parametrize(("sync", "kills"), [("normal", 25), ("full", 5)])
async def test_a_hub_killed_at_any_moment_loses_and_repeats_nothing(
    fabric: Any, tmp_path: Path, sync: str, kills: int
) -> None:
    ledger = tmp_path / "ledger"
    edits = layered(ledger, "ledger.once", 40, 6, 0.02) + layered(ledger, "ledger.any", 40, 6, 0.02)
    moments = random.Random(20261123)
    async with fabric(sync=sync) as processes:
        await processes.start_agent("one")
        await processes.start_agent("two")
        async with processes.client() as client:
            submitted = await client.ask("submit", edits=edits, id="c-kill", name="kill the hub")
        seen = 0
        for _ in range(kills):
            seen = await processes.after_events("c-kill", moments.randrange(1, 30), after=seen)
            await processes.kill_hub()
            await processes.start_hub()
        shown = await processes.ended(submitted["constellation"], within_s=120)
    check(shown, names(edits))
    counts = ledger_counts(ledger)
    assert set(counts) == names(edits)
    assert {name: n for name, n in counts.items() if n > 1 and name.startswith("once")} == {}


async def test_links_cut_again_and_again_lose_and_repeat_nothing(
    fabric: Any, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    edits = layered(ledger, "ledger.once", 30, 6, 0.02)
    sizes = random.Random(7)
    async with fabric() as processes:
        await processes.start_agent("one")
        await processes.start_agent("two")
        async with processes.client() as client:
            submitted = await client.ask("submit", edits=edits)
            cuts = 0
            events = await client.watch(submitted["constellation"], after=0)
            async for event in events:
                if event["kind"] == "ended":
                    break
                if processes.proxy.accepted > cuts:
                    cuts = processes.proxy.accepted
                    processes.proxy.cut_after(sizes.randrange(200, 4_000))
        shown = await processes.ended(submitted["constellation"])
        assert processes.proxy.accepted > 4
    check(shown, names(edits))
    assert set(ledger_counts(ledger).values()) == {1}


async def test_a_killed_device_is_replaced_by_another(fabric: Any, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    edits = layered(ledger, "ledger.any", 10, 6, 0.1)
    async with fabric(grace_s=1.0) as processes:
        await processes.start_agent("one")
        await processes.start_agent("two")
        async with processes.client() as client:
            submitted = await client.ask("submit", edits=edits)
            events = await client.watch(submitted["constellation"], after=0)
            async for event in events:
                if event["kind"] == "finished":
                    break
        await processes.kill_agent("one")
        shown = await processes.ended(submitted["constellation"])
    check(shown, names(edits))
    assert {node["device"] for node in shown["graph"]["nodes"][-6:]} == {"two"}


async def test_what_a_killed_device_had_begun_is_not_begun_again_silently(
    fabric: Any, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    edits = layered(ledger, "ledger.once", 1, 3, 30.0)
    async with fabric() as processes:
        await processes.start_agent("one")
        async with processes.client() as client:
            events = await client.watch()
            submitted = await client.ask("submit", edits=edits)
            await begun(events, 3)
        with anyio.fail_after(100):
            # They have begun, so the lines are all but written.
            while not ledger.exists() or len(ledger.read_text().split()) < 3:
                await anyio.lowlevel.checkpoint()
        await processes.kill_agent("one")
        await processes.start_agent("one")
        shown = await processes.ended(submitted["constellation"])
    assert shown["state"] == "failed"
    for node in shown["graph"]["nodes"]:
        assert node["error"]["code"] == "task.failed.interrupted"
    assert set(ledger_counts(ledger).values()) == {1}


async def test_a_device_that_restarts_under_load_loses_no_result(
    fabric: Any, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    edits = layered(ledger, "ledger.any", 20, 6, 0.02)
    async with fabric() as processes:
        await processes.start_agent("one")
        async with processes.client() as client:
            submitted = await client.ask("submit", edits=edits, id="c-restart")
        seen = 0
        for _ in range(4):
            seen = await processes.after_events("c-restart", 12, after=seen)
            await processes.kill_agent("one")
            await processes.start_agent("one")
        shown = await processes.ended(submitted["constellation"])
    check(shown, names(edits))


async def test_many_constellations_survive_a_killed_hub_each_in_its_own_state(
    fabric: Any, tmp_path: Path
) -> None:
    def ledger(name: str) -> Path:
        return tmp_path / f"{name}.ledger"

    running = [f"run-{n}" for n in range(12)]
    paused = [f"paused-{n}" for n in range(6)]
    canceled = [f"canceled-{n}" for n in range(6)]
    async with fabric() as processes:
        await processes.start_agent("one")
        await processes.start_agent("two")
        async with processes.client() as client:
            for name in (*running, *paused, *canceled):
                edits = layered(ledger(name), "ledger.once", 6, 3, 0.02)
                await client.ask("submit", edits=edits, id=name, paused=name in paused)
            for name in canceled:
                await client.ask("cancel", constellation=name, reason="not wanted")
        seen = 0
        for _ in range(4):
            seen = await processes.after_events("run-11", 4, after=seen)
            await processes.kill_hub()
            await processes.start_hub()
        for name in running:
            check(await processes.ended(name), set(ledger_counts(ledger(name))))
            assert set(ledger_counts(ledger(name)).values()) == {1}
        for name in canceled:
            shown = await processes.ended(name)
            assert shown["state"] == "canceled"
            assert max(ledger_counts(ledger(name)).values(), default=1) == 1
        assert not any(ledger(name).exists() for name in paused)
        async with processes.client() as client:
            listed = (await client.ask("list"))["constellations"]
            assert {row["id"]: row["paused"] for row in listed} == dict.fromkeys(paused, True)
            for name in paused:
                await client.ask("resume", constellation=name)
        for name in paused:
            check(await processes.ended(name), set(ledger_counts(ledger(name))))
            assert len(ledger_counts(ledger(name))) == 18


async def test_a_hub_without_file_descriptors_goes_on_and_recovers(
    fabric: Any, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    edits = layered(ledger, "ledger.once", 30, 6, 0.02)
    async with fabric() as processes:
        await processes.start_agent("one")
        async with processes.client() as client, AsyncExitStack() as crowd:
            hub = psutil.Process(processes.hub.process.pid)
            room = hub.num_fds() + 4
            hub.rlimit(psutil.RLIMIT_NOFILE, (room, room))
            # More than it can take; the system takes them for it.
            for _ in range(20):
                stream = await anyio.connect_tcp("127.0.0.1", processes.port)
                await crowd.enter_async_context(stream)
            submitted = await client.ask("submit", edits=edits)
            with anyio.fail_after(100):
                async for event in await client.follow(submitted["constellation"]):
                    state = event["body"].get("state")
            assert state == "completed"
        # Who comes when the crowd has gone is let in.
        shown = await processes.ended(submitted["constellation"])
    check(shown, names(edits))
    assert set(ledger_counts(ledger).values()) == {1}
