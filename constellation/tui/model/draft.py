"""A task as a person writes it, and the edits that make a constellation so."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from constellation.errors import EditConflictError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Edit, RemoveDependency, UpdateTask
from constellation.graph.plain import task_to_plain
from constellation.graph.task import Dependency, Requirement, Task


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of a form.

    Attributes:
        device: the only one allowed; empty for any.
        after: ids of the tasks that it waits for, with commas between.
        arguments: a JSON object.
    """

    id: str = ""
    name: str = ""
    skill: str = ""
    device: str = ""
    after: str = ""
    arguments: str = "{}"


def draft_of(graph: Constellation, task_id: str) -> Draft:
    """A task as a form shows it.

    Raises:
        UnknownTaskError: there is none of that id.
    """
    node = graph.node(task_id)
    task = node.task
    return Draft(
        task.id,
        task.name,
        task.skill,
        task.requirement.device or "",
        ", ".join(node.incoming),
        json.dumps(dict(task.arguments), indent=2, ensure_ascii=False),
    )


def edits_for(graph: Constellation, task_id: str | None, draft: Draft) -> tuple[Edit, ...]:
    """The edits that add a task (``task_id`` None) or change one; as few as will do.

    Raises:
        EditConflictError: the arguments are no JSON object, or there is no id.
        UnknownTaskError: there is none of that id.
    """
    after = tuple(dict.fromkeys(each.strip() for each in draft.after.split(",") if each.strip()))
    arguments = _arguments(draft.arguments)
    if task_id is None:
        return _new(draft, arguments, after)
    node = graph.node(task_id)
    task = node.task
    changes: dict[str, Any] = {}
    if draft.name != task.name:
        changes["name"] = draft.name
    if draft.skill != task.skill:
        changes["skill"] = draft.skill
    if arguments != task.arguments:
        changes["arguments"] = arguments
    if draft.device != (task.requirement.device or ""):
        requirement = replace(task.requirement, device=draft.device or None)
        changed = task_to_plain(replace(task, requirement=requirement))
        changes["requirement"] = changed.get("requirement", {})
    edits: list[Edit] = [UpdateTask(task_id, changes)] if changes else []
    edits += [RemoveDependency(each, task_id) for each in node.incoming if each not in after]
    edits += [
        AddDependency(Dependency(each, task_id)) for each in after if each not in node.incoming
    ]
    return tuple(edits)


def _new(draft: Draft, arguments: dict[str, Any], after: tuple[str, ...]) -> tuple[Edit, ...]:
    if not draft.id:
        raise EditConflictError(
            "The task has no id.", remedy="Give it one that no other has.", rule="id"
        )
    requirement = Requirement(device=draft.device or None)
    task = Task(draft.id, draft.skill, arguments, name=draft.name, requirement=requirement)
    return (AddTask(task), *(AddDependency(Dependency(each, draft.id)) for each in after))


def _arguments(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise EditConflictError(
            f"The arguments are no JSON: {error.msg} in line {error.lineno}.",
            remedy='Write them like {"path": "notes.txt"}.',
            rule="arguments",
        ) from None
    if not isinstance(read, dict):
        raise EditConflictError(
            "The arguments are no JSON object.",
            remedy='Write them like {"path": "notes.txt"}.',
            rule="arguments",
        )
    return read
