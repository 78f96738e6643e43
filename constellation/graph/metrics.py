"""What a constellation cost and where its time went, while it runs or after it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from .constellation import Constellation
from .export import to_networkx
from .node import Node


@dataclass(frozen=True, slots=True)
class Step:
    """A task on the critical path; times in seconds of the machine's clock."""

    task: str
    device: str | None
    started_at: float
    finished_at: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one constellation; all times in seconds.

    Attributes:
        work_s: time of all attempts together.
        span_s: length of the longest chain of dependent tasks, by their measured times.
        makespan_s: from the first start to the last end.
        parallelism: work over makespan: how many tasks ran on average.
        max_width: how many tasks ran at once, at most.
        average_width: how many tasks there are for each level of the graph.
        critical_path: the tasks of that longest chain, in order.
        device_busy_s: time of the attempts on each device.
        device_share: that time over the makespan; above 1 where several ran at once.
    """

    work_s: float
    span_s: float
    makespan_s: float
    parallelism: float
    max_width: int
    average_width: float
    critical_path: tuple[Step, ...]
    device_busy_s: dict[str, float]
    device_share: dict[str, float]


def measure(graph: Constellation, now: float) -> Metrics:
    """Measure a constellation; tasks that still run count up to ``now``."""
    spans = [span for node in graph.nodes.values() for span in _spans(node, now)]
    work = sum(end - start for _, start, end in spans)
    makespan = 0.0
    if spans:
        makespan = max(end for _, _, end in spans) - min(start for _, start, _ in spans)
    busy: dict[str, float] = {}
    for device, start, end in spans:
        if device is not None:
            busy[device] = busy.get(device, 0.0) + end - start
    path = _critical_path(graph, now)
    return Metrics(
        work_s=work,
        span_s=sum(step.finished_at - step.started_at for step in path),
        makespan_s=makespan,
        parallelism=work / makespan if makespan else 0.0,
        max_width=_max_width(spans),
        average_width=_average_width(graph),
        critical_path=path,
        device_busy_s=busy,
        device_share={
            device: seconds / makespan if makespan else 0.0 for device, seconds in busy.items()
        },
    )


def _spans(node: Node, now: float) -> list[tuple[str | None, float, float]]:
    """When and where each attempt ran; a map task's own span is that of its elements."""
    if node.size:
        return []
    found = [(device, start, end) for _, device, start, end, _ in node.history]
    if node.started_at is not None:
        end = now if node.finished_at is None else node.finished_at
        found.append((node.device, node.started_at, end))
    return found


def _max_width(spans: list[tuple[str | None, float, float]]) -> int:
    # An attempt that ends at the instant another starts does not overlap it: ends sort first.
    changes = [(start, 1) for _, start, end in spans if end > start]
    changes += [(end, -1) for _, start, end in spans if end > start]
    width = widest = 0
    for _, change in sorted(changes):
        width += change
        widest = max(widest, width)
    return widest


def _average_width(graph: Constellation) -> float:
    from networkx import topological_generations  # As in `to_networkx`.

    levels = sum(1 for _ in topological_generations(to_networkx(graph)))
    return len(graph.nodes) / levels if levels else 0.0


def _critical_path(graph: Constellation, now: float) -> tuple[Step, ...]:
    """The longest chain by measured times, through the topological order that the labels give."""
    best: dict[str, float] = {}
    came_from: dict[str, str | None] = {}
    ordered = sorted(graph.nodes.values(), key=attrgetter("label"))
    for node in ordered:
        if node.started_at is None or node.member_of is not None:
            # The time of a map task is that of its elements.
            continue
        earlier = [name for name in node.incoming if name in best]
        before = max(earlier, key=best.__getitem__, default=None)
        best[node.id] = _seconds(node, now) + (0.0 if before is None else best[before])
        came_from[node.id] = before
    name = max(best, key=best.__getitem__, default=None)
    path: list[Step] = []
    while name is not None:
        node = graph.nodes[name]
        started_at = node.started_at or 0.0
        path.append(Step(name, node.device, started_at, started_at + _seconds(node, now)))
        name = came_from[name]
    return tuple(reversed(path))


def _seconds(node: Node, now: float) -> float:
    if node.started_at is None:
        return 0.0
    return (now if node.finished_at is None else node.finished_at) - node.started_at
