"""What took time, and is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from .context import TraceContext

Attributes = Mapping[str, str | bool | int | float]
Kind = Literal["server", "client", "internal"]


class Happening(NamedTuple):
    """Something at one moment of a span; ``time`` is in Unix seconds."""

    time: float
    name: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time, and is over.

    Attributes:
        name: one of few, such as ``request``, ``plan`` or ``task files.read``.
        context: its place.
        parent: the place of what it is a part of; None for a whole trace.
        start, end: Unix seconds.
        kind: ``client`` asks another program for it, ``server`` was asked.
        attributes: what is to be known of it.
        happenings: what happened meanwhile.
        error: a wire error, if it failed.
    """

    name: str
    context: TraceContext
    parent: TraceContext | None
    start: float
    end: float
    kind: Kind = "internal"
    attributes: Attributes = field(default_factory=dict)
    happenings: tuple[Happening, ...] = ()
    error: Mapping[str, object] | None = None


class Tracer(Protocol):
    """Where spans go."""

    def begin(self, name: str) -> TraceContext:
        """The place of the first span of a new trace; the tracer decides whether it is sampled."""
        ...

    def emit(self, span: Span) -> None:
        """Take a span of a sampled trace; does not wait for anything."""
        ...
