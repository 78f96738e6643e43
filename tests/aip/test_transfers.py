"""Artifacts between a link and a hub's store, over real sockets."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from constellation.aip.backoff import Backoff
from constellation.aip.client import Link, connect
from constellation.errors import (
    LimitExceeded,
    PermissionDenied,
    RemoteProtocolError,
    SessionLost,
    UnknownArtifactError,
)
from constellation.orchestrator.artifacts import ArtifactStore
from constellation.testing.proxy import TcpProxy, tcp_proxy

pytestmark = pytest.mark.anyio

BIG = random.Random(5).randbytes(5_000_000)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts", max_bytes=20_000_000)


@asynccontextmanager
async def joined(hub, store: Any = None, **more: Any) -> AsyncIterator[tuple[Link, TcpProxy]]:
    async with (
        hub.serving(artifacts=store) as server,
        tcp_proxy("127.0.0.1", server.port) as proxy,
        connect(
            f"ws://127.0.0.1:{proxy.port}",
            role="device",
            name="desk",
            credential=hub.token("desk"),
            backoff=Backoff(random.random, first_s=0.001, most_s=0.01),
            **more,
        ) as link,
    ):
        await link.ready()
        with anyio.fail_after(100):
            yield link, proxy


@pytest.mark.parametrize("data", [b"", b"x", BIG], ids=len)
async def test_what_was_put_can_be_got(hub, store: ArtifactStore, data: bytes) -> None:
    async with joined(hub, store) as (link, _):
        assert await link.artifacts.put(io.BytesIO(data), "a.bin") == (sha256(data), len(data))
        assert store.path(sha256(data)).read_bytes() == data
        file = io.BytesIO()
        assert await link.artifacts.get(sha256(data), file) == len(data)
        assert file.getvalue() == data
    assert hub.app.bodies("desk")[0]["name"] == "a.bin"


async def test_the_hub_gets_from_a_device_and_puts_to_it(
    hub, store: ArtifactStore, tmp_path: Path
) -> None:
    theirs = ArtifactStore(tmp_path / "theirs")
    async with joined(hub, store, artifacts=theirs):
        peer = hub.app.peers["desk"]
        digest, _ = await peer.artifacts.put(io.BytesIO(BIG))
        assert theirs.path(digest).read_bytes() == BIG
        file = io.BytesIO()
        await peer.artifacts.get(digest, file)
        assert file.getvalue() == BIG


async def test_an_artifact_arrives_intact_across_cuts(hub, store: ArtifactStore) -> None:
    file = io.BytesIO()
    async with (
        joined(hub, store) as (link, proxy),
        anyio.create_task_group() as tasks,
    ):

        async def there_and_back() -> None:
            digest, _ = await link.artifacts.put(io.BytesIO(BIG))
            await link.artifacts.get(digest, file)
            tasks.cancel_scope.cancel()

        async def cut() -> None:
            while True:
                accepted = proxy.accepted
                proxy.cut_after(400_000)
                await hub.app.until(lambda before=accepted: proxy.accepted > before)

        tasks.start_soon(there_and_back)
        tasks.start_soon(cut)
    assert file.getvalue() == BIG
    assert proxy.accepted > 10
    assert hub.app.names("closed") == ["desk"]


async def test_what_is_there_already_is_not_sent_again(hub, store: ArtifactStore) -> None:
    async with joined(hub, store) as (link, proxy):
        await link.artifacts.put(io.BytesIO(BIG))
        before = proxy.forwarded
        await link.artifacts.put(io.BytesIO(BIG))
        assert proxy.forwarded - before < len(BIG) / 2
        await link.drained()


async def test_the_same_file_put_twice_at_once_travels_once(hub, store: ArtifactStore) -> None:
    async with joined(hub, store) as (link, proxy):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(link.artifacts.put, io.BytesIO(BIG))
        assert proxy.forwarded < 1.5 * len(BIG)


async def test_what_is_too_large_is_refused(hub, tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "small", max_bytes=1000)
    async with joined(hub, store) as (link, _):
        with pytest.raises(LimitExceeded):
            await link.artifacts.put(io.BytesIO(b"x" * 1001))
        await link.artifacts.put(io.BytesIO(b"x" * 1000))


async def test_an_unknown_artifact_is_told_so(hub, store: ArtifactStore) -> None:
    async with joined(hub, store) as (link, _):
        for digest in (sha256(b"never"), "../../etc/passwd"):
            with pytest.raises(UnknownArtifactError):
                await link.artifacts.get(digest, io.BytesIO())


async def test_without_a_store_nothing_is_taken_or_given(hub) -> None:
    async with joined(hub) as (link, _):
        with pytest.raises(PermissionDenied):
            await link.artifacts.put(io.BytesIO(BIG))
        with pytest.raises(PermissionDenied):
            await link.artifacts.get(sha256(b""), io.BytesIO())


class Changing(io.BytesIO):
    """A file that somebody writes to while it is being sent."""

    def __init__(self) -> None:
        super().__init__(b"x" * 300_000)
        self.reads = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.reads += 1
        return data if self.reads < 4 else data.replace(b"x", b"y")


async def test_a_file_that_changes_is_refused_by_the_receiver(hub, store: ArtifactStore) -> None:
    async with joined(hub, store) as (link, _):
        with pytest.raises(RemoteProtocolError, match="are not the artifact"):
            await link.artifacts.put(Changing())
        assert sha256(b"x" * 300_000) not in store
        assert not list(store.root.glob("*.part"))


class Lying(ArtifactStore):
    """A store whose files are not what their names say."""

    def path(self, digest: str) -> Path:
        path = self.root / "lie"
        path.write_bytes(b"lie")
        return path


async def test_a_false_artifact_is_not_taken(hub, tmp_path: Path) -> None:
    async with joined(hub, Lying(tmp_path / "lies")) as (link, _):
        with pytest.raises(RemoteProtocolError, match="are not the artifact"):
            await link.artifacts.get(sha256(b"truth"), io.BytesIO())


async def test_a_transfer_that_is_canceled_leaves_the_session_well(
    hub, store: ArtifactStore
) -> None:
    async with joined(hub, store) as (link, _):
        with io.BytesIO(BIG) as file:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(link.artifacts.put, file)
                await until_soon(lambda: list(store.root.glob("*.part")))
                tasks.cancel_scope.cancel()
        await until_soon(lambda: not list(store.root.glob("*.part")))
        await link.artifacts.put(io.BytesIO(BIG))
        assert store.path(sha256(BIG)).read_bytes() == BIG


async def test_a_lost_session_ends_what_is_being_put(hub, store: ArtifactStore) -> None:
    async with joined(hub, store) as (link, _), anyio.create_task_group() as tasks:
        tasks.start_soon(lose, lambda: link.artifacts.put(io.BytesIO(BIG)))
        await until_soon(lambda: list(store.root.glob("*.part")))
        hub.app.peers["desk"].close("enough")
        assert not list(store.root.glob("*.part"))
    assert sha256(BIG) not in store


async def test_a_lost_session_ends_what_is_being_got(hub, store: ArtifactStore) -> None:
    file = io.BytesIO()
    async with joined(hub, store) as (link, _), anyio.create_task_group() as tasks:
        digest, _ = await link.artifacts.put(io.BytesIO(BIG))
        tasks.start_soon(lose, lambda: link.artifacts.get(digest, file))
        await until_soon(file.tell)
        hub.app.peers["desk"].close("enough")
    assert file.tell() < len(BIG)


async def lose(transfer: Callable[[], Any]) -> None:
    with pytest.raises(SessionLost):
        await transfer()


async def until_soon(condition: Callable[[], Any]) -> None:
    with anyio.fail_after(100):
        while not condition():
            await anyio.lowlevel.checkpoint()
