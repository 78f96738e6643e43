"""What the fabric is at, as the voice agent's page shows it: a real hub and a real device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from agents.voice.overview import Overview, watch
from constellation.aip.client import Link, connect
from constellation.cli.embedded import embedded_hub
from constellation.config import LocalHub, load_settings

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def linked(state: Path, root: Path) -> AsyncIterator[Link]:
    async with embedded_hub(load_settings({"state_dir": state}), root):
        local = LocalHub.find(state)
        assert local is not None
        token = local.token.get_secret_value()
        async with connect(local.url, role="client", name="me", credential=token) as link:
            await link.ready()
            yield link


async def test_fabric_is_seen_at_work(tmp_path: Path) -> None:
    told, overviews = anyio.create_memory_object_stream[Overview](1_000)
    async with (
        told,
        overviews,
        linked(tmp_path / "state", tmp_path) as link,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(watch, link, told.send_nowait)

        async def seen(wanted: Callable[[Overview], bool]) -> Overview:
            with anyio.fail_after(100):
                while not wanted(overview := await overviews.receive()):
                    pass
            return overview

        [(_, is_connected)] = (await seen(lambda found: bool(found.devices))).devices
        assert is_connected
        submitted = await link.request("submit", {"request": "wait 60 seconds"})
        [work] = (await seen(lambda found: bool(found.works))).works
        assert (work.id, work.title) == (submitted["constellation"], submitted["title"])
        assert (work.ended, work.tasks) == (0, 1)
        await link.request("cancel", {"constellation": work.id})
        [work] = (await seen(lambda found: found.works[-1].state == "canceled")).works
        assert work.ended == 1
        tasks.cancel_scope.cancel()
