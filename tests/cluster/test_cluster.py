"""Orchestrators and gateways at work together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from cluster_kit import Cluster, chain, cluster_of, ended, independent

pytestmark = pytest.mark.anyio

_FABRICS = count(1)


@pytest.fixture
async def cluster(nats_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster_of(nats_url, f"cluster{next(_FABRICS)}", tmp_path) as found:
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
