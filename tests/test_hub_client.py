"""The client that every interface stands on, against real hubs."""

from __future__ import annotations

import socket
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from anyio.abc import TaskStatus

from constellation.client import HubClient, find_hub, open_hub
from constellation.config import Settings
from constellation.errors import (
    AuthenticationError,
    ConfigError,
    HubUnreachable,
    UnknownConstellationError,
)
from constellation.orchestrator import service

pytestmark = pytest.mark.anyio

WAITING = {"op": "add_task", "task": {"id": "a", "skill": "nobody.has.it", "arguments": {}}}


def settings(state: Path, **fields: Any) -> Settings:
    return Settings.model_validate({"state_dir": state, **fields})


def test_no_hub_is_up(tmp_path: Path) -> None:
    with pytest.raises(HubUnreachable) as caught:
        find_hub(settings(tmp_path))
    assert "constellation hub" in caught.value.remedy


def test_a_remote_hub_needs_a_credential(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_hub(settings(tmp_path, client={"url": "wss://hub.example/aip"}))
    assert "CONSTELLATION_CLIENT__TOKEN" in caught.value.remedy


async def test_the_hub_of_this_machine_is_found(tmp_path: Path) -> None:
    mine = settings(tmp_path, hub={"port": 0})
    async with service.open_hub(mine) as hub:
        url, _ = find_hub(mine)
        assert url == hub.url
        async with open_hub(mine) as client:
            assert client.url == hub.url
            assert (await client.ask("status"))["url"] == hub.url


async def test_a_hub_that_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/aip"
        nowhere = settings(tmp_path, client={"url": url, "token": "t", "timeout_s": 0.2})
        with pytest.raises(HubUnreachable, match="does not answer"):
            async with open_hub(nowhere):
                pass


async def test_a_wrong_credential_is_refused_at_once(tmp_path: Path) -> None:
    async with service.open_hub(settings(tmp_path, hub={"port": 0})) as hub:
        stranger = settings(tmp_path, client={"url": hub.url, "token": "wrong"})
        with pytest.raises(AuthenticationError):
            async with open_hub(stranger):
                pass


async def test_errors_of_the_hub_are_raised_as_they_are(tmp_path: Path) -> None:
    mine = settings(tmp_path, hub={"port": 0})
    async with service.open_hub(mine), open_hub(mine) as client:
        with pytest.raises(UnknownConstellationError):
            await client.ask("show", constellation="c-none")


async def test_facts_are_told_once_across_a_restart_of_the_hub(tmp_path: Path) -> None:
    told: list[int] = []
    grew = anyio.Event()

    async def follow(client: HubClient, constellation: str) -> None:
        nonlocal grew
        async for event in await client.watch(constellation, after=0):
            told.append(event["seq"])
            grew.set()
            grew = anyio.Event()

    async def until_told(count: int) -> None:
        with anyio.fail_after(100):
            while len(told) < count:
                await grew.wait()

    restart = anyio.Event()
    restarted = anyio.Event()

    async def two_hubs(*, task_status: TaskStatus[None]) -> None:
        async with service.open_hub(settings(tmp_path, hub={"port": 0})) as hub:
            task_status.started()
            await restart.wait()
        port = urlsplit(hub.url).port
        async with service.open_hub(settings(tmp_path, hub={"port": port})):
            restarted.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        await tasks.start(two_hubs)
        async with open_hub(settings(tmp_path)) as client:
            submitted = await client.ask("submit", edits=[WAITING])
            tasks.start_soon(follow, client, submitted["constellation"])
            await until_told(2)
            restart.set()
            await restarted.wait()
            before = len(told)
            await client.ask("cancel", constellation=submitted["constellation"])
            await until_told(before + 1)
            tasks.cancel_scope.cancel()
    assert told == sorted(set(told))


async def test_what_is_followed_to_its_end_is_watched_no_more(tmp_path: Path) -> None:
    mine = settings(tmp_path, hub={"port": 0})
    async with service.open_hub(mine) as hub, open_hub(mine) as client:
        name = (await client.ask("submit", edits=[WAITING]))["constellation"]
        await client.ask("cancel", constellation=name)
        for _ in range(3):
            async with aclosing(await client.follow(name)) as events:
                kinds = [event["kind"] async for event in events]
            assert (kinds[0], kinds[-1]) == ("created", "ended")
        await client.ask("status")  # what was said before it is done
        assert len(hub.observers) == 0


async def test_a_graph_is_shown_whole_though_it_comes_in_parts(tmp_path: Path) -> None:
    mine = settings(tmp_path, hub={"port": 0})
    large = {"skill": "nobody.has.it", "arguments": {"x": "x" * 500_000}}
    edits = [{"op": "add_task", "task": {"id": f"t{n}", **large}} for n in range(20)]
    edits += [
        {"op": "add_dependency", "dependency": {"source": f"t{n}", "target": f"t{n + 1}"}}
        for n in range(19)
    ]
    async with service.open_hub(mine), open_hub(mine) as client:
        name = (await client.ask("submit", edits=edits[:10]))["constellation"]
        await client.ask("edit", constellation=name, edits=edits[10:20])
        await client.ask("edit", constellation=name, edits=edits[20:])
        shown = await client.show(name)
    assert [node["task"]["id"] for node in shown["graph"]["nodes"]] == [f"t{n}" for n in range(20)]
    assert len(shown["graph"]["dependencies"]) == 19
    assert shown["waiting"] == {"t0": "No device is connected."}
    assert shown["version"] == shown["graph"]["version"] == 3
