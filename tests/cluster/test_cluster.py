"""Orchestrators and gateways at work together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from cluster_kit import Cluster, chain, cluster_of, ended, eventually, independent, new_fabric

from constellation.cluster import gateway
from constellation.cluster.tenure import Kept
from constellation.errors import UnknownArtifactError
from constellation.orchestrator.events import Fact

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cluster(nats_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster_of(nats_url, new_fabric("cluster"), tmp_path) as found:
        yield found


def finished(facts: list[dict[str, object]]) -> list[str]:
    return [fact["body"]["task"] for fact in facts if fact["kind"] == "finished"]  # type: ignore[index]


async def test_tasks_run_whichever_gateway_is_asked(cluster: Cluster) -> None:
    async with (
        cluster.device("desk", "g1") as desk,
        cluster.device("server", "g2") as server,
        cluster.client("g1") as one,
        cluster.client("g2") as two,
    ):
        first = await one.request("submit", {"edits": chain(5), "name": "first"})
        second = await two.request("submit", {"edits": independent(20), "name": "second"})
        assert sorted(finished(await ended(two, first["constellation"]))) == [
            f"t{n}" for n in range(5)
        ]
        facts = await ended(one, second["constellation"])
        assert len(set(finished(facts))) == len(finished(facts)) == 20
        assert len(desk.assigned) + len(server.assigned) == 25
        assert max(desk.most, server.most) <= 4
        for client in (one, two):
            listed = await client.request("list", {"all": True})
            assert [row["state"] for row in listed["constellations"]] == ["completed"] * 2
            shown = await client.request("show", {"constellation": first["constellation"]})
            assert shown["graph"]["nodes"][4]["output"] == {"n": 4}
        devices = (await one.request("devices"))["devices"]
        assert {row["name"]: row["presence"] for row in devices} == {
            "desk": "connected",
            "server": "connected",
        }


def kinds(facts: list[dict[str, object]]) -> list[object]:
    return [fact["kind"] for fact in facts]


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "leaving"])
async def test_another_orchestrator_goes_on_where_the_owner_was(
    cluster: Cluster, killed: bool
) -> None:
    async with (
        cluster.device("desk", "g1", at_once=False) as desk,
        cluster.client("g2") as client,
    ):
        submitted = await client.request("submit", {"edits": independent(6, "once")})
        name = submitted["constellation"]
        await desk.until(lambda: len(desk.assigned) == 4)
        owner = await cluster.owner(name)
        (cluster.kill if killed else cluster.stop)(owner)
        first = [body["attempt"] for body in desk.assigned]
        desk.finish(first[0])  # nobody owns it now: its gateway keeps it
        await eventually(
            lambda: (
                cluster.lives
                and name
                in {run for life in cluster.lives.values() for run in life.hub.scheduler.runs}
            )
        )
        await desk.until(lambda: len(desk.assigned) == 5)
        desk.finish_all()
        await desk.until(lambda: len(desk.assigned) == 6)
        desk.finish_all()
        facts = await ended(client, name)
        assert sorted(finished(facts)) == [f"t{n}" for n in range(6)]
        # What ran was neither given up nor begun again.
        assert "requeued" not in kinds(facts)
        assert kinds(facts).count("started") == 6
        await desk.secured()
        assert not desk.held
        epochs = [body["epoch"] for body in desk.assigned]
        assert epochs[:4] == [epochs[0]] * 4
        assert epochs[4] > epochs[0]


async def test_a_device_goes_on_at_another_gateway(cluster: Cluster) -> None:
    async with (
        cluster.device("desk", "g1", "g2", at_once=False) as desk,
        cluster.client("g2") as client,
    ):
        submitted = await client.request("submit", {"edits": independent(5, "once")})
        await desk.until(lambda: len(desk.assigned) == 4)
        cluster.kill("g1")
        desk.finish(desk.assigned[0]["attempt"])
        await desk.until(lambda: len(desk.assigned) == 5)
        desk.finish_all()
        facts = await ended(client, submitted["constellation"])
        assert sorted(finished(facts)) == [f"t{n}" for n in range(5)]
        assert kinds(facts).count("started") == 5


async def test_what_ended_is_taken_up_again_by_whoever_is_asked(cluster: Cluster) -> None:
    async with (
        cluster.device("desk", "g1", at_once=False) as desk,
        cluster.client("g1") as one,
        cluster.client("g2") as two,
    ):
        submitted = await one.request("submit", {"edits": independent(1)})
        name = submitted["constellation"]
        await desk.until(lambda: desk.running)
        attempt = next(iter(desk.running))
        desk.link.send("result", {"attempt": attempt, "state": "failed", "error": {"code": "x"}})
        desk.running.clear()
        await ended(one, name)
        cluster.stop(next(iter(cluster.lives)))
        await eventually(lambda: len(cluster.gateways["g2"].mesh.peers) == 1)
        await two.request("retry", {"constellation": name})
        await desk.until(lambda: len(desk.assigned) == 2)
        assert desk.assigned[1]["epoch"] > desk.assigned[0]["epoch"]
        desk.finish_all()
        await desk.until(lambda: not desk.running)
        await eventually(lambda: all(not each._journal.epochs for each in cluster.lives.values()))
        shown = await two.request("show", {"constellation": name})
        assert shown["state"] == "completed"


async def test_a_submission_made_twice_is_one(cluster: Cluster) -> None:
    async with cluster.client("g1") as one, cluster.client("g2") as two:
        asked = {"edits": independent(2), "id": "mine", "paused": True}
        assert (await one.request("submit", asked))["constellation"] == "mine"
        for client in (one, two):
            again = await client.request("submit", asked)
            assert again["constellation"] == "mine"
            assert again["again"]
        listed = await two.request("list", {})
        assert [row["id"] for row in listed["constellations"]] == ["mine"]
        await two.request("cancel", {"constellation": "mine"})
        assert (await one.request("submit", asked))["again"]


async def test_a_device_takes_no_more_than_it_said_from_several_owners(cluster: Cluster) -> None:
    async with (
        cluster.device("desk", "g1", capacity=3, at_once=False) as desk,
        cluster.client("g1") as client,
    ):
        for by in ["o1", "o2"] * 4:
            await cluster.submit_to(client, independent(6), by)
        while len(desk.assigned) < 48 or desk.running:
            await desk.until(lambda: desk.running)
            desk.finish(next(iter(desk.running)))
        assert desk.most == 3
        assert len(desk.assigned) == 48


async def test_an_owner_that_is_deposed_is_not_heard(cluster: Cluster) -> None:
    """It goes on telling the device what to do, in the epoch that it had."""
    async with (
        cluster.device("desk", "g1", at_once=False) as desk,
        cluster.client("g1") as client,
    ):
        submitted = await client.request("submit", {"edits": independent(1)})
        name = submitted["constellation"]
        await desk.until(lambda: desk.running)
        older = cluster.lives[await cluster.owner(name)]
        epoch = older._journal.epochs[name]
        taker = next(life for life in cluster.lives.values() if life is not older)
        await taker.estate.take(name, epoch)
        await eventually(lambda: cluster.gateways["g1"].routes.owner(name) == taker.me)
        refused = cluster.gateways["g1"].routes.refused
        older._devices["desk"].send("cancel", {"attempt": next(iter(desk.running))})
        await eventually(lambda: cluster.gateways["g1"].routes.refused > refused)
        desk.finish_all()
        facts = await ended(client, name)
        assert kinds(facts).count("finished") == 1
        assert desk.other == []


async def test_an_artifact_put_at_one_gateway_is_had_at_the_other(cluster: Cluster) -> None:
    data = bytes(range(256)) * 2_000
    async with cluster.client("g1") as one, cluster.client("g2") as two:
        digest, size = await one.artifacts.put(BytesIO(data))
        assert size == len(data)
        cluster.kill("g1")
        for _ in range(2):  # fetched from the store, then from the gateway's folder
            found = BytesIO()
            assert await two.artifacts.get(digest, found) == size
            assert found.getvalue() == data
        with pytest.raises(UnknownArtifactError):
            await two.artifacts.get("0" * 64, BytesIO())


async def test_an_orchestrator_with_nothing_to_do_does_nothing(cluster: Cluster) -> None:
    tenure = cluster.lives["o1"].keeper.tenure
    handle, seen = tenure.handle, []

    def counting(event: object, now: float) -> object:
        seen.append(event)
        return handle(event, now)  # type: ignore[arg-type]

    tenure.handle = counting  # type: ignore[method-assign, assignment]
    await eventually(lambda: sum(isinstance(event, Kept) for event in seen) == 4)
    assert len(seen) < 60


async def test_a_gateway_whose_clock_is_behind_takes_a_device_all_the_same(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cluster.client("g2") as client:
        with monkeypatch.context() as ahead:
            ahead.setattr(gateway.time, "time", lambda: 4e9)
            async with cluster.device("desk", "g1", "g2", at_once=False) as desk:
                submitted = await client.request("submit", {"edits": independent(1, "once")})
                await desk.until(lambda: desk.running)
                ahead.undo()
                cluster.kill("g1")
                desk.finish_all()
                facts = await ended(client, submitted["constellation"])
        assert kinds(facts).count("started") == 1


async def test_a_submission_that_somebody_still_plans_is_not_begun_by_another(
    cluster: Cluster,
) -> None:
    """Its claim is there and nothing of it is in the journal yet."""
    planner, other = cluster.lives.values()
    epoch = await planner._claims.make("mine")
    assert await other.estate.make_ours("submit", "mine") is None
    planner._journal.begin("mine", epoch or 0)
    planner._journal.commit([Fact(1.0, "mine", "created", {})])
    assert await other.estate.make_ours("submit", "mine") is False
