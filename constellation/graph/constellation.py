"""The constellation: a mutable task DAG that knows at every moment what may run.

The end of a task decides its own outgoing dependencies alone (see ``progress.py``). A finished task
may be left *unsettled*: its dependencies then stay undecided, which holds back exactly its
descendants, until `Constellation.settle`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from constellation.errors import InvalidTransition, TaskFailed

from . import streams
from .checks import unknown_task
from .document import nodes_to_plain, read_document
from .edits import Applied, Batch
from .lookup import look_up
from .node import Node
from .order import Order
from .plain import batch_from_plain
from .progress import MAX_TASKS, Changes, Progress
from .references import resolve
from .states import (
    CANCELED,
    COMPLETED,
    FAILED,
    INPUT_REQUIRED,
    REJECTED,
    SUBMITTED,
    WORKING,
    canceled,
    check_transition,
    ending,
)
from .task import ACTIVE, Dependency, Outcome, Task, TaskState
from .transaction import Transaction


class Constellation:
    """One request's tasks and dependencies.

    Args:
        id: its name on the hub.
        weights: expected seconds of a task, for ranks; one second each by default.
        max_tasks: how many tasks there may be when a map task is expanded; past them it fails.

    Attributes:
        version: how many batches of edits were applied.
        called_off: True if the whole was canceled, and not edited since.
        nodes: the tasks by id, in the order in which they were added. Read-only for others.
        counts: how many tasks are in each state. Read-only for others.
        progress, order: how it moves on and how it stays free of cycles; for edits.
    """

    def __init__(
        self,
        id: str,
        *,
        weights: Callable[[Task], float] | None = None,
        max_tasks: int = MAX_TASKS,
    ) -> None:
        self.id = id
        self.version = 0
        self.called_off = False
        self.weights = weights
        self.progress = Progress(max_tasks)
        self.nodes = self.progress.nodes
        self.counts = self.progress.counts
        self.order = Order(self.nodes)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────

    @property
    def done(self) -> bool:
        """True when every task has ended, whether or not what follows is held back."""
        counts = self.counts
        return not (counts[SUBMITTED] or counts[WORKING] or counts[INPUT_REQUIRED])

    @property
    def state(self) -> TaskState:
        """The state of the whole.

        Failed if a task failed that is not optional and whose failure no other task took care of
        (a task that completed although, or because, it failed); else canceled if the whole was, or
        a task that is not optional; else completed.
        """
        counts = self.counts
        if not self.done:
            return WORKING if counts[SUBMITTED] < len(self.nodes) else SUBMITTED
        failed = counts[FAILED] or counts[REJECTED]
        if failed and any(self._unhandled(node) for node in self.nodes.values()):
            return FAILED
        if self.called_off:
            return CANCELED
        stopped = counts[CANCELED] and any(map(_canceled_on_request, self.nodes.values()))
        return CANCELED if stopped else COMPLETED

    def _unhandled(self, node: Node) -> bool:
        if node.state not in (FAILED, REJECTED) or node.task.optional or node.member_of:
            return False
        return not any(
            dependency.condition != "success"
            and self.nodes[target].state is COMPLETED
            and self.progress.verdict(node, dependency)
            for target, dependency in node.outgoing.items()
        )

    def node(self, task_id: str) -> Node:
        """The state of a task.

        Raises:
            UnknownTaskError: there is none of that id.
        """
        node = self.nodes.get(task_id)
        if node is None:
            raise unknown_task(self.id, task_id)
        return node

    def predecessors(self, task_id: str) -> Mapping[str, Dependency]:
        """The dependencies that a task waits for, by source."""
        return self.node(task_id).incoming

    def successors(self, task_id: str) -> Mapping[str, Dependency]:
        """The dependencies that wait for a task, by target."""
        return self.node(task_id).outgoing

    def descendants(self, task_ids: Iterable[str]) -> list[str]:
        """Everything that lies below some tasks, without them unless one lies below another."""
        found: dict[str, None] = {}
        stack = [target for task_id in task_ids for target in self.node(task_id).outgoing]
        while stack:
            name = stack.pop()
            if name not in found:
                found[name] = None
                stack.extend(self.nodes[name].outgoing)
        return list(found)

    def rank(self, task_id: str) -> float:
        """Upward rank: expected seconds from the task's start to the end of all below it."""
        return self.node(task_id).rank

    def elements(self, node: Node) -> list[Node]:
        """The elements of a map task, in order; none before it was expanded."""
        return self.progress.elements(node)

    def take_changes(self) -> Changes:
        """What changed since the last call; each change is told once."""
        return self.progress.take_changes()

    # ── arguments ───────────────────────────────────────────────────────────────────────────────

    def arguments(self, task_id: str) -> dict[str, Any]:
        """A task's arguments with its references replaced by what they refer to.

        Raises:
            TaskFailed: a reference leads nowhere; names it and the remedy.
        """
        node = self.node(task_id)
        resolved: dict[str, Any] = self._resolve(node, node.task.arguments)
        return resolved

    def instruction(self, task_id: str) -> str:
        """A task's instruction, likewise.

        Raises:
            TaskFailed: a reference leads nowhere.
        """
        node = self.node(task_id)
        return str(self._resolve(node, node.task.instruction))

    def _resolve(self, node: Node, value: Any) -> Any:
        try:
            return resolve(value, lambda reference: look_up(self.nodes, node, reference))
        except LookupError as error:
            raise TaskFailed(
                f"Task {node.id} cannot be given its arguments: {error.args[0]}.",
                remedy="Correct the reference, or the task that it refers to.",
                task=node.id,
            ) from None

    # ── what the scheduler reports ──────────────────────────────────────────────────────────────

    def start(self, task_id: str, device: str, now: float) -> int:
        """Begin the next attempt of a ready task; return the attempt's number.

        Raises:
            InvalidTransition: it is not ready.
        """
        node = self.node(task_id)
        if not node.ready:
            state = "waiting for its dependencies" if node.state is SUBMITTED else str(node.state)
            raise InvalidTransition(f"Task {task_id}", state, "start")
        node.ready = False
        node.attempt += 1
        node.device = device
        node.started_at = now
        self.progress.move(node, WORKING)
        return node.attempt

    def require_input(self, task_id: str, question: Mapping[str, Any], now: float) -> None:
        """The device asks something before it can go on.

        Raises:
            InvalidTransition: the task does not run.
        """
        node = self.node(task_id)
        check_transition(node, "require input")
        node.question = question
        self.progress.move(node, INPUT_REQUIRED)

    def answer(self, task_id: str, now: float) -> None:
        """The question was answered.

        Raises:
            InvalidTransition: the task asks nothing.
        """
        node = self.node(task_id)
        check_transition(node, "answer")
        node.question = None
        self.progress.move(node, WORKING)

    def requeue(self, task_id: str, reason: str, now: float) -> None:
        """The attempt ended without an outcome, or is to be followed by another.

        Raises:
            InvalidTransition: no attempt of the task runs.
        """
        node = self.node(task_id)
        check_transition(node, "requeue")
        if node.task.has_elements:
            raise InvalidTransition(f"Task {task_id}", "running by its elements", "requeue")
        progress = self.progress
        progress.remember_attempt(node, now, reason)
        node.started_at = None
        node.question = None
        progress.move(node, SUBMITTED)
        progress.count(node)
        progress.spread(streams.requeue(progress, node, now), now)

    def flow(self, task_id: str, now: float) -> None:
        """A running task has put out its first item; that it does so again changes nothing.

        Raises:
            InvalidTransition: no attempt of the task runs.
        """
        node = self.node(task_id)
        check_transition(node, "flow")
        if not node.flowing:
            self.progress.spread(list(streams.begin(self.progress, node, now)), now)

    def restart_gang(self, task_id: str, reason: str, now: float) -> None:
        """All members of a gang begin anew, those that have completed as well.

        Raises:
            InvalidTransition: it does not run, or is no gang.
        """
        node = self.node(task_id)
        check_transition(node, "requeue")
        if node.task.gang is None:
            raise InvalidTransition(f"Task {task_id}", "no gang", "restart")
        self.progress.restart_gang(node, reason, now)

    def finish(
        self,
        task_id: str,
        outcome: Outcome,
        now: float,
        settle: bool = True,
        device: str | None = None,
    ) -> None:
        """A task ended; ``settle`` False leaves its dependents undecided.

        Args:
            device: where the outcome came from, if not from where the task was started.

        Raises:
            InvalidTransition: it had ended before, or completes without having started.
        """
        node = self.node(task_id)
        check_transition(node, ending(outcome.state))
        if device is not None:
            node.device = device
        self.progress.end(node, outcome, now)
        node.settled = settle
        # Nothing depends on an element but its map task, which is no decision of a planner's.
        if settle or node.member_of is not None:
            self.progress.spread([node], now)
        elif node.flowing and outcome.state is not COMPLETED:
            # Whoever has not begun to read waits for what a planner makes of it.
            self.progress.spread(list(streams.dry(self.progress, node, now)), now)

    def settle(self, task_id: str, now: float) -> None:
        """Decide the dependents of a task finished with ``settle=False``; else do nothing."""
        node = self.node(task_id)
        if node.settled:
            return
        node.settled = True
        if node.member_of is None:
            self.progress.spread([node], now)

    def cancel_all(self, reason: str, now: float) -> list[str]:
        """Cancel whatever has not ended; return the tasks whose attempts must be stopped."""
        self.called_off = True
        running = []
        outcome = canceled(reason)
        for node in self.nodes.values():
            if node.state in ACTIVE and node.attempt:
                running.append(node.id)
            if not node.ended:
                self.progress.end(node, outcome, now)
            node.settled = True
        return running

    # ── keeping ─────────────────────────────────────────────────────────────────────────────────

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data that JSON can carry; `restore` reads it back."""
        return {**self.head(), **nodes_to_plain(self.nodes)}

    def head(self) -> dict[str, Any]:
        """What a snapshot holds beside the nodes, for those who take them in parts."""
        return {
            "id": self.id,
            "version": self.version,
            "state": str(self.state),
            "called_off": self.called_off,
            "top": self.order.top,
            "max_tasks": self.progress.max_tasks,
        }

    @classmethod
    def restore(
        cls, data: Mapping[str, Any], *, weights: Callable[[Task], float] | None = None
    ) -> Constellation:
        """Rebuild from a snapshot; a document without state is a constellation that begins.

        Raises:
            GraphError: it is no snapshot; names the place.
        """
        document = read_document(data)
        graph = cls(document.id, weights=weights, max_tasks=document.max_tasks)
        graph.version = document.version
        graph.called_off = document.called_off
        graph.nodes.update(document.nodes)
        graph.order.rebuild(document.top)
        progress = graph.progress
        for node in document.nodes.values():
            graph.counts[node.state] += 1
            progress.count(node)
        for node in document.nodes.values():
            if not node.ready and node.member_of is None:
                progress.spread([*progress.review(node, node.submitted_at)], node.submitted_at)
        return graph

    def replay(self, kind: str, body: Mapping[str, Any], now: float) -> None:
        """Do again what a fact of the journal says was done; other facts are left alone."""
        match kind:
            case "created":
                self.progress.held = frozenset(body.get("revise_on", ()))
                self.progress.max_tasks = body.get("max_tasks", MAX_TASKS)
            case "edited":
                self.apply(batch_from_plain(body["batch"]), now)
            case "started":
                self.start(body["task"], body["device"], now)
            case "finished":
                outcome = Outcome(TaskState(body["state"]), body.get("output"), body.get("error"))
                settle = body.get("settle", True)
                self.finish(body["task"], outcome, now, settle, body.get("device"))
            case "flowing":
                self.flow(body["task"], now)
            case "settled":
                self.settle(body["task"], now)
            case "regrouped":
                self.restart_gang(body["task"], body["reason"], now)
            case "requeued":
                self.requeue(body["task"], body["reason"], now)
            case "asked":
                self.require_input(body["task"], body["question"], now)
            case "answered":
                self.answer(body["task"], now)

    # ── edits ───────────────────────────────────────────────────────────────────────────────────

    def apply(self, batch: Batch, now: float) -> Applied:
        """Apply edits, all or none.

        Raises:
            GraphError: names the task, the rule and the remedy; nothing has changed.
        """
        applied = Transaction(self, now).run(batch)
        self.called_off = False
        return applied


def _canceled_on_request(node: Node) -> bool:
    # What became of elements is told by their map task.
    needed = not node.task.optional and node.member_of is None
    return node.state is CANCELED and not node.skipped and needed
