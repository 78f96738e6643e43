"""Exclusive resources across orchestrators, whose owners are killed and deposed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from cluster_kit import Changing, Cluster, Device, cluster_of, ended, eventually, new_fabric

from constellation.aip.client import Link
from constellation.cluster.allotment import Allotment
from constellation.cluster.book import Book

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cluster(nats_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster_of(nats_url, new_fabric("shared"), tmp_path) as found:
        yield found


def tasks(number: int, *resources: str, skill: str = "once") -> list[dict[str, Any]]:
    """Edits of tasks that need the same resources."""
    wanted = {"exclusive": list(resources)}
    return [
        {"op": "add_task", "task": {"id": f"t{n}", "skill": skill, "requirement": wanted}}
        for n in range(number)
    ]


async def submit(client: Link, edits: list[dict[str, Any]]) -> str:
    submitted = await client.request("submit", {"edits": edits})
    return str(submitted["constellation"])


def running(*devices: Device) -> set[str]:
    """Constellations of which anything runs."""
    return {attempt.partition("/")[0] for each in devices for attempt in each.running}


def book(cluster: Cluster) -> Book:
    return next(iter(cluster.lives.values())).estate.allotting._book


async def table(cluster: Cluster) -> Allotment:
    data, _ = await book(cluster).read()
    return Allotment.read(data)


async def until_free(cluster: Cluster) -> None:
    changing = Changing()
    await book(cluster).watch(changing.changed)
    with anyio.fail_after(100):
        while True:
            changed = changing.next_change()
            if not (await table(cluster)).held:
                return
            await changed.wait()


async def test_tasks_of_different_owners_use_one_resource_one_after_the_other(
    cluster: Cluster,
) -> None:
    async with (
        cluster.device("one", "g1", at_once=False) as one,
        cluster.device("two", "g2", at_once=False) as two,
        cluster.client("g1") as client,
    ):
        names = [await cluster.submit_to(client, tasks(3, "arm"), by) for by in ["o1", "o2"] * 2]
        order = []
        for _ in range(12):
            await eventually(lambda: one.running or two.running)
            assert len(one.running) + len(two.running) == 1
            (attempt,) = (*one.running, *two.running)
            order.append(attempt)
            (one if one.running else two).finish(attempt)
        for name in names:
            facts = await ended(client, name)
            assert [fact["kind"] for fact in facts].count("started") == 3
        owners = [attempt.partition("/")[0] for attempt in order]
        assert len(set(owners[:6])) > 1, "nobody has it until it has done all of its own"
        await until_free(cluster)


async def test_resources_are_had_all_at_once_or_not_at_all(cluster: Cluster) -> None:
    """Each half of them has one of two things that the other one needs as well."""
    async with (
        cluster.device("one", "g1", capacity=8) as one,
        cluster.client("g1") as client,
    ):
        names = [
            await cluster.submit_to(client, tasks(4, *wanted), by)
            for wanted in [("arm", "camera"), ("camera", "arm"), ("arm",), ("camera",)]
            for by in ("o1", "o2")
        ]
        for name in names:
            facts = await ended(client, name)
            assert facts[-1]["body"]["state"] == "completed"
        assert len(one.assigned) == 32
        await until_free(cluster)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "leaving"])
async def test_what_a_dead_owner_has_is_kept_while_it_runs_and_then_free(
    cluster: Cluster, killed: bool
) -> None:
    async with (
        cluster.device("desk", "g1", at_once=False) as desk,
        cluster.client("g2") as client,
    ):
        first = await cluster.submit_to(client, tasks(1, "arm"), "o1")
        await desk.until(lambda: desk.running)
        second = await cluster.submit_to(client, tasks(1, "arm"), "o2")
        await eventually(lambda: cluster.lives["o2"].estate.allotting._asking.waits)
        (cluster.kill if killed else cluster.stop)("o1")
        await eventually(lambda: first in cluster.lives["o2"].estate.owned)
        taker = cluster.lives["o2"].hub.scheduler
        await eventually(lambda: first in taker.runs and taker.runs[first].live)
        assert running(desk) == {first}, "it runs on, and the other one waits"
        desk.finish_all()
        await ended(client, first)
        await eventually(lambda: running(desk) == {second})
        desk.finish_all()
        facts = await ended(client, second)
        assert [fact["kind"] for fact in facts].count("started") == 1
        await until_free(cluster)


async def test_what_was_granted_to_a_dead_owner_and_not_used_goes_to_the_next(
    cluster: Cluster,
) -> None:
    """It is killed in the moment in which it has the resource and has told nobody."""
    async with (
        cluster.device("desk", "g1", at_once=False) as desk,
        cluster.client("g2") as client,
    ):
        older = cluster.lives["o1"]
        granted = anyio.Event()
        older.estate.allotting._granted = lambda *_: granted.set()
        first = await cluster.submit_to(client, tasks(1, "arm"), "o1")
        await granted.wait()
        assert (await table(cluster)).held["arm"].constellation == first
        second = await cluster.submit_to(client, tasks(1, "arm"), "o2")
        cluster.kill("o1")
        for _ in range(2):
            await eventually(lambda: desk.running)
            assert len(desk.running) == 1
            desk.finish_all()
        for name in (first, second):
            facts = await ended(client, name)
            assert [fact["kind"] for fact in facts].count("started") == 1
        await until_free(cluster)


async def test_a_constellation_that_ended_with_its_owner_leaves_nothing(cluster: Cluster) -> None:
    """Its owner has committed the end and is killed before it gives anything back."""
    async with (
        cluster.device("desk", "g1", at_once=False) as desk,
        cluster.client("g2") as client,
    ):
        first = await cluster.submit_to(client, tasks(1, "arm"), "o1")
        await desk.until(lambda: desk.running)
        data, _ = await book(cluster).read()
        desk.finish_all()
        await ended(client, first)
        await until_free(cluster)
        cluster.kill("o1")
        # As it was when the end had been committed, and nothing been given back.
        assert await book(cluster).write(data, (await book(cluster).read())[1])
        assert (await table(cluster)).held["arm"].constellation == first
        second = await submit(client, tasks(1, "arm"))
        await eventually(lambda: desk.running)
        assert running(desk) == {second}
        desk.finish_all()
        await ended(client, second)
        await until_free(cluster)


async def test_a_deposed_owner_neither_uses_nor_gives_back_what_it_had(cluster: Cluster) -> None:
    """Another one has its constellation by now, and it does not know yet."""
    async with (
        cluster.device("desk", "g1", at_once=False) as desk,
        cluster.client("g1") as client,
    ):
        first = await cluster.submit_to(client, tasks(2, "arm"), "o1")
        await desk.until(lambda: desk.running)
        older, taker = cluster.lives["o1"], cluster.lives["o2"]
        await taker.estate.take(first, older._journal.epochs[first])
        had = (await table(cluster)).held["arm"]
        assert had.epoch == taker.estate.owned[first]
        older.estate.allotting.free(first, ("arm",))
        older.estate.allotting.want(first, ("arm",))
        second = await submit(client, tasks(1, "arm"))
        await older.estate.allotting._step(looks=True)
        await taker.estate.allotting._step(looks=True)
        assert (await table(cluster)).held["arm"] == had
        assert running(desk) == {first}
        for _ in range(3):
            await eventually(lambda: desk.running)
            assert len(desk.running) == 1
            desk.finish_all()
        for name in (first, second):
            facts = await ended(client, name)
            starts = [fact["body"]["task"] for fact in facts if fact["kind"] == "started"]
            assert len(starts) == len(set(starts))
        # What it got in the name of what has ended by now is in nobody's way.
        third = await cluster.submit_to(client, tasks(1, "arm"), "o2")
        await eventually(lambda: running(desk) == {third})
        desk.finish_all()
        await ended(client, third)
