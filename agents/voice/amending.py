"""What changes running work into what was meant, if nothing of it has gone the wrong way yet. Pure.

The new plan is laid over the tasks that run, one by one in their order. Where they differ, those
that run must not have started; else the work has to be stopped and done anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Plain: TypeAlias = Mapping[str, Any]

_REFERENCE = re.compile(r"\$\{([^.}\s]+)")


def amendment(graph: Plain, planned: Sequence[Plain]) -> list[dict[str, Any]] | None:
    """Edits by which a graph becomes what is planned, with the ids of its tasks.

    Args:
        graph: a constellation, as a hub shows it.
        planned: the edits of a plan: its tasks, and the dependencies between them.

    Returns:
        None if edits do not suffice; none of them if nothing differs.
    """
    nodes = graph["nodes"]
    tasks = [edit["task"] for edit in planned if edit["op"] == "add_task"]
    edges = [edit["dependency"] for edit in planned if edit["op"] == "add_dependency"]
    if len(nodes) != len(tasks) or len(tasks) + len(edges) != len(planned):
        return None
    ids = {task["id"]: node["task"]["id"] for task, node in zip(tasks, nodes, strict=True)}
    for edge in edges:
        edge = {**edge, "source": ids[edge["source"]], "target": ids[edge["target"]]}
        if edge not in graph["dependencies"]:
            return None
    edits = []
    for task, node in zip(tasks, nodes, strict=True):
        changes = _changes(node["task"], _renamed(task, ids))
        if changes is None or (changes and node["state"] != "submitted"):
            return None
        if changes:
            edits.append({"op": "update_task", "id": node["task"]["id"], "changes": changes})
    return edits


def _changes(old: Plain, new: Plain) -> dict[str, Any] | None:
    """The fields that differ; None if it is another kind of task."""
    if old.get("skill") != new.get("skill") or old.keys() - new.keys():
        return None
    return {name: value for name, value in new.items() if value != old.get(name)}


def _renamed(task: Plain, ids: Mapping[str, str]) -> Plain:
    """A task with the ids of those that run, in what it refers to as well."""

    def own(found: re.Match[str]) -> str:
        return "${" + ids.get(found[1], found[1])

    renamed: Plain = json.loads(_REFERENCE.sub(own, json.dumps({**task, "id": ids[task["id"]]})))
    return renamed
