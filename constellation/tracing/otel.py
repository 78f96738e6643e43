"""Spans by OpenTelemetry (extra ``otel``): its sampler, its limits, its exporters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import randbits
from threading import Thread
from typing import Literal

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from .context import TraceContext
from .spans import Span

_KINDS = {
    "client": SpanKind.CLIENT,
    "server": SpanKind.SERVER,
    "internal": SpanKind.INTERNAL,
}
_UNNAMED = "unknown_service"
# How long the last spans may take to be sent.
LAST_S = 2.0


def make_exporter(kind: Literal["otlp", "console"]) -> SpanExporter:
    """An exporter; the environment says where it sends to, and how."""
    return OTLPSpanExporter() if kind == "otlp" else ConsoleSpanExporter()


@contextmanager
def sending(exporter: SpanExporter, service: str, instance: str) -> Iterator[OtelTracer]:
    """Send spans by an exporter; at the end, what was not sent yet."""
    ids = _GivenIds()
    resource = _resource(service, instance)
    provider = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield OtelTracer(provider, ids)
    finally:
        # A collector that does not answer would hold up the program for as long as its timeout.
        last = Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(LAST_S)


class OtelTracer:
    """A `Tracer`; for use in one thread.

    Args:
        provider: makes the spans, and passes them on.
        ids: its source of ids.
    """

    def __init__(self, provider: TracerProvider, ids: _GivenIds) -> None:
        self._sampler = provider.sampler
        self._tracer = provider.get_tracer("constellation")
        self._ids = ids

    def begin(self, name: str) -> TraceContext:
        """See `Tracer.begin`."""
        trace_id = randbits(128) or 1
        decision = self._sampler.should_sample(Context(), trace_id, name).decision
        is_sampled = decision is Decision.RECORD_AND_SAMPLE
        return TraceContext(f"{trace_id:032x}", f"{randbits(64) or 1:016x}", is_sampled)

    def emit(self, span: Span) -> None:
        """See `Tracer.emit`."""
        self._ids.given = span.context
        made = self._tracer.start_span(
            span.name,
            Context() if span.parent is None else _below(span.parent),
            _KINDS[span.kind],
            span.attributes,
            start_time=_nanoseconds(span.start),
        )
        for time, name, attributes in span.happenings:
            made.add_event(name, attributes, _nanoseconds(time))
        if span.error is not None:
            made.set_attribute("error.type", str(span.error.get("code", "unknown")))
            made.set_status(Status(StatusCode.ERROR, str(span.error.get("message", ""))))
        made.end(_nanoseconds(span.end))


class _GivenIds(IdGenerator):
    """The ids of the span that is made next."""

    given: TraceContext

    def generate_trace_id(self) -> int:
        return int(self.given.trace_id, 16)

    def generate_span_id(self) -> int:
        return int(self.given.span_id, 16)


def _below(parent: TraceContext) -> Context:
    context = SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT),
    )
    return set_span_in_context(NonRecordingSpan(context), Context())


def _resource(service: str, instance: str) -> Resource:
    resource = Resource.create({SERVICE_INSTANCE_ID: instance})
    if str(resource.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    return resource


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
