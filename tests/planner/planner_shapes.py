"""The shape of a plan as lines of text, so that a table of expectations stays readable."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from constellation.graph.edits import AddDependency, AddTask
from constellation.graph.task import Dependency, Task
from constellation.planner.ports import Plan


def shape(plan: Plan) -> list[str]:
    """One line for each task, then one for each dependency."""
    tasks = [_task(edit.task) for edit in plan.edits if isinstance(edit, AddTask)]
    edges = [_edge(edit.dependency) for edit in plan.edits if isinstance(edit, AddDependency)]
    assert len(tasks) + len(edges) == len(plan.edits)
    return [*tasks, *edges]


def _task(task: Task) -> str:
    words = [f"{task.id} = {task.skill} {_place(task)}", *_arguments(task.arguments)]
    if task.join == "any":
        words.append("any-of")
    if task.retry.attempts > 1:
        words.append(f"attempts={task.retry.attempts}")
    if task.retry.elsewhere:
        words.append("elsewhere")
    return " ".join(words)


def _place(task: Task) -> str:
    if task.requirement.device:
        return f"@{task.requirement.device}"
    if task.requirement.avoid:
        return f"@not:{','.join(task.requirement.avoid)}"
    return "@any"


def _arguments(arguments: Mapping[str, Any]) -> Iterator[str]:
    """``name=value``; of a value with references only those, as ``name=<ref, ref>``."""
    for name, value in sorted(arguments.items()):
        text = json.dumps(value)
        references = re.findall(r"(?<!\$)\$\{([^}]*)\}", text)
        yield f"{name}=<{', '.join(references)}>" if references else f"{name}={text}"


def _edge(dependency: Dependency) -> str:
    if dependency.condition == "success":
        return f"{dependency.source} -> {dependency.target}"
    condition = dependency.when or dependency.condition
    return f"{dependency.source} -[{condition}]-> {dependency.target}"
