"""What credentials permit holds whichever gateway a client or a device is at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster_kit import Cluster, chain, cluster_of, ended, eventually, new_fabric

from constellation.aip.client import Link, connect
from constellation.aip.scope import Scope
from constellation.errors import PermissionDenied, UnknownConstellationError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cluster(nats_url: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    fabric = new_fabric("permissions")
    async with cluster_of(nats_url, fabric, tmp_path, orchestrators=1, gateways=1) as found:
        yield found


@asynccontextmanager
async def guest(cluster: Cluster, **scope: Any) -> AsyncIterator[Link]:
    """A client that may do less than everything."""
    gateway, (life,) = cluster.gateways["g1"], cluster.lives.values()
    allowed = Scope.model_validate(scope)
    _, token = gateway.access.credentials.issue("guest", "client", 0.0, scope=allowed)
    await eventually(lambda: life.hub.access.credentials.scope("guest") == allowed)
    async with connect(gateway.url, role="client", name="guest", credential=token) as link:
        await link.ready()
        yield link


async def test_a_client_may_use_the_skills_that_it_was_allowed(cluster: Cluster) -> None:
    async with cluster.device("desk", "g1"), guest(cluster, skills=["work"]) as client:
        with pytest.raises(PermissionDenied, match="once"):
            await client.request("submit", {"edits": chain(1, "once")})
        submitted = await client.request("submit", {"edits": chain(1)})
        facts = await ended(client, submitted["constellation"])
        assert facts[-1]["kind"] == "ended"


async def test_a_client_sees_its_own_constellations_alone(cluster: Cluster) -> None:
    async with (
        cluster.device("desk", "g1"),
        cluster.client("g1") as owner,
        guest(cluster, constellations="own") as client,
    ):
        theirs = (await owner.request("submit", {"edits": chain(1)}))["constellation"]
        await ended(owner, theirs)
        for verb in ("logs", "subscribe"):
            with pytest.raises(UnknownConstellationError):
                await client.request(verb, {"constellation": theirs})
        with pytest.raises(PermissionDenied):
            await client.request("subscribe")
        own = (await client.request("submit", {"edits": chain(1)}))["constellation"]
        await ended(client, own)
        listed = await client.request("list", {"all": True})
        assert [row["id"] for row in listed["constellations"]] == [own]


async def test_what_is_allowed_by_a_gateway_holds_at_once_for_a_device_there(
    cluster: Cluster,
) -> None:
    async with cluster.device("desk", "g1"), cluster.client("g1") as client:
        await client.request("allow", {"name": "desk", "skills": ["work"]})
        (life,) = cluster.lives.values()
        card = lambda: life.hub.scheduler.devices["desk"].card  # noqa: E731
        await eventually(lambda: [skill.name for skill in card().skills] == ["work"])
        with pytest.raises(PermissionDenied):
            await client.request(
                "submit",
                {
                    "edits": [
                        {
                            "op": "add_task",
                            "task": {
                                "id": "t",
                                "skill": "once",
                                "requirement": {"device": "desk"},
                            },
                        }
                    ]
                },
            )


async def test_a_secret_is_sealed_in_the_log_and_opens_for_the_device(cluster: Cluster) -> None:
    async with cluster.device("desk", "g1") as desk, cluster.client("g1") as client:
        secret = {"password": "tomatoes are fruit"}
        task = {"id": "t", "skill": "unknown.yet", "arguments": secret}
        added = [{"op": "add_task", "task": task}]
        name = (await client.request("submit", {"edits": added, "paused": True}))["constellation"]
        for verb in ("show", "logs"):
            told = await client.request(verb, {"constellation": name})
            assert "tomatoes" not in str(told)
        change = {"op": "update_task", "id": "t", "changes": {"skill": "work", "arguments": secret}}
        await client.request("edit", {"constellation": name, "edits": [change]})
        await client.request("resume", {"constellation": name})
        await ended(client, name)
        assert desk.assigned[0]["arguments"] == secret


async def test_a_device_that_comes_right_after_a_new_permission_is_held_to_it(
    nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it looked at the bucket once an hour: what it knows is older than the permission.
    monkeypatch.setattr("constellation.cluster.access.LOOK_S", 3_600.0)
    async with (
        cluster_of(nats_url, "comes", tmp_path, orchestrators=1, gateways=1) as cluster,
        cluster.client("g1") as client,
    ):
        (life,) = cluster.lives.values()
        theirs = life.hub.access.credentials
        await cluster.token("desk", "g1")
        await client.request("allow", {"name": "desk", "skills": ["once"]})
        assert theirs.find("desk") is None
        name = (await client.request("submit", {"edits": chain(1)}))["constellation"]
        async with cluster.device("desk", "g1", at_once=False) as desk:
            await eventually(lambda: "desk" in life.hub.scheduler.devices)
            await eventually(lambda: life.hub.scheduler.devices["desk"].card.capacity)
            (skill,) = life.hub.scheduler.devices["desk"].card.skills
            assert skill.name == "once"
            await client.request("show", {"constellation": name})
            assert not desk.assigned
