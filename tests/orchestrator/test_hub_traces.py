"""Spans of a real hub, taken by an exporter in memory; the device answers as the test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    use_span,
)

import constellation
from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import Link, connect
from constellation.aip.messages import Message
from constellation.client import HubClient
from constellation.client import open_hub as open_client
from constellation.config import Settings
from constellation.errors import PlanError
from constellation.graph.edits import AddTask, Edit
from constellation.graph.task import Task
from constellation.llm.spending import Account
from constellation.orchestrator.service import open_hub
from constellation.planner.ports import Ahead, Plan
from constellation.tracing.otel import sending

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"
ASKER = f"00-{TRACE}-b7ad6b7169203331-01"
CARD = DeviceCard(
    name="desk", skills=(SkillCard(name="work", effect="read", idempotent=True),), capacity=4
)


class Words:
    """A planner that makes a task of each word, and adds one after an outcome."""

    revise_on: frozenset[str] = frozenset()

    async def plan(
        self,
        request: str,
        devices: Sequence[DeviceCard],
        ahead: Ahead | None = None,
        account: Account | None = None,
    ) -> Plan:
        if not devices:
            raise PlanError("There is nobody to do it.")
        return Plan("words", tuple(AddTask(Task(word, "work")) for word in request.split()))

    async def revise(
        self,
        snapshot: Mapping[str, Any],
        event: Mapping[str, Any],
        devices: Sequence[DeviceCard],
        account: Account | None = None,
    ) -> tuple[Edit, ...]:
        return () if event["task"] == "more" else (AddTask(Task("more", "work")),)


class Desk:
    """A device. It completes what it gets, unless the test took it away to answer it."""

    def __init__(self) -> None:
        self.link: Link
        self.assigned: dict[str, dict[str, Any]] = {}
        self.kept: set[str] = set()
        self._came = anyio.Event()

    def take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.type == "assign":
                _, task, number = message.body["attempt"].split("/")
                self.assigned[f"{task}/{number}"] = message.body
                if task not in self.kept:
                    self.result(f"{task}/{number}")
        self.link.acknowledge(messages[-1].seq)
        self._came.set()
        self._came = anyio.Event()

    def result(self, attempt: str, state: str = "completed", **more: Any) -> None:
        body = {"attempt": self.assigned[attempt]["attempt"], "state": state, **more}
        self.link.send("result", body)
        self.link.flush()

    async def has(self, attempt: str) -> None:
        with anyio.fail_after(100):
            while attempt not in self.assigned:
                await self._came.wait()


class Fabric:
    """A hub that can be started again, with a device and a client."""

    def __init__(self, state: Path) -> None:
        self.settings = Settings.model_validate({"state_dir": state, "hub": {"port": 0}})
        self.planner = Words()
        self.memories: list[InMemorySpanExporter] = []
        self.desk = Desk()

    @asynccontextmanager
    async def up(self, *, traced: bool = True, device: bool = True) -> AsyncIterator[HubClient]:
        self.memories.append(InMemorySpanExporter())
        with sending(self.memories[-1], "test", "one") as tracer:
            async with (
                open_hub(self.settings, self.planner, tracer if traced else None) as hub,
                open_client(self.settings) as client,
            ):
                if not device:
                    yield client
                    return
                offer = await client.ask("pair", name="desk")
                async with connect(
                    hub.url,
                    role="device",
                    name="desk",
                    card=CARD,
                    pair_code=offer["code"],
                    on_messages=self.desk.take,
                    inventory=lambda: ([each["attempt"] for each in self._kept()], []),
                ) as self.desk.link:
                    await self.desk.link.ready()
                    yield client

    def _kept(self) -> list[dict[str, Any]]:
        return [
            body
            for name, body in self.desk.assigned.items()
            if name.split("/")[0] in self.desk.kept
        ]

    def told(self) -> list[ReadableSpan]:
        """What was sent so far."""
        return [span for memory in self.memories for span in memory.get_finished_spans()]

    def spans(self) -> dict[str, ReadableSpan]:
        """The same by name; that of a task with the task's own."""
        found: dict[str, ReadableSpan] = {}
        for span in self.told():
            task = attributes(span).get("constellation.task")
            name = f"{span.name}: {task}" if task else span.name
            assert name not in found, f"{name} was told twice"
            found[name] = span
        return found


@pytest.fixture
def fabric(tmp_path: Path) -> Fabric:
    return Fabric(tmp_path)


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    assert span.attributes is not None
    return span.attributes


def context(span: ReadableSpan) -> SpanContext:
    assert span.context is not None
    return span.context


def below(span: ReadableSpan, parent: ReadableSpan) -> bool:
    """Whether a span is a direct part of another one."""
    above = span.parent
    assert above is not None
    return (above.trace_id, above.span_id) == (context(parent).trace_id, context(parent).span_id)


