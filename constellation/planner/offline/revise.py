"""Moving failed work to another device, when the request asked for that and the graph cannot.

A fallback that could be planned is part of the constellation from the start. This covers the one
that could not: ``if that fails, use another device`` when no other device was there yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from constellation.graph.edits import (
    AddDependency,
    AddTask,
    Edit,
    UpdateDependency,
    UpdateTask,
)
from constellation.graph.plain import task_from_plain
from constellation.graph.references import rename
from constellation.graph.task import Dependency, Task

_FAILED = frozenset({"failed", "rejected"})


def stand_in(
    snapshot: Mapping[str, Any], event: Mapping[str, Any], planned: Sequence[Edit]
) -> tuple[Edit, ...]:
    """The edits that give a failed task a stand-in; none if the graph has one, or none was asked.

    Args:
        snapshot: the constellation as it is.
        event: the outcome of one of its tasks.
        planned: what the request would become with the devices that are connected now.
    """
    nodes = {str(node["task"]["id"]): node for node in snapshot["nodes"]}
    failed = nodes.get(str(event["task"]))
    if failed is None or event["state"] not in _FAILED:
        return ()
    task = task_from_plain(failed["task"])
    edges = [edge for edge in snapshot["dependencies"] if edge["source"] == task.id]
    if task.retry.elsewhere or any(edge.get("condition") == "failure" for edge in edges):
        return ()
    wanted = _wanted(task, planned)
    if wanted is None:
        return ()
    new = replace(wanted, id=_fresh_id(f"{task.id}-elsewhere", nodes), arguments=task.arguments)
    edits: list[Edit] = [AddTask(new), AddDependency(Dependency(task.id, new.id, "failure"))]
    for edge in edges:
        target = nodes[edge["target"]]
        if edge.get("condition", "success") == "success" and target["state"] == "submitted":
            edits += _repointed(task.id, new.id, task_from_plain(target["task"]))
    return tuple(edits)


def _wanted(task: Task, planned: Sequence[Edit]) -> Task | None:
    """The stand-in that a fresh plan of the request gives to the same work."""
    tasks = {edit.task.id: edit.task for edit in planned if isinstance(edit, AddTask)}
    for edit in planned:
        if isinstance(edit, AddDependency) and edit.dependency.condition == "failure":
            first, second = tasks[edit.dependency.source], tasks[edit.dependency.target]
            same = (first.skill, dict(first.arguments)) == (task.skill, dict(task.arguments))
            if same and second.skill == first.skill and second.arguments == first.arguments:
                return second
    return None


def _repointed(old: str, new: str, target: Task) -> list[Edit]:
    """A dependent, waiting for the stand-in and using its result."""
    edits: list[Edit] = [UpdateDependency(old, target.id, new_source=new)]
    arguments = rename(target.arguments, {old: new})
    if arguments != target.arguments:
        edits.append(UpdateTask(target.id, {"arguments": arguments}))
    return edits


def _fresh_id(wanted: str, taken: Mapping[str, Any]) -> str:
    found, number = wanted[:110], 2
    while found in taken:
        found, number = f"{wanted[:110]}-{number}", number + 1
    return found
