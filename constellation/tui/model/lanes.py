"""The attempts of a constellation, device by device, in lanes that do not overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from operator import attrgetter

from constellation.graph.constellation import Constellation
from constellation.graph.node import Node
from constellation.telling.text import clean


@dataclass(frozen=True, slots=True)
class Span:
    """An attempt; times in Unix seconds. ``state`` is how it ended, or ``working``."""

    label: str
    start: float
    end: float
    state: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Attempts on a device that followed one another; the first lane bears the device's name."""

    title: str
    spans: list[Span] = field(default_factory=list)


def lanes_of(graph: Constellation, now: float) -> list[Lane]:
    """All attempts; those that run last until ``now``."""
    devices: dict[str, list[Span]] = {}
    for node in graph.nodes.values():
        for device, span in _spans(node, now):
            devices.setdefault(device, []).append(span)
    return [lane for device, spans in sorted(devices.items()) for lane in _lanes(device, spans)]


def _spans(node: Node, now: float) -> Iterator[tuple[str, Span]]:
    name = clean(node.task.name or node.id)
    for _, device, start, end, _ in node.history:
        if device is not None:
            yield device, Span(name, start, end, "failed")
    if node.started_at is not None and node.device is not None:
        end = now if node.finished_at is None else node.finished_at
        yield node.device, Span(name, node.started_at, end, node.state)


def _lanes(device: str, spans: list[Span]) -> list[Lane]:
    lanes: list[Lane] = []
    ends: list[tuple[float, int]] = []
    for span in sorted(spans, key=attrgetter("start")):
        if ends and ends[0][0] <= span.start:
            _, index = heappop(ends)
        else:
            index = len(lanes)
            lanes.append(Lane("" if lanes else clean(device)))
        lanes[index].spans.append(span)
        heappush(ends, (span.end, index))
    return lanes
