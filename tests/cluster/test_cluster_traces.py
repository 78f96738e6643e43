"""An orchestrator tells spans of what it does, to whatever collector the environment names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cluster_kit import chain, cluster_of, ended

pytest.importorskip("opentelemetry.proto")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector(ThreadingHTTPServer):
    """Takes spans by OTLP: trace and name of each, by service."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans: set[tuple[str, str, str]] = set()

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            of = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans |= {
                    (of["service.name"], each.trace_id.hex(), each.name) for each in scope.spans
                }


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.take(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv(
            "OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}"
        )
        yield server
        server.shutdown()
        thread.join()


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
    told = {name for service, trace, name in collector.spans if trace == TRACE}
    assert {service for service, _, _ in collector.spans} == {"constellation-orchestrator"}
    assert len([name for name in told if "work" in name]) >= 1, told
