"""The context that travels, by the rules of W3C Trace Context."""

from __future__ import annotations

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from constellation.errors import ConfigError
from constellation.tracing import TraceContext, read_traceparent, traceparent_here
from constellation.tracing.switch import wanted

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", True),
    ],
)
def test_a_traceparent_names_a_place(header: str, sampled: bool) -> None:
    assert read_traceparent(header) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "hello",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
def test_what_the_standard_does_not_know_says_nothing(header: str | None) -> None:
    assert read_traceparent(header) is None


def test_a_place_writes_the_header_that_names_it() -> None:
    for header in (f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"):
        found = read_traceparent(header)
        assert found is not None
        assert found.header == header


def test_the_same_words_lead_to_the_same_place_and_others_to_another() -> None:
    root = TraceContext(TRACE, SPAN)
    assert root.child("task", "a", 1) == root.child("task", "a", 1)
    places = {root.child("task", "a", 1), root.child("task", "a", 2), root.child("task", "a1")}
    assert len(places | {root}) == 4
    assert {place.trace_id for place in places} == {TRACE}
    assert read_traceparent(root.child("task").header) == root.child("task")


def test_a_program_is_where_its_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACEPARENT", raising=False)
    assert traceparent_here() is None
    monkeypatch.setenv("TRACEPARENT", "nonsense")
    assert traceparent_here() is None
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{SPAN}-01")
    assert traceparent_here() == f"00-{TRACE}-{SPAN}-01"


def test_a_span_that_is_current_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{SPAN}-01")
    context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    with use_span(NonRecordingSpan(context)):
        assert traceparent_here() == f"00-{1:032x}-{2:016x}-01"


@pytest.mark.parametrize(
    ("environment", "exporter"),
    [
        ({}, None),
        (ENDPOINT, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, None),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, None),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "otlp"),
    ],
)
def test_the_environment_switches_traces_on(
    environment: dict[str, str], exporter: str | None
) -> None:
    assert wanted(environment) == exporter


@pytest.mark.parametrize(
    "more", [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}]
)
def test_what_cannot_be_done_is_said_at_the_start(more: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(more.values()))):
        wanted({**ENDPOINT, **more})
