"""Metrics: what a run cost and where its time went."""

from __future__ import annotations

from typing import Any

import pytest

from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Batch, Edit
from constellation.graph.metrics import measure
from constellation.graph.task import Dependency, Outcome, Task, TaskState


def build(*edits: Edit) -> Constellation:
    graph = Constellation("c")
    graph.apply(Batch(edits), 0.0)
    return graph


def task(id: str, **fields: Any) -> AddTask:
    return AddTask(Task(id, skill="s", **fields))


def edge(source: str, target: str) -> AddDependency:
    return AddDependency(Dependency(source, target))


def run(graph: Constellation, name: str, device: str, start: float, end: float) -> None:
    graph.start(name, device, start)
    graph.finish(name, Outcome(TaskState.COMPLETED), end)


def diamond() -> Constellation:
    """a, then b (4 s) beside c (1 s), then d."""
    graph = build(
        *(task(name) for name in "abcd"),
        edge("a", "b"),
        edge("a", "c"),
        edge("b", "d"),
        edge("c", "d"),
    )
    run(graph, "a", "desk", 10.0, 12.0)
    run(graph, "b", "desk", 12.0, 16.0)
    run(graph, "c", "lab", 12.0, 13.0)
    run(graph, "d", "lab", 17.0, 20.0)
    return graph


def test_a_finished_run() -> None:
    found = measure(diamond(), 99.0)
    assert found.work_s == 10.0
    assert found.span_s == 9.0
    assert found.makespan_s == 10.0
    assert found.parallelism == 1.0
    assert found.max_width == 2
    assert found.average_width == pytest.approx(4 / 3)
    assert found.device_busy_s == {"desk": 6.0, "lab": 4.0}
    assert found.device_share == {"desk": 0.6, "lab": 0.4}
    assert [(step.task, step.device) for step in found.critical_path] == [
        ("a", "desk"),
        ("b", "desk"),
        ("d", "lab"),
    ]
    assert [(step.started_at, step.finished_at) for step in found.critical_path] == [
        (10.0, 12.0),
        (12.0, 16.0),
        (17.0, 20.0),
    ]


def test_what_still_runs_counts_up_to_now() -> None:
    graph = build(task("a"), task("b"), task("waiting"))
    graph.start("a", "desk", 1.0)
    graph.start("b", "desk", 3.0)
    found = measure(graph, 5.0)
    assert found.work_s == 6.0
    assert found.makespan_s == 4.0
    assert found.max_width == 2
    assert found.parallelism == 1.5
    assert found.device_share == {"desk": 1.5}
    assert [step.task for step in found.critical_path] == ["a"]


def test_one_task_after_another_is_no_overlap() -> None:
    graph = build(task("a"), task("b"))
    run(graph, "a", "desk", 0.0, 1.0)
    run(graph, "b", "desk", 1.0, 2.0)
    assert measure(graph, 2.0).max_width == 1


def test_earlier_attempts_are_work_too() -> None:
    graph = build(task("a"))
    graph.start("a", "desk", 1.0)
    graph.requeue("a", "lost", 3.0)
    run(graph, "a", "lab", 4.0, 5.0)
    found = measure(graph, 9.0)
    assert found.work_s == 3.0
    assert found.makespan_s == 4.0
    assert found.device_busy_s == {"desk": 2.0, "lab": 1.0}


def test_a_map_task_costs_what_its_elements_cost() -> None:
    graph = build(task("list"), task("each", for_each="${list.output}"))
    graph.start("list", "desk", 0.0)
    graph.finish("list", Outcome(TaskState.COMPLETED, [1, 2]), 1.0)
    run(graph, "each[0]", "desk", 2.0, 4.0)
    run(graph, "each[1]", "lab", 2.0, 5.0)
    found = measure(graph, 9.0)
    assert found.work_s == 6.0
    assert found.max_width == 2
    assert found.device_busy_s == {"desk": 3.0, "lab": 3.0}
    assert [step.task for step in found.critical_path] == ["list", "each"]


@pytest.mark.parametrize("graph", [Constellation("c"), build(task("a"), task("b"), edge("a", "b"))])
def test_nothing_has_run_yet(graph: Constellation) -> None:
    found = measure(graph, 5.0)
    assert (found.work_s, found.span_s, found.makespan_s, found.parallelism) == (0, 0, 0, 0)
    assert found.max_width == 0
    assert found.critical_path == ()
    assert found.device_busy_s == {}
