"""One trace from a program, through a hub, to the skills of a device, sent to a collector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from span_collector import Collector, collecting

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"
ASKER = "b7ad6b7169203331"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{ASKER}-01")
        yield server


def skill(name: str, **arguments: Any) -> dict[str, Any]:
    task = {"id": name.replace(".", "-"), "skill": name, "arguments": arguments}
    return {"op": "add_task", "task": task}


async def test_one_trace_goes_from_a_program_to_what_a_skill_starts(
    fabric: Any, collector: Collector
) -> None:
    edits = [
        skill("shell.run", command="printf $TRACEPARENT"),
        skill("http.get", url=collector.url),
        skill("files.read", path="missing"),
    ]
    async with fabric() as processes:
        await processes.start_agent("desk", "--root", str(processes.settings.state_dir))
        async with processes.client() as client:
            work = (await client.ask("submit", edits=edits))["constellation"]
            with anyio.fail_after(100):
                async for event in await client.follow(work):
                    if event["kind"] == "asked":
                        await client.ask(
                            "answer", constellation=work, task="shell-run", answer=True
                        )
            shown = await client.show(work)
    outputs = {node["task"]["id"]: node.get("output") for node in shown["graph"]["nodes"]}

    spans = collector.spans
    request = spans["constellation-hub", "request"]
    assert request.parent_span_id.hex() == ASKER
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    for name in ("shell.run", "http.get", "files.read"):
        task = spans["constellation-hub", f"task {name}"]
        run = spans["constellation-agent", name]
        assert task.parent_span_id == request.span_id
        assert run.parent_span_id == task.span_id
    started = header(spans["constellation-agent", "shell.run"])
    assert outputs["shell-run"]["stdout"] == started
    assert collector.visits == [header(spans["constellation-agent", "http.get"])]
    asked = [event.name for event in spans["constellation-hub", "task shell.run"].events]
    assert asked == ["assigned", "asked", "answered"]
    failed = {name for name, span in spans.items() if span.status.code == Status.STATUS_CODE_ERROR}
    assert failed == {
        ("constellation-hub", "request"),
        ("constellation-hub", "task files.read"),
        ("constellation-agent", "files.read"),
    }


def header(span: Span) -> str:
    return f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
