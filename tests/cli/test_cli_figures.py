"""Where the time of a constellation went, as a person reads it."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from constellation.cli.figures import figures
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Batch
from constellation.graph.metrics import measure
from constellation.graph.task import Dependency, Outcome, Task, TaskState


def printed(graph: Constellation, now: float) -> list[str]:
    out = StringIO()
    Console(file=out, width=100).print(*figures(measure(graph, now)), sep="\n")
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_summary_critical_path_and_devices() -> None:
    graph = Constellation("c")
    tasks = [AddTask(Task(name, "work")) for name in ("a", "b", "x")]
    graph.apply(Batch((*tasks, AddDependency(Dependency("a", "b")))), 0.0)
    assert printed(graph, 1.0) == ["Nothing has run yet."]
    graph.start("a", "desk", 1.0)
    graph.start("x", "arm", 1.0)
    graph.finish("a", Outcome(TaskState.COMPLETED), 3.0)
    graph.start("b", "desk", 4.0)
    graph.finish("x", Outcome(TaskState.COMPLETED), 5.0)
    lines = printed(graph, 9.0)
    for line in (
        "From the first start to the last end 8.0 s",
        "Work, all attempts together 11.0 s",
        "Longest chain of tasks 7.0 s",
        "At once, on average 1.38",
        "At once, at most 2",
        "Tasks for each level of the graph 1.50",
        "a desk +0 ms 2.0 s",
        "b desk +3.0 s 5.0 s",
        "desk 7.0 s 88%",
        "arm 4.0 s 50%",
    ):
        assert line in lines
