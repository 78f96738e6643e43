"""Spans of a device, and what its skills learn of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from agents.context import Context
from agents.handover import Handover
from agents.policy import Policy
from agents.roots import Roots
from agents.runtime import Agent
from agents.skills import Registry, skill
from agents.store import Store
from agents.testing import Trial
from agents.tracing import AttemptTraces
from constellation.aip.messages import Message
from constellation.errors import TaskFailed
from constellation.tracing import Span, TraceContext, read_traceparent

pytestmark = pytest.mark.anyio

TASK = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
HUB_TIME = 1_000.0


@skill("where", effect="read")
async def where(context: Context) -> str | None:
    return context.traceparent


@skill("fail", effect="read")
async def fail() -> None:
    raise TaskFailed("It rains.")


class Collected:
    """A tracer that keeps what it is told."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def begin(self, name: str) -> TraceContext:
        return TASK

    def emit(self, span: Span) -> None:
        self.spans.append(span)


class Hub:
    """The hub's end of an agent: keeps the results."""

    def __init__(self) -> None:
        self.results: dict[str, Mapping[str, Any]] = {}
        self.acknowledged = 0
        self.pending = 0
        self.is_full = False
        self._came = anyio.Event()

    def send(self, type: str, body: Mapping[str, Any]) -> int:
        if type == "result":
            self.results[body["attempt"]] = body
            self._came.set()
        return len(self.results)

    async def drained(self) -> None: ...

    async def run(self, agent: Agent, skill: str, attempt: str, **more: Any) -> Mapping[str, Any]:
        """The result of an attempt."""
        body = {"attempt": attempt, "skill": skill, "arguments": {}, **more}
        agent.received([Message("assign", 1, body)])
        with anyio.fail_after(100):
            while attempt not in self.results:
                self._came = anyio.Event()
                await self._came.wait()
        return self.results[attempt]


@asynccontextmanager
async def agent_of(hub: Hub, folder: Path, tracer: Collected | None) -> AsyncIterator[Agent]:
    with Store(folder) as store:
        handover = Handover(store)
        agent = Agent(
            Registry([where, fail]),
            handover,
            Trial(),
            capacity=4,
            roots=Roots([]),
            policy=Policy(),
            traces=AttemptTraces(tracer, "desk", lambda: HUB_TIME) if tracer else None,
        )
        handover.opened(hub, resumed=False)
        yield agent
        handover.close()


async def test_a_run_of_a_skill_is_a_span_below_its_task(tmp_path: Path) -> None:
    hub, tracer = Hub(), Collected()
    async with agent_of(hub, tmp_path, tracer) as agent:
        result = await hub.run(agent, "where", "c-1/a/1", traceparent=TASK.header)
    (span,) = tracer.spans
    assert (span.name, span.parent, span.kind) == ("where", TASK, "server")
    assert read_traceparent(result["output"]) == span.context
    assert span.context.trace_id == TASK.trace_id
    assert span.context.span_id != TASK.span_id
    assert span.start == HUB_TIME
    assert span.end == pytest.approx(HUB_TIME + result["duration_s"])
    assert span.attributes["constellation.attempt"] == "c-1/a/1"
    assert span.attributes["constellation.device"] == "desk"
    assert span.error is None


async def test_each_attempt_has_a_span_of_its_own(tmp_path: Path) -> None:
    hub, tracer = Hub(), Collected()
    async with agent_of(hub, tmp_path, tracer) as agent:
        for attempt in ("c-1/a/1", "c-1/a/2"):
            await hub.run(agent, "fail", attempt, traceparent=TASK.header)
    first, second = tracer.spans
    assert first.parent == second.parent == TASK
    assert first.context != second.context
    for span in tracer.spans:
        assert span.error is not None
        assert span.error["message"] == "It rains."
        assert span.attributes["constellation.state"] == "failed"


@pytest.mark.parametrize("header", [None, "nonsense", f"{TASK.header[:-1]}0"])
async def test_what_is_not_traced_has_no_span(tmp_path: Path, header: str | None) -> None:
    hub, tracer = Hub(), Collected()
    async with agent_of(hub, tmp_path, tracer) as agent:
        result = await hub.run(agent, "where", "c-1/a/1", traceparent=header)
    assert tracer.spans == []
    assert result.get("output") == header


async def test_what_never_began_has_no_span(tmp_path: Path) -> None:
    hub, tracer = Hub(), Collected()
    async with agent_of(hub, tmp_path, tracer) as agent:
        more = {"arguments": {"surprise": 1}, "traceparent": TASK.header}
        result = await hub.run(agent, "where", "c-1/a/1", **more)
    assert result["state"] == "failed"
    assert tracer.spans == []


async def test_a_device_without_traces_passes_the_context_on(tmp_path: Path) -> None:
    hub = Hub()
    async with agent_of(hub, tmp_path, None) as agent:
        result = await hub.run(agent, "where", "c-1/a/1", traceparent=TASK.header)
    assert result["output"] == TASK.header
