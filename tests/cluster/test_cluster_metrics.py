"""Gateways and orchestrators serve metrics, each of what it does."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from anyio import to_thread
from cluster_kit import chain, ended, eventually, settings

from constellation.cluster.orchestrator import Orchestrator
from constellation.cluster.service import ClusterOptions, open_gateway, run_orchestrator

pytest.importorskip("prometheus_client")
import anyio

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import connect
from constellation.config import LocalHub

pytestmark = pytest.mark.anyio


async def scraped(port: int | None) -> dict[str, float]:
    """What is served, by name with its labels."""

    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    lines = (await to_thread.run_sync(read)).splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


async def test_each_tells_what_it_does(nats_url: str, tmp_path: Path) -> None:
    lives: list[Orchestrator] = []
    options = [ClusterOptions([nats_url], each, "metrics", 1, 1.0) for each in ("o1", "g1")]
    state = tmp_path / "g1"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            run_orchestrator,
            settings(tmp_path / "o1", metrics_port=0),
            options[0],
            lives.append,
        )
        async with open_gateway(settings(state, metrics_port=0), options[1]) as gateway:
            await eventually(lambda: gateway.mesh.peers)
            local = LocalHub.find(state)
            assert local is not None
            token = local.token.get_secret_value()
            _, theirs = gateway.access.credentials.issue("desk", "device", 0.0)
            card = DeviceCard(name="desk", skills=(SkillCard(name="work", effect="read"),))
            async with (
                connect(gateway.url, role="client", name="me", credential=token) as client,
                connect(
                    gateway.url, role="device", name="desk", card=card, credential=theirs
                ) as device,
            ):
                await device.ready()
                name = (await client.request("submit", {"edits": chain(3)}))["constellation"]
                await eventually(lambda: lives[-1].hub.scheduler.devices["desk"].running)
                told = await scraped(gateway.metrics_port)
                assert told['constellation_sessions{role="device"}'] == 1
                assert told['constellation_sessions{role="client"}'] == 1
                assert told['constellation_running{device="desk"}'] == 1
                assert told["constellation_open"] == 0
                told = await scraped(lives[-1].hub.metrics_port)
                assert told["constellation_open"] == 1
                assert told["constellation_attempts_total"] == 1
                assert told['constellation_facts_total{kind="created"}'] == 1
                await client.request("cancel", {"constellation": name})
                await ended(client, name)
        tasks.cancel_scope.cancel()
