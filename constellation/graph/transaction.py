"""One batch of edits: applied whole, or not at all.

First the shape is changed edit by edit, each node being copied before it is touched; any refusal
puts the copies back. Once nothing can be refused any more, readiness is counted afresh for what the
edits touched, in topological order, so that each node is looked at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from constellation.errors import (
    EditConflictError,
    GraphError,
    ImmutableTaskError,
    UnknownTaskError,
)

from .checks import check_dependency, check_task
from .constellation import Applied, Constellation, canceled, hopeless, runnable
from .edits import (
    AddDependency,
    AddTask,
    Batch,
    CancelTask,
    Edit,
    RemoveDependency,
    RemoveTask,
    ReplaceSubgraph,
    RestoreTask,
    RetryTask,
    UpdateDependency,
    UpdateTask,
)
from .node import Node
from .plain import task_from_plain, task_to_plain
from .references import Reference
from .task import ACTIVE, Dependency, Outcome, Task, TaskState

# How far a changed rank is carried to ancestors: it steers priority only, so a bound does no harm.
RANK_VISITS = 64


class Transaction:
    """The application of one batch to one constellation."""

    def __init__(self, graph: Constellation, now: float) -> None:
        self._graph = graph
        self._nodes = graph.nodes
        self._now = now
        self._version = graph.version + 1
        self._saved: dict[str, Node] = {}
        self._added: dict[str, Node] = {}
        self._removed: dict[str, Node] = {}
        self._counts = dict(graph.counts)
        self._serial = graph._serial
        self._affected: dict[str, None] = {}
        self._rank_from: dict[str, None] = {}
        self._references: dict[str, list[Reference] | None] = {}
        self._canceled: list[str] = []
        self._inverse: list[Edit] | None = []
        self._base: int | None = None
        self._ended: list[Node] = []
        self._bounds: dict[str, tuple[Node | None, Node | None]] = {}

    def run(self, batch: Batch) -> Applied:
        """Apply the batch.

        Raises:
            GraphError: names the task, the rule and the remedy; nothing has changed.
        """
        graph = self._graph
        unready = len(graph._changes.unready)
        self._base = batch.base_version
        graph.order.begin()
        try:
            edits = self._take_additions(batch.edits)
            for edit in edits:
                self._apply(edit)
            self._check_references()
        except GraphError:
            self._undo()
            del graph._changes.unready[unready:]
            raise
        graph.order.keep()
        graph.version = self._version
        self._settle_down()
        self._update_ranks()
        inverse = None
        if self._inverse is not None:
            inverse = Batch(tuple(reversed(self._inverse)), note=f"undo version {graph.version}")
        return Applied(graph.version, inverse, tuple(self._canceled))

    # ── edits ───────────────────────────────────────────────────────────────────────────────────

    def _take_additions(self, edits: Iterable[Edit]) -> list[Edit]:
        """Note all edges that the batch names, so that new tasks are placed between their ends."""
        simple: list[Edit] = []
        for edit in edits:
            if isinstance(edit, ReplaceSubgraph):
                simple += (RemoveTask(name) for name in edit.remove)
                simple += (AddTask(task) for task in edit.tasks)
                simple += (AddDependency(each) for each in edit.dependencies)
            else:
                simple.append(edit)
        edges = [edit.dependency for edit in simple if isinstance(edit, AddDependency)]
        self._bounds = _bounds(self._nodes, simple, edges)
        return simple

    def _apply(self, edit: Edit) -> None:
        match edit:
            case AddTask(task):
                self._add_task(task)
            case AddDependency(dependency):
                self._add_dependency(dependency)
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

    def _add_task(self, task: Task) -> None:
        found = check_task(task)
        if task.id in self._nodes:
            raise EditConflictError(
                f"There is a task {task.id!r} already.",
                remedy="Choose another id, or update the task that is there.",
                task=task.id,
                rule="unique id",
            )
        graph = self._graph
        node = Node(task, self._now, self._version)
        node.serial = graph._next_serial()
        self._nodes[task.id] = node
        self._added[task.id] = node
        graph.counts[TaskState.SUBMITTED] += 1
        graph.order.place(node, *self._bounds.get(task.id, (None, None)))
        self._affected[task.id] = None
        self._rank_from[task.id] = None
        if found:
            self._references[task.id] = found
        self._undo_with(RemoveTask(task.id))

    def _remove_task(self, name: str) -> None:
        node = self._changeable(name, "removed")
        # Last first, so that the inverse puts them back in their order.
        for source in reversed(list(node.incoming)):
            self._remove_dependency(source, name)
        for target in reversed(list(node.outgoing)):
            self._remove_dependency(name, target)
        del self._nodes[name]
        if self._added.pop(name, None) is None:
            self._removed[name] = self._saved.get(name, node)
        self._graph.counts[node.state] -= 1
        self._graph.order.drop(node)
        self._unready(node)
        self._affected.pop(name, None)
        self._rank_from.pop(name, None)
        self._references.pop(name, None)
        self._undo_with(AddTask(node.task))

    def _update_task(self, name: str, changes: dict[str, Any]) -> None:
        node = self._changeable(name, "changed")
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
        self._affected[name] = None
        self._rank_from[name] = None
        self._undo_with(UpdateTask(name, {field: before[field] for field in changes}))

    def _cancel_task(self, name: str, reason: str, subtree: bool) -> None:
        nodes = [self._touch(name)]
        if nodes[0].ended and not (nodes[0].skipped and subtree):
            raise ImmutableTaskError(
                f"Task {name} has ended: it is {nodes[0].state}.",
                remedy="There is nothing to cancel.",
                task=name,
                rule="ended",
            )
        if subtree:
            nodes += [self._touch(each) for each in self._graph.descendants([name])]
        for node in nodes:
            if not node.ended:
                self._cancel(node, reason)

    def _cancel(self, node: Node, reason: str) -> None:
        for element in self._graph.elements(node) if node.size else ():
            self._touch(element.id)
            if not element.ended:
                self._stop(element)
                self._graph._end(element, canceled(reason), self._now, None)
        self._stop(node)
        if node.member_of is not None:
            self._touch(node.member_of)
        self._graph._end(node, canceled(reason), self._now, self._ended)
        self._affected.update(dict.fromkeys(node.outgoing))

    def _stop(self, node: Node) -> None:
        """Note what stopping a task means for the devices and for the way back."""
        if node.state in ACTIVE and not node.size:
            self._canceled.append(node.id)
        if node.started:
            self._inverse = None
        elif node.member_of is None:
            self._undo_with(RetryTask(node.id))

    def _retry_task(self, name: str) -> None:
        node = self._touch(name)
        if node.member_of is not None:
            raise EditConflictError(
                f"{name} is an element of {node.member_of}.",
                remedy=f"Retry {node.member_of}.",
                task=name,
                rule="element",
            )
        if node.skipped:
            raise EditConflictError(
                f"Task {name} never ran: {(node.error or {}).get('message', '')}",
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
        self._undo_with(
            RestoreTask(
                name, node.state, node.output, node.error, node.started_at, node.finished_at
            )
            if node.started
            else CancelTask(name, str((node.error or {}).get("message", "canceled")))
        )
        self._graph._remember_attempt(node, self._now, str((node.error or {}).get("message", "")))
        self._reopen(node)

    def _reopen(self, node: Node) -> None:
        self._graph._move(node, TaskState.SUBMITTED)
        node.output = node.error = node.finished_at = node.started_at = node.ready_at = None
        node.settled, node.skipped = True, False
        self._affected[node.id] = None
        self._affected.update(dict.fromkeys(node.outgoing))

    def _restore_task(self, edit: RestoreTask) -> None:
        node = self._touch(edit.id)
        retried = node.attempt > 0 and node.history and node.history[-1][0] == node.attempt
        if node.state is not TaskState.SUBMITTED or not retried or edit.state not in _RETRIED:
            raise ImmutableTaskError(
                f"Task {edit.id} is {node.state}: its retry cannot be taken back.",
                remedy="Cancel it instead.",
                task=edit.id,
                rule="restore",
            )
        self._undo_with(RetryTask(edit.id))
        self._graph._end(node, Outcome(edit.state, edit.output, edit.error), self._now, None)
        node.history = node.history[:-1]
        node.started_at, node.finished_at = edit.started_at, edit.finished_at
        self._affected.update(dict.fromkeys(node.outgoing))

    def _add_dependency(self, dependency: Dependency) -> None:
        check_dependency(dependency)
        source = self._touch(dependency.source, changes=False)
        target = self._changeable(dependency.target, "made to wait")
        for node in (source, target):
            if node.member_of is not None:
                raise EditConflictError(
                    f"{node.id} is an element of {node.member_of}.",
                    remedy=f"Depend on {node.member_of}.",
                    task=node.id,
                    rule="element",
                )
        if source.id in target.incoming:
            raise EditConflictError(
                f"{target.id} waits for {source.id} already.",
                remedy="Change that dependency instead.",
                task=target.id,
                rule="one dependency between two tasks",
            )
        source.outgoing[target.id] = dependency
        target.incoming[source.id] = dependency
        self._graph.order.connect(source, target)
        self._affected[target.id] = None
        self._rank_from[source.id] = None
        self._undo_with(RemoveDependency(source.id, target.id))

    def _remove_dependency(self, source_id: str, target_id: str) -> Dependency:
        source = self._touch(source_id, changes=False)
        target = self._changeable(target_id, "released")
        dependency = target.incoming.pop(source_id, None)
        if dependency is None:
            raise UnknownTaskError(
                f"{target_id} does not wait for {source_id}.",
                remedy="See its dependencies with `constellation show`.",
                task=target_id,
                rule="known dependency",
            )
        del source.outgoing[target_id]
        self._affected[target_id] = None
        self._rank_from[source_id] = None
        self._references.setdefault(target_id, None)
        self._undo_with(AddDependency(dependency))
        return dependency

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
        """The node of that id, copied first if this batch has not touched it yet.

        ``changes`` False is for a task that merely gains or loses a dependent.
        """
        node = self._graph.node(name)
        if name in self._added:
            return node
        if name not in self._saved:
            self._saved[name] = node.copy()
        if not changes or node.changed == self._version:
            return node
        if self._base is not None and node.changed > self._base:
            raise EditConflictError(
                f"Task {name} was changed in version {node.changed}; the edit was made against "
                f"version {self._base}.",
                remedy="Look at it again and make the edit against the current version.",
                task=name,
                rule="base version",
            )
        node.changed = self._version
        return node

    def _changeable(self, name: str, verb: str) -> Node:
        node = self._touch(name)
        if node.started or (node.ended and not node.skipped):
            raise ImmutableTaskError(
                f"Task {name} is {node.state} and can no longer be {verb}.",
                remedy="Cancel or retry it, or add a task after it.",
                task=name,
                rule="started work is immutable",
            )
        return node

    def _check_references(self) -> None:
        """Every reference needs a dependency on what it names; new tasks get it by themselves."""
        for name, found in list(self._references.items()):
            node = self._nodes.get(name)
            if node is None:
                continue
            implied = found is not None
            for reference in check_task(node.task) if found is None else found:
                source = reference.task
                if not source or source in node.incoming:
                    continue
                if implied and source in self._nodes:
                    self._add_dependency(Dependency(source, name))
                elif implied:
                    raise UnknownTaskError(
                        f"Task {name} refers to {source!r}, which does not exist.",
                        remedy="Correct the reference, or add that task in the same batch.",
                        task=name,
                        rule="known reference",
                    )
                else:
                    raise EditConflictError(
                        f"Task {name} still refers to ${{{reference.text}}}.",
                        remedy="Change its arguments in the same batch, before this edit.",
                        task=name,
                        rule="references need a dependency",
                    )

    def _undo_with(self, edit: Edit) -> None:
        if self._inverse is not None:
            self._inverse.append(edit)

    def _unready(self, node: Node) -> None:
        if node.ready:
            node.ready = False
            self._graph._changes.unready.append(node.id)

    def _undo(self) -> None:
        nodes = self._nodes
        for name in self._added:
            del nodes[name]
        for name, saved in self._saved.items():
            node = nodes.get(name)
            if node is None:
                nodes[name] = saved
            else:
                node.become(saved)
        if self._removed:
            ordered = sorted(nodes.items(), key=lambda item: item[1].serial)
            nodes.clear()
            nodes.update(ordered)
        self._graph.order.undo(self._added.values())
        self._graph.counts.update(self._counts)
        self._graph._serial = self._serial

    # ── afterwards ──────────────────────────────────────────────────────────────────────────────

    def _settle_down(self) -> None:
        """Count afresh what the edits touched; nothing can be refused any more."""
        nodes = self._nodes
        for node in self._ended:
            self._affected.update(dict.fromkeys(node.outgoing))
        heap = [(nodes[name].label, name) for name in self._affected if name in nodes]
        heapq.heapify(heap)
        last = ""
        while heap:
            _, name = heapq.heappop(heap)
            if name == last:
                continue
            last = name
            for changed in self._look_again(nodes[name]):
                for target in changed.outgoing:
                    heapq.heappush(heap, (nodes[target].label, target))

    def _look_again(self, node: Node) -> list[Node]:
        """Bring a node in line with its dependencies; return those whose dependents care."""
        graph = self._graph
        if node.state is not TaskState.SUBMITTED and not node.skipped:
            return []
        graph._count(node)
        changed: list[Node] = []
        if node.skipped:
            if hopeless(node):
                return []
            self._reopen(node)
            changed.append(node)
        if hopeless(node):
            graph._skip(node, self._now, changed)
        elif runnable(node):
            if not node.ready:
                graph._release(node, self._now, changed)
        else:
            self._unready(node)
            node.ready_at = None
        return changed

    def _update_ranks(self) -> None:
        graph, nodes = self._graph, self._nodes
        heap = [(-nodes[name].label, name) for name in self._rank_from if name in nodes]
        heapq.heapify(heap)
        budget = len(heap) + RANK_VISITS
        last = ""
        while heap and budget:
            _, name = heapq.heappop(heap)
            if name == last:
                continue
            last = name
            budget -= 1
            node = nodes[name]
            below = max((nodes[target].rank for target in node.outgoing), default=0.0)
            rank = below + (1.0 if graph.weights is None else graph.weights(node.task))
            if rank != node.rank:
                node.rank = rank
                for source in node.incoming:
                    heapq.heappush(heap, (-nodes[source].label, source))


_RETRIED = frozenset({TaskState.FAILED, TaskState.REJECTED, TaskState.CANCELED})


def _bounds(
    nodes: Mapping[str, Node], edits: Iterable[Edit], edges: Iterable[Dependency]
) -> dict[str, tuple[Node | None, Node | None]]:
    """Between which nodes new tasks belong that are put before something that exists.

    All other new tasks go last, where every edge to them agrees with the order.
    """
    new = {edit.task.id for edit in edits if isinstance(edit, AddTask)}
    inner = [edge for edge in edges if edge.source in new and edge.target in new]
    low: dict[str, Node] = {}
    high: dict[str, Node] = {}
    for edge in edges:
        if edge.source in new and edge.target in nodes:
            target = nodes[edge.target]
            high[edge.source] = min(high.get(edge.source, target), target, key=_label)
        elif edge.target in new and edge.source in nodes:
            source = nodes[edge.source]
            low[edge.target] = max(low.get(edge.target, source), source, key=_label)
    if not high:
        return {}
    _spread(high, [(edge.target, edge.source) for edge in inner], min)
    _spread(low, [(edge.source, edge.target) for edge in inner], max)
    return {name: (low.get(name), before) for name, before in high.items()}


def _label(node: Node) -> int:
    return node.label


def _spread(
    bounds: dict[str, Node], arrows: Iterable[tuple[str, str]], tighter: Callable[..., Node]
) -> None:
    """Carry bounds along arrows until nothing changes; each bound only ever tightens."""
    following: dict[str, list[str]] = {}
    for start, end in arrows:
        following.setdefault(start, []).append(end)
    stack = list(bounds)
    while stack:
        name = stack.pop()
        for other in following.get(name, ()):
            bound = tighter(bounds.get(other, bounds[name]), bounds[name], key=_label)
            if bounds.get(other) is not bound:
                bounds[other] = bound
                stack.append(other)
