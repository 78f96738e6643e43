"""Traces: what happened when for one request, across programs.

Ids of spans are derived from what they are about, and a span is told as a whole once it is over. So
nothing must be kept for one that is open, and a hub that is restarted goes on with the same trace.
Nothing but `constellation.tracing.otel` knows how spans leave a program.
"""

from .context import TraceContext, read_traceparent, traceparent_here
from .spans import Attributes, Happening, Kind, Span, Tracer
from .switch import tracing

__all__ = [
    "Attributes",
    "Happening",
    "Kind",
    "Span",
    "TraceContext",
    "Tracer",
    "read_traceparent",
    "traceparent_here",
    "tracing",
]
