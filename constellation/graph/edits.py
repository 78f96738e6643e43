"""Edits of a constellation: the only way its shape changes.

A `Batch` is applied whole or not at all. Each edit is frozen plain data, tagged by ``op`` on the
wire, so that ``TypeAdapter(Edit)`` reads it from JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, with_config

from .task import STRICT, ConditionKind, Dependency, Task, TaskState


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class AddTask:
    """Add a task. References in its arguments imply success dependencies where none is given."""

    task: Task
    op: Literal["add_task"] = "add_task"


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class RemoveTask:
    """Remove a task that has not started, with its dependencies."""

    id: str
    op: Literal["remove_task"] = "remove_task"


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class UpdateTask:
    """Change fields of a task that has not started; ``changes`` maps field names to new values."""

    id: str
    changes: Mapping[str, Any]
    op: Literal["update_task"] = "update_task"


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class CancelTask:
    """Cancel a task, started or not; with ``subtree`` also everything that descends from it."""

    id: str
    reason: str = "canceled on request"
    subtree: bool = False
    op: Literal["cancel_task"] = "cancel_task"


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class RetryTask:
    """Run a task that ended without success again; what was skipped because of it comes back."""

    id: str
    op: Literal["retry_task"] = "retry_task"


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class AddDependency:
    """Add an edge; a second edge between the same two tasks is refused."""

    dependency: Dependency
    op: Literal["add_dependency"] = "add_dependency"


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class RemoveDependency:
    """Remove the edge between two tasks."""

    source: str
    target: str
    op: Literal["remove_dependency"] = "remove_dependency"


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class UpdateDependency:
    """Re-point an edge or change its condition; None keeps what it has."""

    source: str
    target: str
    new_source: str | None = None
    new_target: str | None = None
    condition: ConditionKind | None = None
    when: str | None = None
    op: Literal["update_dependency"] = "update_dependency"


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class ReplaceSubgraph:
    """Put new tasks in the place of tasks that have not started.

    Attributes:
        remove: ids of the tasks to take out.
        tasks, dependencies: what stands in their place; may name tasks that stay.
    """

    remove: tuple[str, ...]
    tasks: tuple[Task, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    op: Literal["replace_subgraph"] = "replace_subgraph"


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class RestoreTask:
    """Take a retry back, before the task has started again; found in inverses only.

    Attributes:
        state: the state it was in: failed, rejected or canceled.
        output, error, started_at, finished_at, settled: as they were.
    """

    id: str
    state: TaskState
    output: Any = None
    error: Mapping[str, Any] | None = None
    started_at: float | None = None
    finished_at: float | None = None
    settled: bool = True
    op: Literal["restore_task"] = "restore_task"


Edit = Annotated[
    AddTask
    | RemoveTask
    | UpdateTask
    | CancelTask
    | RetryTask
    | AddDependency
    | RemoveDependency
    | UpdateDependency
    | ReplaceSubgraph
    | RestoreTask,
    Field(discriminator="op"),
]


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class Batch:
    """Edits applied as one.

    Attributes:
        edits: in order; later ones may rely on earlier ones.
        base_version: the version that the author saw; the batch is refused if a task or edge that
            it touches has changed since. None skips that check.
        author: who asked for it, for the record.
        note: why, for the record.
    """

    edits: tuple[Edit, ...]
    base_version: int | None = None
    author: str = ""
    note: str = field(default="")


# How one step of a batch is taken back: by an edit, or by removing what was added. Most steps add;
# the edits that take those back are made only if somebody wants them.
Undo = Edit | Task | Dependency


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch of edits did.

    Attributes:
        version: the constellation's version after it.
        canceled: tasks whose running attempts must be stopped.
        undo: what `inverse` is made of, in the order of the steps; None if it cannot be undone.
    """

    version: int
    canceled: tuple[str, ...] = ()
    undo: tuple[Undo, ...] | None = field(default=None, repr=False)

    @property
    def inverse(self) -> Batch | None:
        """Edits that undo it, made when asked for.

        None if it canceled work that had started, or started a map task, for then no edit brings
        back what was.
        """
        if self.undo is None:
            return None
        edits = tuple(map(_as_edit, reversed(self.undo)))
        return Batch(edits, note=f"undo version {self.version}")


def _as_edit(step: Undo) -> Edit:
    match step:
        case Task():
            return RemoveTask(step.id)
        case Dependency():
            return RemoveDependency(step.source, step.target)
    return step


def taken_apart(edits: Sequence[Edit]) -> Sequence[Edit]:
    """The same edits, with each replacement as the simple edits that it stands for."""
    if ReplaceSubgraph not in set(map(type, edits)):
        return edits
    simple: list[Edit] = []
    for edit in edits:
        if isinstance(edit, ReplaceSubgraph):
            simple += map(RemoveTask, edit.remove)
            simple += map(AddTask, edit.tasks)
            simple += map(AddDependency, edit.dependencies)
        else:
            simple.append(edit)
    return simple
