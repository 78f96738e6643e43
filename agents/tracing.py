"""What a device tells of its attempts as spans: one for each run of a skill."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from constellation.tracing import Span, TraceContext, Tracer, read_traceparent

from .attempts import Attempt


class _Open(NamedTuple):
    context: TraceContext
    parent: TraceContext
    began: float


class AttemptTraces:
    """Spans of attempts that the hub wants traced.

    Args:
        tracer: where spans go.
        device: the device's name.
        hub_time: the hub's clock, in Unix seconds, so that the spans of all devices fit together;
            None as long as it is not known.
    """

    def __init__(self, tracer: Tracer, device: str, hub_time: Callable[[], float | None]) -> None:
        self._tracer = tracer
        self._device = device
        self._hub_time = hub_time
        self._open: dict[str, _Open] = {}

    def begins(self, attempt: Attempt) -> None:
        """An attempt begins; what its skill starts will be below its span."""
        parent = read_traceparent(attempt.traceparent)
        if parent is not None and parent.sampled:
            context = parent.child(attempt.id)
            attempt.traceparent = context.header
            self._open[attempt.id] = _Open(context, parent, self._hub_time() or time.time())

    def ended(self, attempt: Attempt, result: Mapping[str, Any]) -> None:
        """An attempt has ended, with this body of AIP's ``result``; it need not have begun."""
        opened = self._open.pop(attempt.id, None)
        if opened is None:
            return
        span = Span(
            attempt.skill.name,
            opened.context,
            opened.parent,
            opened.began,
            opened.began + result["duration_s"],
            "server",
            {
                "constellation.attempt": attempt.id,
                "constellation.device": self._device,
                "constellation.skill": attempt.skill.name,
                "constellation.effect": attempt.skill.card.effect,
                "constellation.state": result["state"],
            },
            error=result["error"] if result["state"] == "failed" else None,
        )
        self._tracer.emit(span)
