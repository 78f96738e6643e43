"""Constellations in few words, for tests."""

from __future__ import annotations

from typing import Any

from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Batch, Edit
from constellation.graph.task import Dependency, Outcome, Task, TaskState

COMPLETED, FAILED = TaskState.COMPLETED, TaskState.FAILED
CANCELED, SUBMITTED = TaskState.CANCELED, TaskState.SUBMITTED


def task(id: str, **fields: Any) -> AddTask:
    return AddTask(Task(id, skill="s", **fields))


def edge(source: str, target: str, condition: Any = "success", when: str | None = None) -> Edit:
    return AddDependency(Dependency(source, target, condition, when))


def build(*edits: Edit) -> Constellation:
    graph = Constellation("c")
    graph.apply(Batch(edits), 0.0)
    return graph


def ready(graph: Constellation) -> list[str]:
    return graph.take_changes().ready


def end(
    graph: Constellation,
    name: str,
    state: TaskState = COMPLETED,
    output: Any = None,
    settle: bool = True,
) -> None:
    graph.start(name, "d", 1.0)
    error = None if state is COMPLETED else {"code": "task.failed", "message": "no"}
    graph.finish(name, Outcome(state, output, error), 2.0, settle)


def mapped(**fields: Any) -> Constellation:
    graph = build(
        task("list"),
        task(
            "each",
            for_each="${list.output.files}",
            arguments={"path": "${item.path}", "n": "${index}"},
            **fields,
        ),
        task("after", arguments={"all": "${each.output}"}),
    )
    graph.take_changes()
    return graph
