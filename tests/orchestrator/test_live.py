"""Live streams through a real hub: they reach who watches, and nobody else is held up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from constellation.aip.cards import DeviceCard
from constellation.aip.client import Link, connect
from constellation.aip.pipes import IncomingStream
from constellation.aip.writers import ItemWriter
from constellation.client import HubClient, open_hub
from constellation.config import Settings
from constellation.errors import (
    ConstellationError,
    LimitExceeded,
    PermissionDenied,
    ProtocolError,
    UnknownDeviceError,
)
from constellation.orchestrator import service

pytestmark = pytest.mark.anyio

META = {"name": "front", "type": "image/jpeg"}


@asynccontextmanager
async def fabric(state: Path) -> AsyncIterator[tuple[Settings, HubClient]]:
    settings = Settings.model_validate({"state_dir": state, "hub": {"port": 0}})
    async with service.open_hub(settings), open_hub(settings) as client:
        yield settings, client


@asynccontextmanager
async def device(client: HubClient, name: str = "arm") -> AsyncIterator[Link]:
    code = (await client.ask("pair", name=name))["code"]
    card = DeviceCard(name=name)
    async with connect(client.url, role="device", name=name, card=card, pair_code=code) as link:
        await link.ready()
        yield link


async def shown(client: HubClient) -> list[tuple[str, str]]:
    return [(each["device"], each["name"]) for each in (await client.ask("live"))["live"]]


async def until_shown(client: HubClient, *wanted: tuple[str, str]) -> None:
    with anyio.fail_after(100):
        while await shown(client) != list(wanted):
            await anyio.lowlevel.checkpoint()


async def feed(writer: ItemWriter, stream: IncomingStream, *numbers: int) -> list[int]:
    """Shows numbers, each once the one before has come."""
    came: list[int] = []
    with anyio.fail_after(100):
        for number in numbers:
            writer.put(b"%d" % number)
            while not came or came[-1] != number:
                came.append(int(await anext(stream)))
    return came


async def test_what_a_device_shows_reaches_all_who_watch(tmp_path: Path) -> None:
    async with fabric(tmp_path) as (settings, client), device(client) as arm:
        writer = arm.streams.open_items("live", META, deadline_s=2.0)
        await until_shown(client, ("arm", "front"))
        async with (
            open_hub(settings) as other,
            client.live("arm", "front") as first,
            other.live("arm", "front") as second,
        ):
            assert (await client.ask("live"))["live"][0]["watchers"] == 2
            assert first.meta == {"device": "arm", **META}
            assert (first.qos, first.deadline_s) == ("deadline", 2.0)
            assert await feed(writer, first, 1, 2, 3) == [1, 2, 3]
            assert (await feed(writer, second, 4))[-1] == 4


async def test_who_no_longer_watches_gets_nothing(tmp_path: Path) -> None:
    async with fabric(tmp_path) as (_, client), device(client) as arm:
        writer = arm.streams.open_items("live", META)
        await until_shown(client, ("arm", "front"))
        async with client.live("arm", "front") as stream:
            await feed(writer, stream, 1)
        with anyio.fail_after(100):
            while (await client.ask("live"))["live"][0]["watchers"]:
                writer.put(b"x")
        # It may watch again.
        async with client.live("arm", "front") as stream:
            assert await feed(writer, stream, 2, 3) == [2, 3]


async def test_it_goes_on_when_the_device_comes_back(tmp_path: Path) -> None:
    async with fabric(tmp_path) as (_, client):
        async with device(client) as arm:
            writer = arm.streams.open_items("live", META)
            await until_shown(client, ("arm", "front"))
            watching = client.live("arm", "front")
            stream = await watching.__aenter__()
            await feed(writer, stream, 1)
        await until_shown(client)
        async with device(client) as arm:
            writer = arm.streams.open_items("live", META)
            await until_shown(client, ("arm", "front"))
            assert (await feed(writer, stream, 2, 3))[-2:] == [2, 3]
        await watching.__aexit__(None, None, None)
        await until_shown(client)


async def test_an_item_that_is_too_large_is_not_sent(tmp_path: Path) -> None:
    async with fabric(tmp_path) as (_, client), device(client) as arm:
        writer = arm.streams.open_items("live", META)
        await until_shown(client, ("arm", "front"))
        with pytest.raises(LimitExceeded):
            writer.put(bytes(10**6))
        async with client.live("arm", "front") as stream:
            assert await feed(writer, stream, 1) == [1]


@pytest.mark.parametrize(
    ("label", "meta", "reliable"),
    [
        ("live", {}, False),
        ("live", {"name": "", "type": "x"}, False),
        ("live", {"name": "x" * 101, "type": "x"}, False),
        ("live", {"name": 1, "type": "x"}, False),
        ("live", META, True),
        ("other", META, False),
    ],
)
async def test_streams_that_are_none_are_refused(
    tmp_path: Path, label: str, meta: dict[str, Any], reliable: bool
) -> None:
    async with fabric(tmp_path) as (_, client), device(client) as arm:
        opened = arm.streams.open_bytes if reliable else arm.streams.open_items
        refused = await refusal(opened(label, meta))
        assert isinstance(refused, ProtocolError)
        assert await shown(client) == []


async def refusal(writer: Any) -> ConstellationError:
    with anyio.fail_after(100):
        while writer.refusal is None:
            await anyio.lowlevel.checkpoint()
    found: ConstellationError = writer.refusal
    return found


async def test_a_device_shows_so_many_at_most_and_clients_nothing(tmp_path: Path) -> None:
    async with fabric(tmp_path) as (_, client), device(client) as arm:
        writers = [arm.streams.open_items("live", {"name": f"{n}", "type": "x"}) for n in range(17)]
        assert isinstance(await refusal(writers[-1]), LimitExceeded)
        assert len(await shown(client)) == 16
        link: Any = client._link
        assert isinstance(await refusal(link.streams.open_items("live", META)), PermissionDenied)


async def test_what_is_not_shown_cannot_be_watched(tmp_path: Path) -> None:
    async with fabric(tmp_path) as (_, client), device(client):
        with pytest.raises(UnknownDeviceError, match="shows nothing"):
            async with client.live("arm", "front"):
                pass
