"""An orchestrator tells spans of what it does, to whatever collector the environment names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_kit import chain, cluster_of, ended

pytest.importorskip("opentelemetry.proto")

from span_collector import Collector, collecting

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        yield server


async def test_tasks_are_told_in_the_trace_of_who_asked(
    nats_url: str, tmp_path: Path, collector: Collector
) -> None:
    asked = {"edits": chain(2), "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    async with (
        cluster_of(nats_url, "traces", tmp_path, orchestrators=1, gateways=1) as cluster,
        cluster.device("desk", "g1"),
        cluster.client("g1") as client,
    ):
        await ended(client, (await client.request("submit", asked))["constellation"])
    told = {name for (_, name), span in collector.spans.items() if span.trace_id.hex() == TRACE}
    assert {service for service, _ in collector.spans} == {"constellation-orchestrator"}
    assert len([name for name in told if "work" in name]) >= 1, told
