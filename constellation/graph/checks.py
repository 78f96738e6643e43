"""What a task and a dependency must satisfy on their own, before the graph is looked at."""

from __future__ import annotations

import re
from math import inf

from constellation.errors import EditConflictError, UnknownTaskError

from .expressions import compile_predicate
from .references import Reference, parse_reference, references
from .task import Dependency, Task

MAX_GANG = 256
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")


def check_task(task: Task) -> list[Reference]:
    """Check a definition; return the references in it.

    Raises:
        GraphError: names the task, the rule and the remedy.
    """
    if task.id == "item":
        raise _refused(task, "id", "${item} is something else", "Choose another id.")
    if not _ID.fullmatch(task.id):
        raise _refused(task, "id", f"{task.id[:140]!r} is no id", "Use letters, digits, _ - and .")
    if not task.skill and not task.instruction:
        raise _refused(task, "work", "it has nothing to do", "Give it a skill or an instruction.")
    if task.retry.attempts < 1:
        raise _refused(task, "retry", "it allows no attempt", "Allow at least one.")
    if not all(0 <= wait < inf for wait in _waits(task)):
        why = "a wait is negative or without end"
        raise _refused(task, "retry", why, "Use finite seconds of 0 or more.")
    for name, value in (("timeout_s", task.timeout_s), ("deadline_s", task.deadline_s)):
        if value is not None and not 0 < value < inf:
            raise _refused(task, name, f"{name} is {value}", "Use finite seconds above 0.")
    if task.max_parallel is not None and task.max_parallel < 1:
        raise _refused(task, "max_parallel", "no element may run", "Allow at least one.")
    if task.gang is not None:
        _check_gang(task)
    found = list(references(task.arguments)) if task.arguments else []
    if task.instruction and "${" in task.instruction:
        told = list(references(task.instruction))
        if any(reference.field == "items" for reference in told):
            why = "its instruction is items, which come one by one"
            raise _refused(task, "stream", why, "Let an argument of a skill be the items.")
        found += told
    if task.for_each is not None:
        found.append(_list_reference(task))
    for reference in found:
        if not reference.task and not task.has_elements:
            raise _refused(
                task, "item", f"${{{reference.text}}} has no list", "Give the task a for_each."
            )
        if reference.field == "items" and task.has_elements:
            raise streams_into_elements(task)
    return found


def check_dependency(dependency: Dependency) -> None:
    """Check a dependency's condition.

    Raises:
        GraphError: names the rule and the remedy.
    """
    if dependency.condition == "when":
        compile_predicate(dependency.when or "")
    elif dependency.condition not in ("success", "completion", "failure", "stream"):
        raise EditConflictError(
            f"{dependency.condition!r} is no condition.",
            remedy="Use success, completion, failure, when or stream.",
            rule="condition",
        )
    elif dependency.when is not None:
        raise EditConflictError(
            f"The dependency {dependency.source} → {dependency.target} has a predicate that its "
            f"condition {dependency.condition!r} would ignore.",
            remedy="Use the condition 'when', or leave the predicate out.",
            rule="condition",
        )


def streams_into_elements(task: Task) -> EditConflictError:
    """The error of a map task or a gang that reads a stream."""
    why = "it runs by elements, and several cannot share what one puts out as it comes"
    return _refused(task, "stream", why, "Let one task read it, or wait for its output.")


def unknown_task(graph_id: str, task_id: str) -> UnknownTaskError:
    """The error of naming a task that does not exist."""
    return UnknownTaskError(
        f"There is no task {task_id[:140]!r} in {graph_id}.",
        remedy="See its tasks with `constellation show`.",
        task=task_id,
    )


def _check_gang(task: Task) -> None:
    wanted = task.requirement
    if task.gang is None or not 1 <= task.gang <= MAX_GANG:
        why = f"it would run on {task.gang} devices at once"
        raise _refused(task, "gang", why, f"Use 1 to {MAX_GANG}.")
    if task.for_each is not None:
        raise _refused(task, "gang", "it has a for_each as well", "Use one of the two.")
    if wanted.exclusive:
        why = "several members cannot each hold a resource alone"
        raise _refused(task, "gang", why, "Leave requirement.exclusive out.")
    if wanted.device is not None and task.gang > 1:
        why = f"{wanted.device} is one device"
        raise _refused(task, "gang", why, "Leave requirement.device out.")


def _waits(task: Task) -> tuple[float, float, float]:
    return task.retry.backoff_s, task.retry.factor, task.retry.max_backoff_s


def _list_reference(task: Task) -> Reference:
    text = (task.for_each or "").strip()
    if not (text.startswith("${") and text.endswith("}") and text.count("${") == 1):
        raise _refused(task, "for_each", f"{text!r} is no reference", "Write ${task.output.list}.")
    reference = parse_reference(text[2:-1])
    if not reference.task:
        raise _refused(task, "for_each", f"{text} names no task", "Write ${task.output.list}.")
    return reference


def _refused(task: Task, rule: str, why: str, remedy: str) -> EditConflictError:
    return EditConflictError(
        f"Task {task.id[:140]!r} is refused: {why}.", remedy=remedy, task=task.id, rule=rule
    )
