"""The constellation: what building, editing, running and measuring cost, and whether size matters.

Graphs are layered, each task waits for three of the layer before. Edits are batches of their own,
made on a constellation of which half the tasks have ended while others run, as a planner's are.
"""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Batch, ReplaceSubgraph
from constellation.graph.metrics import measure
from constellation.graph.task import Dependency, Outcome, Task, TaskState

from .harness import Options, Report, interleave, quantile, summarise
from .workloads import SEED, SKILL, layered

WIDTH = 100
EDITS = 300
US = 1e6
DONE = Outcome(TaskState.COMPLETED, None)


@dataclass(frozen=True, slots=True)
class Costs:
    """What one graph cost.

    Attributes:
        build, drain, metrics: seconds for each task.
        edits: seconds of each edit, by its kind.
    """

    build: float
    drain: float
    metrics: float
    edits: Mapping[str, list[float]]

    def each(self) -> dict[str, float]:
        """Seconds for one operation of each kind, on average."""
        edits = {kind: sum(times) / len(times) for kind, times in self.edits.items()}
        return {"build": self.build, **edits, "drain": self.drain, "metrics": self.metrics}


def run(options: Options) -> Report:
    """Measure graphs of several sizes in turn."""
    sizes = (400, 800, 1_600) if options.quick else (1_000, 10_000, 100_000)
    edits = options.size(EDITS, 20)
    found = interleave({size: partial(_cost, size, edits) for size in sizes}, options.times(5))
    report = Report()
    table = report.table("µs of CPU an operation", "tasks", *found[sizes[0]][0].each())
    costs = {
        size: {
            kind: summarise([costs.each()[kind] * US for costs in measured])
            for kind in measured[0].each()
        }
        for size, measured in found.items()
    }
    for size, by_kind in costs.items():
        table.add_row(f"{size:,}", *map(str, by_kind.values()))
    growth = {
        kind: costs[sizes[-1]][kind].median / smallest.median
        for kind, smallest in costs[sizes[0]].items()
    }
    table.add_row("largest/smallest", *(f"{each:.1f}×" for each in growth.values()))
    report.data["us_per_operation"] = {
        str(size): {kind: summary.to_plain() for kind, summary in by_kind.items()}
        for size, by_kind in costs.items()
    }
    report.data["growth"] = growth
    _report_edits(report, sizes[-1], found[sizes[-1]])
    _report_memory(report, sizes[-1])
    report.notes.append(
        "Build, drain and metrics are for each task; an edit is a batch of its own."
    )
    return report


def _report_edits(report: Report, size: int, measured: list[Costs]) -> None:
    table = report.table(
        f"An edit of a running constellation of {size:,} tasks, µs of CPU",
        "edit",
        "p50",
        "p99",
        "most",
    )
    data = report.data.setdefault("edit_of_a_running_constellation_us", {"tasks": size})
    for kind in measured[0].edits:
        times = [each * US for costs in measured for each in costs.edits[kind]]
        found = {"p50": quantile(times, 0.5), "p99": quantile(times, 0.99), "max": max(times)}
        table.add_row(kind, *(f"{each:,.1f}" for each in found.values()))
        data[kind] = found


def _report_memory(report: Report, size: int) -> None:
    """Bytes for each waiting task, without the definitions that the edits brought along."""
    batch = Batch(tuple(layered(WIDTH, size // WIDTH)))
    graph = Constellation("c-bench")
    tracemalloc.start()
    graph.apply(batch, 0.0)
    each = tracemalloc.get_traced_memory()[0] / size
    tracemalloc.stop()
    report.data["bytes_per_waiting_task"] = each
    report.table("Memory", "tasks", "bytes a waiting task").add_row(f"{size:,}", f"{each:,.0f}")


# ── one graph ───────────────────────────────────────────────────────────────────────────────────


def _cost(size: int, edits: int) -> Costs:
    batch = Batch(tuple(layered(WIDTH, size // WIDTH)))
    graph = Constellation("c-bench")
    gc.collect()  # What a graph before it left behind is not this one's cost.
    began = time.thread_time()
    graph.apply(batch, 0.0)
    built = time.thread_time()
    ended = _drain(graph, size // 2)
    drained = time.thread_time()
    times = _edit(graph, edits)
    edited = time.thread_time()
    measure(graph, 1.0)
    measured = time.thread_time() - edited
    return Costs((built - began) / size, (drained - built) / ended, measured / size, times)


def _drain(graph: Constellation, enough: int) -> int:
    """Start and end tasks as they become ready; leave a wave of them running."""
    ended = 0
    while True:
        ready = graph.take_changes().ready
        for name in ready:
            graph.start(name, "desk", 0.0)
        if ended >= enough:
            return ended
        for name in ready:
            graph.finish(name, DONE, 1.0)
        ended += len(ready)


def _edit(graph: Constellation, each: int) -> dict[str, list[float]]:
    """Edit what waits, kind after kind, while what runs ends and is followed by other tasks."""
    nodes = list(graph.nodes.values())
    running = [node.id for node in nodes if node.state is TaskState.WORKING]
    # The last fifth is not reached: a tenth of the tasks ends in the meantime, at most.
    waiting = [node.id for node in nodes[-len(nodes) // 5 :]]
    pace = max(1, 10 * each // len(nodes))
    draw = random.Random(SEED)
    kinds = {"edge": _edge, "node between two": _between, "subgraph replaced": _replaced}
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(each):
        for kind, make in kinds.items():
            batch = make(graph, waiting, draw, number)
            began = time.thread_time()
            graph.apply(batch, 1.0)
            times[kind].append(time.thread_time() - began)
        if number % pace == 0:
            graph.finish(running.pop(), DONE, 1.0)
        for name in graph.take_changes().ready:
            graph.start(name, "desk", 1.0)
            running.append(name)
    return times


def _edge(graph: Constellation, waiting: list[str], draw: random.Random, number: int) -> Batch:
    """A new dependency of one task on another; ``number`` names what is new, where anything is."""
    while True:
        first, second = sorted(draw.sample(range(len(waiting)), 2))
        source, target = waiting[first], waiting[second]
        if target not in graph.successors(source):
            return Batch((AddDependency(Dependency(source, target)),))


def _between(graph: Constellation, waiting: list[str], draw: random.Random, number: int) -> Batch:
    """A new task between one that exists and one that waits for it."""
    target = draw.choice(waiting)
    source = draw.choice(list(graph.predecessors(target)))
    name = f"between{number}"
    return Batch(
        (
            AddTask(Task(name, skill=SKILL)),
            AddDependency(Dependency(source, name)),
            AddDependency(Dependency(name, target)),
        )
    )


def _replaced(graph: Constellation, waiting: list[str], draw: random.Random, number: int) -> Batch:
    """A task and what surrounds it: two tasks, one after the other, stand in its place."""
    place = draw.randrange(len(waiting))
    old, first, second = waiting[place], f"first{number}", f"second{number}"
    waiting[place] = first
    return Batch(
        (
            ReplaceSubgraph(
                (old,),
                (Task(first, skill=SKILL), Task(second, skill=SKILL)),
                (
                    *(Dependency(source, first) for source in graph.predecessors(old)),
                    Dependency(first, second),
                    *(Dependency(second, target) for target in graph.successors(old)),
                ),
            ),
        )
    )
