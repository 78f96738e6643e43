"""What comes over HTTP with a ``traceparent`` is a part of that trace on the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette

from constellation.bridges.a2a import a2a_app
from constellation.bridges.openai import chat_app
from constellation.config import LocalHub, Settings
from constellation.orchestrator.service import open_hub
from constellation.tracing.otel import sending

pytestmark = pytest.mark.anyio

TRACE, ASKER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CHAT = {"model": "constellation", "messages": [{"role": "user", "content": "ponder"}]}
MESSAGE = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "ponder"}]}
RPC = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": MESSAGE}}


def chat(url: str) -> Starlette:
    return chat_app(url)


def a2a(url: str) -> Starlette:
    return a2a_app(url, "http://bridge")


@pytest.mark.parametrize(
    ("app", "path", "body"), [(chat, "/v1/chat/completions", CHAT), (a2a, "/a2a", RPC)]
)
async def test_a_request_over_http_brings_its_trace(
    app: Any, path: str, body: dict[str, Any], tmp_path: Path
) -> None:
    settings = Settings.model_validate({"state_dir": tmp_path, "hub": {"port": 0}})
    memory = InMemorySpanExporter()
    with sending(memory, "hub", "one") as tracer:
        async with open_hub(settings, tracer=tracer) as hub:
            local = LocalHub.find(tmp_path)
            assert local is not None
            headers = {
                "authorization": f"Bearer {local.token.get_secret_value()}",
                "traceparent": f"00-{TRACE}-{ASKER}-01",
                "a2a-version": "1.0",
            }
            transport = httpx.ASGITransport(app(hub.url))
            async with httpx.AsyncClient(
                transport=transport, base_url="http://bridge", headers=headers
            ) as client:
                answer = await client.post(path, json=body)
    assert answer.status_code == 200
    (request,) = [span for span in memory.get_finished_spans() if span.name == "request"]
    assert request.parent is not None
    assert f"{request.parent.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == ASKER
