"""Metrics of a real hub, as Prometheus would fetch them."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from constellation.client import open_hub as open_client
from constellation.config import Settings
from constellation.errors import ConfigError
from constellation.orchestrator.service import open_hub

pytestmark = pytest.mark.anyio

EDITS = [
    {"op": "add_task", "task": {"id": "ready", "skill": "nobody.has.it", "arguments": {}}},
    {"op": "add_task", "task": {"id": "gone", "skill": "nobody.has.it", "arguments": {}}},
    {"op": "cancel_task", "id": "gone"},
]


def settings(state: Path, metrics_port: int | None) -> Settings:
    return Settings.model_validate(
        {"state_dir": state, "hub": {"port": 0, "metrics_port": metrics_port}}
    )


async def test_what_a_hub_counts_is_served_to_those_who_ask(tmp_path: Path) -> None:
    mine = settings(tmp_path, 0)
    async with open_hub(mine) as hub, open_client(mine) as client, httpx.AsyncClient() as http:
        await client.ask("submit", edits=EDITS)
        answer = await http.get(f"http://127.0.0.1:{hub.metrics_port}/metrics")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["constellation_open",] == 1
    assert found["constellation_ready_tasks",] == 1
    assert found["constellation_facts_total", "created"] == 1
    assert found["constellation_sessions", "client"] == 1
    assert found["constellation_attempts_total",] == 0
    commits = found["constellation_commit_seconds_count",]
    assert commits == found["constellation_commit_seconds_bucket", "+Inf"] >= 1
    assert found["constellation_commit_seconds_sum",] > 0


async def test_none_are_served_unless_asked_for(tmp_path: Path) -> None:
    async with open_hub(settings(tmp_path, None)) as hub:
        assert hub.metrics_port is None


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BaseExceptionGroup) as caught:
            async with open_hub(settings(tmp_path, port)):
                pass
    assert caught.group_contains(ConfigError, match=f"127.0.0.1:{port}")
