"""Who may get and fill what of a cluster's artifacts, whichever gateway is asked."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import pytest
from cluster_kit import Cluster, Device, cluster_of, ended, eventually, new_fabric
from nats.aio.client import Client

from constellation.aip.client import Link, connect
from constellation.aip.scope import Scope
from constellation.cluster import holdings
from constellation.cluster.bus import connected, prepare
from constellation.cluster.holdings import Holdings, Kept
from constellation.cluster.names import Names
from constellation.errors import LimitExceeded, UnknownArtifactError

pytestmark = pytest.mark.anyio

EACH = 1024**2


@pytest.fixture
async def cluster(nats_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    fabric = new_fabric("shelves")
    async with cluster_of(nats_url, fabric, tmp_path, artifacts_bytes_each=EACH) as found:
        yield found


@asynccontextmanager
async def guest(cluster: Cluster, name: str, *gateways: str, **scope: Any) -> AsyncIterator[Any]:
    """A client that sees its own constellations alone, at each of some gateways."""
    allowed = Scope.model_validate({"constellations": "own", **scope})
    _, token = cluster.gateways[gateways[0]].access.credentials.issue(
        name, "client", 0.0, scope=allowed
    )
    stores = [each.access.credentials for each in cluster.gateways.values()]
    stores += [each.hub.access.credentials for each in cluster.lives.values()]
    for store in stores:
        await eventually(lambda store=store: store.scope(name) == allowed)  # type: ignore[misc]
    async with AsyncExitStack() as stack:
        links = []
        for each in gateways:
            url = cluster.gateways[each].url
            link = connect(url, role="client", name=name, credential=token)
            links.append(await stack.enter_async_context(link))
            await links[-1].ready()
        yield links if len(links) > 1 else links[0]


async def put(link: Link, data: bytes) -> str:
    digest, _ = await link.artifacts.put(BytesIO(data))
    return digest


async def has(link: Link, digest: str) -> bool:
    found = BytesIO()
    try:
        await link.artifacts.get(digest, found)
    except UnknownArtifactError:
        return False
    assert hashlib.sha256(found.getvalue()).hexdigest() == digest
    return True


def files(cluster: Cluster) -> dict[str, set[str]]:
    """What lies in the folders of gateways."""
    return {
        name: {path.name for path in (cluster._folder / name / "artifacts").glob("??/*")}
        for name in cluster.gateways
    }


async def stored(cluster: Cluster, nats_url: str) -> list[str]:
    """Digests of what the object store holds."""
    async with connected([nats_url], "test") as nats:
        objects = await nats.jetstream().object_store(Names(cluster._fabric).artifacts)
        found = await objects.list(ignore_deletes=True) if (await objects.status()) else []
        return sorted(str(each.name).partition(".")[0] for each in found)


# ── who may get it ──────────────────────────────────────────────────────────────────────────────


async def test_a_client_gets_what_it_put_and_nothing_of_others_by_its_hash(
    cluster: Cluster,
) -> None:
    async with (
        guest(cluster, "anna", "g1", "g2") as (anna, anna_at_two),
        guest(cluster, "bert", "g1", "g2") as (bert, bert_at_two),
        cluster.client("g2") as admin,
    ):
        digest = await put(anna, b"what anna knows" * 100)
        assert await has(anna_at_two, digest)
        assert await has(anna, digest)
        assert await has(admin, digest)
        for link in (bert, bert_at_two):
            assert not await has(link, digest)
        assert await put(bert, b"what anna knows" * 100) == digest
        assert await has(bert_at_two, digest)


@asynccontextmanager
async def task_of(client: Link, desk: Device, **arguments: Any) -> AsyncIterator[dict[str, Any]]:
    """A task that runs until the end of the context, and returns what is put there."""
    task = {"id": "t", "skill": "work", "arguments": arguments}
    added = [{"op": "add_task", "task": task}]
    name = (await client.request("submit", {"edits": added}))["constellation"]
    await desk.until(lambda: desk.running)
    (attempt,) = desk.running
    output: dict[str, Any] = {}
    yield output
    desk.running.clear()
    desk.link.send("result", {"attempt": attempt, "state": "completed", "output": output})
    await ended(client, name)


async def test_a_client_gets_what_its_tasks_made(cluster: Cluster) -> None:
    async with (
        cluster.device("desk", "g1", at_once=False) as desk,
        guest(cluster, "anna", "g2") as anna,
        guest(cluster, "bert", "g2") as bert,
    ):
        digest = await put(desk.link, b"made by a task")
        assert not await has(anna, digest)
        async with task_of(anna, desk) as output:
            output["file"] = digest
        assert await has(anna, digest)
        assert not await has(bert, digest)


async def test_it_does_not_have_a_hash_told_back(cluster: Cluster) -> None:
    async with (
        cluster.device("desk", "g1", at_once=False) as desk,
        guest(cluster, "anna", "g2") as anna,
    ):
        digest = await put(desk.link, b"made for somebody else")
        async with task_of(anna, desk, say=digest) as output:
            output["file"] = digest
        assert not await has(anna, digest)


async def test_what_an_open_constellation_made_is_found_too(cluster: Cluster) -> None:
    async with (
        cluster.device("desk", "g1", at_once=False) as desk,
        guest(cluster, "anna", "g2") as anna,
    ):
        digest = await put(desk.link, b"made early")
        tasks = [{"op": "add_task", "task": {"id": n, "skill": "work"}} for n in "ab"]
        name = (await anna.request("submit", {"edits": tasks}))["constellation"]
        await desk.until(lambda: len(desk.running) == 2)
        first = next(iter(desk.running))
        del desk.running[first]
        made = {"attempt": first, "state": "completed", "output": {"file": digest}}
        subscribed = await anna.request("subscribe", {"constellation": name, "after": 0})
        desk.link.send("result", made)
        async for event in anna.events(subscribed["subscription"]):
            if event["kind"] == "finished":
                break
        assert await has(anna, digest)
        desk.finish_all()
        await ended(anna, name)


# ── how much ────────────────────────────────────────────────────────────────────────────────────


async def test_one_that_fills_too_much_loses_its_own_oldest_everywhere(
    cluster: Cluster, nats_url: str
) -> None:
    async with (
        guest(cluster, "anna", "g1", "g2") as (one, two),
        guest(cluster, "bert", "g1") as bert,
    ):
        theirs = await put(bert, b"bert" * 1000)
        both = b"both" * 1000
        shared = await put(bert, both)
        assert await put(one, both) == shared
        # At either gateway in turn: it is counted at both.
        parts = [await put((one, two)[n % 2], bytes([n]) * (EACH // 4)) for n in range(5)]
        assert await stored(cluster, nats_url) == sorted([theirs, shared, *parts[1:]])
        assert await has(bert, theirs)
        assert await has(bert, shared)
        for path in (cluster._folder).glob("g?/artifacts/??/*"):
            path.unlink()
        kept = [await has(one, digest) for digest in parts]
        assert kept == [False, True, True, True, True]
        # Whoever puts it again has it again, and the oldest goes.
        assert await put(two, bytes([0]) * (EACH // 4)) == parts[0]
        assert await stored(cluster, nats_url) == sorted([theirs, shared, parts[0], *parts[2:]])
        with pytest.raises(LimitExceeded):
            await put(one, b"x" * (EACH + 1))


async def test_what_is_put_at_two_gateways_at_once_is_kept_once(
    cluster: Cluster, nats_url: str
) -> None:
    data = bytes(range(256)) * 1_000
    async with guest(cluster, "anna", "g1", "g2") as (one, two), cluster.client("g2") as admin:
        digests: list[str] = []

        async def again(link: Link) -> None:
            digests.append(await put(link, data))

        async with anyio.create_task_group() as tasks:
            for link in (one, two, admin):
                tasks.start_soon(again, link)
        assert len(set(digests)) == 1
        assert await stored(cluster, nats_url) == digests[:1]
        assert await has(two, digests[0])


# ── the bucket ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def nats(nats_url: str) -> AsyncIterator[Client]:
    async with connected([nats_url], "test") as client:
        yield client


async def bucket(nats: Client, max_bytes_each: int) -> Holdings:
    names = Names(new_fabric("holdings"))
    await prepare(nats.jetstream(), names, 1)
    return Holdings(await nats.jetstream().key_value(names.holdings), max_bytes_each)


async def test_only_the_time_that_was_counted_is_let_go(nats: Client) -> None:
    """It was put once more while it was about to be lost."""
    kept = await bucket(nats, 10)
    removed: list[str] = []

    async def remove(name: str) -> None:
        removed.append(name)

    assert await kept.begin("a", Kept("a.1", 6, {"anna": "t1"}))
    await kept.charge("a", 6, "anna", "t1", remove)
    assert not await kept.begin("a", Kept("a.2", 6, {"bert": "t2"}))
    assert await kept.hold("a", "anna", "t3")
    assert await kept._let_go("a", "anna", "t1") is None
    assert await kept.find("a") == Kept("a.1", 6, {"anna": "t3"})
    assert await kept.begin("b", Kept("b.1", 6, {"anna": "t4"}))
    await kept.charge("a", 6, "anna", "t3", remove)
    await kept.charge("b", 6, "anna", "t4", remove)
    assert removed == ["a.1"]
    assert await kept.find("a") is None
    assert not await kept.hold("a", "anna", "t5")


async def test_a_credential_has_so_many_artifacts_at_most(
    nats: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "MOST_EACH", 3)
    kept = await bucket(nats, 1_000)
    removed: list[str] = []

    async def remove(name: str) -> None:
        removed.append(name)

    for n in range(5):
        assert await kept.begin(f"d{n}", Kept(f"o{n}", 0, {"anna": "t"}))
        await kept.charge(f"d{n}", 0, "anna", "t", remove)
    assert removed == ["o0", "o1"]
