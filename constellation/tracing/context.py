"""Where in a trace something belongs, and how that travels between programs.

As W3C Trace Context has it: https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import os
import re
import sys
from hashlib import blake2b
from typing import NamedTuple

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


class TraceContext(NamedTuple):
    """A place in a trace.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        sampled: False if nobody records this trace.
    """

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def header(self) -> str:
        """The ``traceparent`` that names it."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"

    def child(self, *about: object) -> TraceContext:
        """The place below this one that is about something: the same words, the same place."""
        words = "\0".join([self.trace_id, self.span_id, *map(str, about)])
        return self._replace(span_id=blake2b(words.encode(), digest_size=8).hexdigest())


def read_traceparent(header: str | None) -> TraceContext | None:
    """What a ``traceparent`` says; None if it says nothing that the standard knows."""
    found = _HEADER.fullmatch(header or "")
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more):
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def traceparent_here() -> str | None:
    """The context in which this program, or the span that is current in it, does its work.

    A span can be current only where the application uses OpenTelemetry itself; else the environment
    may say for which span the process was started.
    """
    api = sys.modules.get("opentelemetry.trace")
    if api is not None:
        current = api.get_current_span().get_span_context()
        if current.is_valid:
            trace_id, span_id = f"{current.trace_id:032x}", f"{current.span_id:016x}"
            return TraceContext(trace_id, span_id, current.trace_flags.sampled).header
    given = os.environ.get("TRACEPARENT")
    return given if read_traceparent(given) else None