def header(span: ReadableSpan) -> str:
    return f"00-{context(span).trace_id:032x}-{context(span).span_id:016x}-01"


async def ended(client: HubClient, constellation: str) -> None:
    with anyio.fail_after(100):
        async for _ in await client.follow(constellation):
            pass


async def submitted(client: HubClient, **params: Any) -> str:
    return str((await client.ask("submit", **params))["constellation"])


async def test_request_plan_and_tasks_are_one_trace(fabric: Fabric) -> None:
    async with fabric.up() as client:
        work = await submitted(client, request="sweep mop", name="clean")
        await ended(client, work)
    spans = fabric.spans()
    request = spans["request"]
    assert set(spans) == {"request", "plan", "task work: sweep", "task work: mop"}
    assert request.parent is None
    assert all(below(span, request) for name, span in spans.items() if name != "request")
    assert attributes(request)["constellation.id"] == work
    assert attributes(request)["constellation.name"] == "clean"
    assert attributes(request)["constellation.tasks.completed"] == 2
    assert attributes(spans["plan"])["constellation.edits"] == 2
    sweep = spans["task work: sweep"]
    assert fabric.desk.assigned["sweep/1"]["traceparent"] == header(sweep)
    assert attributes(sweep)["constellation.device"] == "desk"
    assert attributes(sweep)["constellation.attempts"] == 1
    assert 0 <= attributes(sweep)["constellation.queue_s"] < 10
    assert [event.name for event in sweep.events] == ["assigned"]
    assert (request.kind, sweep.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert {span.status.status_code for span in spans.values()} == {StatusCode.UNSET}
    for span in spans.values():
        assert request.start_time is not None
        assert request.end_time is not None
        assert span.start_time is not None
        assert span.end_time is not None
        assert request.start_time <= span.start_time <= span.end_time <= request.end_time


async def test_the_trace_of_who_asks_goes_on(fabric: Fabric) -> None:
    async with fabric.up() as client:
        await ended(client, await submitted(client, request="sweep", traceparent=ASKER))
    spans = fabric.spans()
    assert {f"{context(span).trace_id:032x}" for span in spans.values()} == {TRACE}
    parent = spans["request"].parent
    assert parent is not None
    assert f"{parent.span_id:016x}" in ASKER


async def test_what_is_submitted_in_a_span_is_a_part_of_it(fabric: Fabric) -> None:
    here = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    async with fabric.up() as client:
        with use_span(NonRecordingSpan(here)):
            work = await constellation.Fabric(client).submit("sweep")
        await work.ended()
    parent = fabric.spans()["request"].parent
    assert parent is not None
    assert (parent.trace_id, parent.span_id) == (1, 2)


async def test_a_trace_that_nobody_records_is_not_recorded_here(fabric: Fabric) -> None:
    async with fabric.up() as client:
        await ended(client, await submitted(client, request="sweep", traceparent=f"{ASKER[:-1]}0"))
    assert fabric.spans() == {}
    assert "traceparent" not in fabric.desk.assigned["sweep/1"]


async def test_the_sampler_of_the_environment_decides_where_a_trace_begins(
    fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    async with fabric.up() as client:
        await ended(client, await submitted(client, request="sweep"))
        assert "traceparent" not in fabric.desk.assigned["sweep/1"]
        await ended(client, await submitted(client, request="mop", traceparent=ASKER))
    assert set(fabric.spans()) == {"request", "plan", "task work: mop"}


async def test_a_hub_without_traces_says_nothing_of_them(fabric: Fabric) -> None:
    async with fabric.up(traced=False) as client:
        work = await submitted(client, request="sweep", traceparent=ASKER)
        await ended(client, work)
        facts = (await client.ask("logs", constellation=work))["facts"]
    assert "traceparent" not in fabric.desk.assigned["sweep/1"]
    assert "trace" not in facts[0]["body"]


async def test_a_request_that_cannot_be_planned_is_an_error(fabric: Fabric) -> None:
    async with fabric.up(device=False) as client:
        with pytest.raises(PlanError):
            await client.ask("submit", request="sweep")
    spans = fabric.spans()
    assert below(spans["plan"], spans["request"])
    for span in spans.values():
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "There is nobody to do it."
        assert attributes(span)["error.type"] == "plan"


async def test_a_plan_alone_is_a_part_of_the_trace_of_who_asks(fabric: Fabric) -> None:
    async with fabric.up() as client:
        await client.ask("plan", request="sweep", traceparent=ASKER)
    (plan,) = fabric.spans().values()
    assert plan.parent is not None
    assert f"{plan.parent.span_id:016x}" in ASKER


async def test_attempts_are_moments_and_only_the_last_failure_is_an_error(fabric: Fabric) -> None:
    fabric.desk.kept = {"lucky", "unlucky"}
    error = {"code": "task.failed.exit", "message": "It rains."}
    retry = {"attempts": 2, "backoff_s": 0}
    edits = [
        {"op": "add_task", "task": {"id": name, "skill": "work", "retry": retry}}
        for name in ("lucky", "unlucky")
    ]
    async with fabric.up() as client:
        work = await submitted(client, edits=edits)
        for name in ("lucky", "unlucky"):
            await fabric.desk.has(f"{name}/1")
            fabric.desk.result(f"{name}/1", "failed", error=error)
            await fabric.desk.has(f"{name}/2")
        fabric.desk.result("lucky/2")
        fabric.desk.result("unlucky/2", "failed", error=error)
        await ended(client, work)
    spans = fabric.spans()
    lucky, unlucky = spans["task work: lucky"], spans["task work: unlucky"]
    assert attributes(lucky)["constellation.attempts"] == 2
    names = [event.name for event in lucky.events]
    assert sorted(names) == ["assigned", "assigned", "requeued"]
    (requeued,) = (event for event in lucky.events if event.name == "requeued")
    assert requeued.attributes is not None
    assert requeued.attributes["cause"] == "failed"
    assert "It rains" in str(requeued.attributes["reason"])
    assert lucky.status.status_code is StatusCode.UNSET
    assert unlucky.status.status_code is StatusCode.ERROR
    assert unlucky.status.description == "It rains."
    assert attributes(unlucky)["error.type"] == "task.failed.exit"
    assert spans["request"].status.status_code is StatusCode.ERROR
    both = {fabric.desk.assigned[f"lucky/{number}"]["traceparent"] for number in (1, 2)}
    assert both == {header(lucky)}


async def test_what_was_canceled_is_told_and_is_no_error(fabric: Fabric) -> None:
    fabric.desk.kept = {"sweep", "mop"}
    async with fabric.up() as client:
        work = await submitted(client, request="sweep mop dry")
        await fabric.desk.has("mop/1")
        await client.ask("cancel", constellation=work, task="sweep")
        await client.ask("cancel", constellation=work)
        for name in ("sweep/1", "mop/1"):
            fabric.desk.result(name, "canceled")
        await ended(client, work)
    spans = fabric.spans()
    for name in ("task work: sweep", "task work: mop", "request"):
        assert attributes(spans[name])["constellation.state"] == "canceled"
        assert spans[name].status.status_code is StatusCode.UNSET


async def test_a_task_that_is_retried_after_the_end_has_a_span_of_its_own(fabric: Fabric) -> None:
    fabric.desk.kept = {"sweep"}
    async with fabric.up() as client:
        work = await submitted(client, request="sweep")
        await fabric.desk.has("sweep/1")
        fabric.desk.result("sweep/1", "failed", error={"code": "task.failed", "message": "No."})
        await ended(client, work)
        await client.ask("retry", constellation=work)
        await fabric.desk.has("sweep/2")
        fabric.desk.result("sweep/2")
        await ended(client, work)
    told = fabric.told()
    first, second = (span for span in told if span.name == "task work")
    (request,) = (span for span in told if span.name == "request")
    (again,) = (span for span in told if span.name == "reopened")
    assert context(first).span_id != context(second).span_id
    assert fabric.desk.assigned["sweep/2"]["traceparent"] == header(second)
    assert all(below(span, request) for span in (first, second, again))
    assert request.status.status_code is StatusCode.ERROR
    assert again.status.status_code is StatusCode.UNSET


async def test_a_revision_is_a_part_of_the_request(fabric: Fabric) -> None:
    fabric.planner.revise_on = frozenset({"completed"})
    async with fabric.up() as client:
        await ended(client, await submitted(client, request="sweep"))
    spans = fabric.spans()
    assert set(spans) >= {"revise: sweep", "revise: more", "task work: more"}
    assert below(spans["revise: sweep"], spans["request"])
    assert attributes(spans["revise: sweep"])["constellation.edits"] == 1
    assert attributes(spans["revise: more"])["constellation.edits"] == 0


async def test_a_restarted_hub_goes_on_with_the_same_trace(fabric: Fabric) -> None:
    fabric.desk.kept = {"sweep"}
    async with fabric.up() as client:
        work = await submitted(client, request="sweep", traceparent=ASKER)
        await fabric.desk.has("sweep/1")
    assert set(fabric.spans()) == {"plan"}
    async with fabric.up() as client:
        fabric.desk.result("sweep/1")
        await ended(client, work)
    spans = fabric.spans()
    request, sweep = spans["request"], spans["task work: sweep"]
    assert below(spans["plan"], request)
    assert below(sweep, request)
    assert fabric.desk.assigned["sweep/1"]["traceparent"] == header(sweep)
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" in ASKER
