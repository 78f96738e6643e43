"""One batch of edits: applied whole, or not at all.

First the shape is changed edit by edit, with a `Ledger` of what was there before; any refusal puts
it back. Once nothing can be refused any more, readiness is counted afresh for what the edits
touched, in topological order, so that each task is looked at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from constellation.errors import EditConflictError, ImmutableTaskError, UnknownTaskError

from . import refusals
from .checks import check_dependency, check_task, streams_into_elements, unknown_task
from .edits import (
    AddDependency,
    AddTask,
    Applied,
    Batch,
    CancelTask,
    Edit,
    RemoveDependency,
    RemoveTask,
    RestoreTask,
    RetryTask,
    Undo,
    UpdateDependency,
    UpdateTask,
    taken_apart,
)
from .ledger import Ledger
from .node import Node
from .placing import Bounds, bounds
from .plain import task_from_plain, task_to_plain
from .ranks import update_ranks
from .recount import recount
from .references import Reference
from .states import canceled
from .task import ACTIVE, ConditionKind, Dependency, Outcome, Task, TaskState

if TYPE_CHECKING:
    from .constellation import Constellation


class Transaction:
    """The application of one batch to one constellation."""

    def __init__(self, graph: Constellation, now: float) -> None:
        self._graph = graph
        self._progress = graph.progress
        self._nodes = graph.nodes
        self._now = now
        self._version = graph.version + 1
        self._base: int | None = None
        self._ledger = Ledger(graph.progress, graph.order)
        self._bounds: dict[str, Bounds] = {}
        # Ids in the order in which they were met; None stands for references to be looked up.
        self._references: dict[str, list[Reference] | None] = {}
        self._affected: dict[str, None] = {}
        self._ranked: dict[str, None] = {}
        self._ended: list[Node] = []
        self._canceled: list[str] = []
        self._undo: list[Undo] | None = []

    def run(self, batch: Batch) -> Applied:
        """Apply the batch.

        Raises:
            GraphError: names the task, the rule and the remedy; nothing has changed.
        """
        graph = self._graph
        self._base = batch.base_version
        accepted = False
        try:
            if self._base is not None and self._base > graph.version:
                raise refusals.never_been(graph.id, self._base, graph.version)
            edits = taken_apart(batch.edits)
            self._bounds = bounds(self._nodes, edits)
            for edit in edits:
                self._apply(edit)
            self._check_references()
            accepted = True
        finally:
            if not accepted:
                self._ledger.undo()
        self._ledger.keep()
        graph.version = self._version
        if recount(self._progress, self._affected, self._ended, self._now):
            self._undo = None
        update_ranks(self._nodes, self._ranked, graph.weights)
        undo = None if self._undo is None else tuple(self._undo)
        return Applied(graph.version, tuple(self._canceled), undo)

    def _apply(self, edit: Edit) -> None:
        match edit:
            case AddDependency():
                self._add_dependency(edit.dependency)
            case AddTask():
                self._add_task(edit.task)
            case RemoveTask(name):
                self._remove_task(name)
            case UpdateTask(name, changes):
                self._update_task(name, dict(changes))
            case CancelTask(name, reason, subtree):
                self._cancel_task(name, reason, subtree)
            case RetryTask(name):
                self._retry_task(name)
            case RemoveDependency(source, target):
                self._remove_dependency(source, target)
            case UpdateDependency():
                self._update_dependency(edit)
            case RestoreTask():
                self._restore_task(edit)

    # ── tasks ───────────────────────────────────────────────────────────────────────────────────

    def _add_task(self, task: Task) -> None:
        found = check_task(task)
        if self._ledger.find(task.id) is not None:
            raise EditConflictError(
                f"There is a task {task.id!r} already.",
                remedy="Choose another id, or update the task that is there.",
                task=task.id,
                rule="unique id",
            )
        node = Node(task, self._now, self._version)
        self._ledger.add(node)
        self._graph.order.place(node, *self._bounds.get(task.id, (None, None)))
        self._affected[task.id] = None
        self._ranked[task.id] = None
        if found:
            self._references[task.id] = found
        self._undo_with(task)

    def _remove_task(self, name: str) -> None:
        node = self._own(name)
        if node.started or (node.ended and node.state is not TaskState.CANCELED):
            raise refusals.immutable(node, "removed")
        if node.ended and not node.skipped:
            self._undo_with(_as_it_is(node))
        for source in reversed(list(node.incoming)):
            self._disconnect(self._touch(source, changes=False), node)
        for target in reversed(list(node.outgoing)):
            self._remove_dependency(name, target)
        self._progress.withdraw(node)
        self._ledger.remove(node)
        for noted in (self._affected, self._ranked, self._references):
            noted.pop(name, None)
        self._undo_with(AddTask(node.task))

    def _update_task(self, name: str, changes: dict[str, Any]) -> None:
        node = self._own(name)
        if not (node.started and not node.ended and changes.keys() <= _ABOUT_ITS_END):
            self._refuse_started(node, "changed")
        if changes.get("id", name) != name:
            raise EditConflictError(
                f"The id of task {name} cannot be changed.",
                remedy="Add a task with the new id and remove this one.",
                task=name,
                rule="id",
            )
        before = task_to_plain(node.task, full=True)
        task = task_from_plain({**before, **changes})
        self._references[name] = check_task(task)
        node.task = task
        if task.has_elements and node.reads:
            raise streams_into_elements(task)
        self._affected[name] = None
        self._ranked[name] = None
        self._undo_with(UpdateTask(name, {field: before[field] for field in changes}))

    def _cancel_task(self, name: str, reason: str, subtree: bool) -> None:
        node = self._touch(name)
        whole = self._progress.gang_of(node)
        if whole is not None and not node.ended:
            # A gang is canceled as a whole.
            node, name = self._touch(whole.id), whole.id
        if node.ended and not (node.skipped and subtree):
            raise ImmutableTaskError(
                f"Task {name} has ended: it is {node.state}.",
                remedy="There is nothing to cancel.",
                task=name,
                rule="ended",
            )
        self._cancel(node, reason)
        if subtree:
            for below in self._graph.descendants([name]):
                self._cancel(self._touch(below), reason)

    def _cancel(self, node: Node, reason: str) -> None:
        for each in (*self._progress.elements(node), node):
            if each.ended:
                continue
            self._touch(each.id)
            if each.state in ACTIVE and not each.size:
                self._canceled.append(each.id)
            if each.started or each.member_of is not None:
                self._undo = None
            self._undo_with(RetryTask(each.id))
            self._progress.end(each, canceled(reason), self._now)
            self._ended.append(each)

    def _retry_task(self, name: str) -> None:
        node = self._own(name)
        if node.skipped:
            raise EditConflictError(
                f"Task {name} never ran: {_reason(node)}",
                remedy="Retry the task that it waits for, or change its dependencies.",
                task=name,
                rule="skipped",
            )
        if not node.ended or node.state is TaskState.COMPLETED:
            raise ImmutableTaskError(
                f"Task {name} is {node.state}: it cannot be retried.",
                remedy="Only a task that ended without success can.",
                task=name,
                rule="retry",
            )
        self._undo_with(_as_it_is(node))
        self._progress.remember_attempt(node, self._now, _reason(node))
        self._progress.reopen(node)
        self._affected[name] = None
        self._affected.update(dict.fromkeys(node.outgoing))

    def _restore_task(self, edit: RestoreTask) -> None:
        node = self._own(edit.id)
        if node.state is not TaskState.SUBMITTED or edit.state not in _RETRIED:
            raise ImmutableTaskError(
                f"Task {edit.id} is {node.state}: its retry cannot be taken back.",
                remedy="Cancel it instead.",
                task=edit.id,
                rule="restore",
            )
        self._undo_with(RetryTask(edit.id))
        self._progress.end(node, Outcome(edit.state, edit.output, edit.error), self._now)
        if node.attempt and edit.started_at is not None:
            # The retry had moved that attempt to the history.
            node.history = node.history[:-1]
        node.started_at, node.finished_at = edit.started_at, edit.finished_at
        node.settled = edit.settled
        self._affected.update(dict.fromkeys(node.outgoing))

    # ── dependencies ────────────────────────────────────────────────────────────────────────────

    def _add_dependency(self, dependency: Dependency) -> None:
        check_dependency(dependency)
        source = self._touch(dependency.source, changes=False)
        if source.member_of is not None:
            raise refusals.element(source)
        target = self._ledger.added.get(dependency.target)
        if target is None or target.state is not TaskState.SUBMITTED:
            target = self._changeable(dependency.target, "made to wait")
        if source.id in target.incoming:
            raise EditConflictError(
                f"{target.id} waits for {source.id} already.",
                remedy="Change that dependency instead.",
                task=target.id,
                rule="one dependency between two tasks",
            )
        if dependency.condition == "stream" and target.task.has_elements:
            raise streams_into_elements(target.task)
        self._ledger.connect(source, target, dependency)
        self._graph.order.connect(source, target)
        self._affected[target.id] = None
        self._ranked[source.id] = None
        self._undo_with(dependency)

    def _remove_dependency(self, source_id: str, target_id: str) -> Dependency:
        source = self._touch(source_id, changes=False)
        target = self._changeable(target_id, "released")
        dependency = target.incoming.get(source_id)
        if dependency is None:
            raise UnknownTaskError(
                f"{target_id} does not wait for {source_id}.",
                remedy="See its dependencies with `constellation show`.",
                task=target_id,
                rule="known dependency",
            )
        self._disconnect(source, target)
        return dependency

    def _disconnect(self, source: Node, target: Node) -> None:
        dependency = target.incoming[source.id]
        self._ledger.disconnect(source, target)
        self._affected[target.id] = None
        self._ranked[source.id] = None
        self._references.setdefault(target.id, None)
        self._undo_with(AddDependency(dependency))

    def _update_dependency(self, edit: UpdateDependency) -> None:
        before = self._remove_dependency(edit.source, edit.target)
        condition = edit.condition or before.condition
        when = edit.when if edit.when is not None else before.when
        self._add_dependency(
            Dependency(
                edit.new_source or edit.source,
                edit.new_target or edit.target,
                condition,
                when if condition == "when" else None,
            )
        )

    # ── rules ───────────────────────────────────────────────────────────────────────────────────

    def _touch(self, name: str, *, changes: bool = True) -> Node:
        """The node of that id, noted in the ledger.

        ``changes`` False is for a task that merely gains or loses a dependent.
        """
        node = self._ledger.added.get(name)
        if node is not None:
            return node
        node = self._ledger.find(name)
        if node is None:
            raise unknown_task(self._graph.id, name)
        if node.changed == self._version:
            return node
        self._ledger.save(node)
        if not changes:
            return node
        if self._base is not None and node.changed > self._base:
            raise refusals.changed_since(node, self._base)
        node.changed = self._version
        return node

    def _changeable(self, name: str, verb: str) -> Node:
        node = self._own(name)
        self._refuse_started(node, verb)
        return node

    def _refuse_started(self, node: Node, verb: str) -> None:
        if node.started or (node.ended and not node.skipped):
            raise refusals.immutable(node, verb)

    def _own(self, name: str) -> Node:
        """The node of that id, noted in the ledger, unless it is the map task's that made it."""
        node = self._touch(name)
        if node.member_of is not None:
            raise refusals.element(node)
        return node

    def _check_references(self) -> None:
        """Every reference needs a dependency on what it names; new tasks get it by themselves."""
        for name, found in list(self._references.items()):
            node = self._nodes[name]
            implied = found is not None
            for reference in check_task(node.task) if found is None else found:
                source = reference.task
                if not source:
                    continue
                if (known := node.incoming.get(source)) is not None:
                    # What runs, or ran, has its arguments already.
                    if not node.started and (reference.field == "items") != (
                        known.condition == "stream"
                    ):
                        raise refusals.wrong_kind(node, reference, known)
                    continue
                if not implied:
                    raise EditConflictError(
                        f"Task {name} still refers to ${{{reference.text}}}.",
                        remedy=f"Change the arguments of {name} first, or in the same batch.",
                        task=name,
                        rule="references need a dependency",
                    )
                if self._ledger.find(source) is None:
                    raise UnknownTaskError(
                        f"Task {name} refers to {source!r}, which does not exist.",
                        remedy="Correct the reference, or add that task in the same batch.",
                        task=name,
                        rule="known reference",
                    )
                kind: ConditionKind = "stream" if reference.field == "items" else "success"
                self._add_dependency(Dependency(source, name, kind))

    def _undo_with(self, step: Undo) -> None:
        if self._undo is not None:
            self._undo.append(step)


# What nobody asks before a task ends, so that it may be changed while it runs.
_ABOUT_ITS_END = frozenset({"name", "optional"})
_RETRIED = frozenset({TaskState.FAILED, TaskState.REJECTED, TaskState.CANCELED})


def _as_it_is(node: Node) -> RestoreTask:
    return RestoreTask(
        node.id,
        node.state,
        node.output,
        node.error,
        node.started_at,
        node.finished_at,
        node.settled,
    )


def _reason(node: Node) -> str:
    return str((node.error or {}).get("message", ""))
