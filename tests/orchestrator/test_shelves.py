"""Who may get which artifact of a real hub."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link, connect
from constellation.aip.messages import Message
from constellation.aip.scope import Scope
from constellation.config import Settings
from constellation.errors import LimitExceeded, UnknownArtifactError
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.service import open_hub

pytestmark = pytest.mark.anyio

CARD = DeviceCard(name="desk", skills=(SkillCard(name="echo", effect="read"),))


def settings(folder: Path, **hub: Any) -> Settings:
    return Settings.model_validate({"state_dir": folder, "hub": {"port": 0, **hub}})


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with open_hub(settings(tmp_path, artifacts_bytes_each=1024**2)) as found:
        yield found


@asynccontextmanager
async def client(hub: Hub, name: str, **scope: Any) -> AsyncIterator[Link]:
    allowed = Scope.model_validate({"constellations": "own", **scope})
    _, token = hub.access.credentials.issue(name, "client", 0.0, scope=allowed)
    async with connect(hub.url, role="client", name=name, credential=token) as link:
        await link.ready()
        yield link


@asynccontextmanager
async def device(hub: Hub) -> AsyncIterator[Link]:
    """It puts the text that a task gives it, and returns what it was asked to say."""
    _, token = hub.access.credentials.issue("desk", "device", 0.0)
    async with anyio.create_task_group() as tasks:

        async def do(body: dict[str, Any]) -> None:
            output = body["arguments"].get("say")
            if output is None:
                output, _ = await link.artifacts.put(io.BytesIO(body["arguments"]["put"].encode()))
            done = {"attempt": body["attempt"], "state": "completed", "output": {"file": output}}
            link.send("result", done)

        def take(messages: Sequence[Message]) -> None:
            for message in messages:
                if message.type == "assign":
                    tasks.start_soon(do, message.body)
            link.acknowledge(messages[-1].seq)

        async with connect(
            hub.url,
            role="device",
            name="desk",
            card=CARD,
            credential=token,
            on_messages=take,
        ) as link:
            await link.ready()
            yield link
            tasks.cancel_scope.cancel()


async def ran(link: Link, **arguments: Any) -> str:
    """Have one task done; the hash that it returns."""
    task = {"id": "t", "skill": "echo", "arguments": arguments}
    name = (await link.request("submit", {"edits": [{"op": "add_task", "task": task}]}))[
        "constellation"
    ]
    subscribed = await link.request("subscribe", {"constellation": name, "after": 0})
    with anyio.fail_after(100):
        async for event in link.events(subscribed["subscription"]):
            if event["kind"] == "ended":
                break
    shown = await link.request("show", {"constellation": name})
    return str(shown["graph"]["nodes"][0]["output"]["file"])


async def got(link: Link, digest: str) -> bytes:
    file = io.BytesIO()
    await link.artifacts.get(digest, file)
    return file.getvalue()


async def test_a_client_of_its_own_gets_what_it_put_and_what_its_tasks_made(hub: Hub) -> None:
    async with device(hub), client(hub, "ada") as ada, client(hub, "eve") as eve:
        put, _ = await ada.artifacts.put(io.BytesIO(b"mine"))
        made = await ran(ada, put="made for ada")
        assert await got(ada, put) == b"mine"
        assert await got(ada, made) == b"made for ada"
        for digest in (put, made):
            with pytest.raises(UnknownArtifactError):
                await got(eve, digest)


async def test_what_is_not_for_it_is_told_as_what_is_not_there(hub: Hub) -> None:
    async with client(hub, "ada") as ada, client(hub, "eve") as eve:
        there, _ = await ada.artifacts.put(io.BytesIO(b"mine"))
        told = []
        for digest in (there, hashlib.sha256(b"nothing").hexdigest()):
            with pytest.raises(UnknownArtifactError) as raised:
                await got(eve, digest)
            told.append(raised.value.message.replace(digest, "HASH"))
        assert told[0] == told[1]


async def test_a_hash_that_is_known_is_not_had_by_having_it_said(hub: Hub) -> None:
    async with device(hub), client(hub, "ada") as ada, client(hub, "eve") as eve:
        put, _ = await ada.artifacts.put(io.BytesIO(b"mine"))
        assert await ran(eve, say=put) == put
        with pytest.raises(UnknownArtifactError):
            await got(eve, put)


async def test_whoever_has_the_bytes_may_put_them_too(hub: Hub) -> None:
    async with client(hub, "ada") as ada, client(hub, "eve") as eve:
        put, _ = await ada.artifacts.put(io.BytesIO(b"known to both"))
        with pytest.raises(UnknownArtifactError):
            await got(eve, put)
        assert (await eve.artifacts.put(io.BytesIO(b"known to both")))[0] == put
        assert await got(eve, put) == b"known to both"


async def test_a_client_that_sees_all_and_a_device_get_what_they_name(hub: Hub) -> None:
    async with (
        device(hub) as desk,
        client(hub, "ada") as ada,
        client(hub, "all", constellations="all") as everybody,
    ):
        put, _ = await ada.artifacts.put(io.BytesIO(b"mine"))
        assert await got(desk, put) == b"mine"
        assert await got(everybody, put) == b"mine"


async def test_one_that_fills_too_much_loses_its_own_and_is_refused_what_is_too_large(
    hub: Hub,
) -> None:
    async with client(hub, "ada") as ada, client(hub, "eve") as eve:
        kept, _ = await ada.artifacts.put(io.BytesIO(b"mine"))
        first, _ = await eve.artifacts.put(io.BytesIO(b"a" * 700_000))
        second, _ = await eve.artifacts.put(io.BytesIO(b"b" * 700_000))
        assert await got(ada, kept) == b"mine"
        assert len(await got(eve, second)) == 700_000
        with pytest.raises(UnknownArtifactError):
            await got(eve, first)
        with pytest.raises(LimitExceeded, match="one credential may fill"):
            await eve.artifacts.put(io.BytesIO(b"c" * 1_100_000))


async def test_it_holds_after_a_restart_of_the_hub(tmp_path: Path) -> None:
    async with open_hub(settings(tmp_path)) as hub, device(hub), client(hub, "ada") as ada:
        put, _ = await ada.artifacts.put(io.BytesIO(b"mine"))
        made = await ran(ada, put="made for ada")
    async with open_hub(settings(tmp_path)) as hub:
        hub.access.credentials.revoke("ada")
        async with client(hub, "ada") as ada, client(hub, "eve") as eve:
            assert await got(ada, put) == b"mine"
            assert await got(ada, made) == b"made for ada"
            with pytest.raises(UnknownArtifactError):
                await got(eve, made)
