"""The constellation: a mutable task DAG that knows at every moment what may run.

Readiness is counted, never searched: each node knows how many of its dependencies are undecided,
met and unmet, and the end of a task touches its own outgoing edges alone. A finished task may be
left *unsettled*: its edges then stay undecided, which holds back exactly its descendants, until
`Constellation.settle`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from constellation.errors import InvalidTransition, TaskFailed, UnknownTaskError

from .edits import Batch
from .expressions import evaluate
from .node import Node
from .order import Order
from .plain import batch_from_plain
from .references import Reference, parse_reference, resolve
from .task import ACTIVE, Dependency, Outcome, Task, TaskState

SUBMITTED = TaskState.SUBMITTED
WORKING = TaskState.WORKING
INPUT_REQUIRED = TaskState.INPUT_REQUIRED
COMPLETED = TaskState.COMPLETED
FAILED = TaskState.FAILED
CANCELED = TaskState.CANCELED
REJECTED = TaskState.REJECTED

# What may follow what. `retry` is an edit; every other event comes from the scheduler.
TRANSITIONS: dict[TaskState, dict[str, TaskState]] = {
    SUBMITTED: {"start": WORKING, "fail": FAILED, "reject": REJECTED, "cancel": CANCELED},
    WORKING: {
        "require input": INPUT_REQUIRED,
        "requeue": SUBMITTED,
        "complete": COMPLETED,
        "fail": FAILED,
        "reject": REJECTED,
        "cancel": CANCELED,
    },
    INPUT_REQUIRED: {
        "answer": WORKING,
        "requeue": SUBMITTED,
        "complete": COMPLETED,
        "fail": FAILED,
        "reject": REJECTED,
        "cancel": CANCELED,
    },
    COMPLETED: {},
    FAILED: {"retry": SUBMITTED},
    CANCELED: {"retry": SUBMITTED},
    REJECTED: {"retry": SUBMITTED},
}
_ENDING = {COMPLETED: "complete", FAILED: "fail", REJECTED: "reject", CANCELED: "cancel"}


class Changes(NamedTuple):
    """What became different since the last look.

    Attributes:
        ready: tasks that may be started now, in the order in which they became so.
        unready: tasks that were ready and no longer are (started ones are not listed).
        skipped: tasks that can never run as things stand, each with the reason.
        ended: map tasks that ended because their last element did.
    """

    ready: list[str]
    unready: list[str]
    skipped: list[tuple[str, str]]
    ended: list[str]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch of edits did.

    Attributes:
        version: the constellation's version after it.
        inverse: edits that undo it; None if it canceled work that had started.
        canceled: tasks whose running attempts must be stopped.
    """

    version: int
    inverse: Batch | None
    canceled: tuple[str, ...] = ()


class Constellation:
    """One request's tasks and dependencies.

    Args:
        id: its name on the hub.
        weights: expected seconds of a task, for ranks; one second each by default.

    Attributes:
        version: how many batches of edits were applied.
        nodes: the tasks by id, in the order in which they were added. Read-only for others.
        counts: how many tasks are in each state.
    """

    def __init__(self, id: str, *, weights: Callable[[Task], float] | None = None) -> None:
        self.id = id
        self.version = 0
        self.nodes: dict[str, Node] = {}
        self.counts: dict[TaskState, int] = dict.fromkeys(TaskState, 0)
        self.weights = weights
        self.order = Order(self.nodes)
        self._changes = Changes([], [], [], [])
        self._serial = 0

    # ── looking ─────────────────────────────────────────────────────────────────────────────────

    @property
    def done(self) -> bool:
        """True when every task has ended and nothing is held back."""
        counts = self.counts
        return not (counts[SUBMITTED] or counts[WORKING] or counts[INPUT_REQUIRED])

    @property
    def state(self) -> TaskState:
        """The state of the whole.

        Failed if a task failed that is not optional and whose failure no other task took care of
        (a task that completed although, or because, it failed); else canceled if a task was
        canceled on request; else completed.
        """
        if not self.done:
            busy = self.counts[SUBMITTED] < len(self.nodes)
            return WORKING if busy else SUBMITTED
        if any(self._unhandled(node) for node in self.nodes.values()):
            return FAILED
        canceled = any(node.state is CANCELED and not node.skipped for node in self.nodes.values())
        return CANCELED if canceled else COMPLETED

    def _unhandled(self, node: Node) -> bool:
        if node.state not in (FAILED, REJECTED) or node.task.optional or node.member_of:
            return False
        return not any(
            dependency.condition != "success"
            and self.nodes[target].state is COMPLETED
            and self.verdict(node, dependency)
            for target, dependency in node.outgoing.items()
        )

    def node(self, task_id: str) -> Node:
        """The state of a task.

        Raises:
            UnknownTaskError: there is none of that id.
        """
        node = self.nodes.get(task_id)
        if node is None:
            raise UnknownTaskError(
                f"There is no task {task_id!r} in {self.id}.",
                remedy="See its tasks with `constellation show`.",
                task=task_id,
            )
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

    def take_changes(self) -> Changes:
        """What changed since the last call; each change is told once."""
        changes = self._changes
        if changes.ready or changes.unready or changes.skipped or changes.ended:
            self._changes = Changes([], [], [], [])
        return changes

    # ── arguments ───────────────────────────────────────────────────────────────────────────────

    def arguments(self, task_id: str) -> dict[str, Any]:
        """A task's arguments with its references replaced by what they refer to.

        Raises:
            TaskFailed: a reference leads nowhere; names it and the remedy.
        """
        resolved: dict[str, Any] = self._resolve(task_id, self.node(task_id).task.arguments)
        return resolved

    def instruction(self, task_id: str) -> str:
        """A task's instruction, likewise.

        Raises:
            TaskFailed: a reference leads nowhere.
        """
        return str(self._resolve(task_id, self.node(task_id).task.instruction))

    def _resolve(self, task_id: str, value: Any) -> Any:
        node = self.nodes[task_id]
        try:
            return resolve(value, lambda reference: self._look_up(node, reference))
        except LookupError as error:
            raise TaskFailed(
                f"Task {task_id} cannot be given its arguments: {error.args[0]}.",
                remedy="Correct the reference, or the task that it refers to.",
                task=task_id,
            ) from None

    def _look_up(self, node: Node, reference: Reference) -> Any:
        try:
            found = reference.follow(self._base(node, reference))
        except LookupError as error:
            raise LookupError(f"${{{reference.text}}}: {error.args[0]}") from None
        return None if isinstance(found, _Nothing) else found

    def _base(self, node: Node, reference: Reference) -> Any:
        if reference.field in ("item", "index"):
            if node.member_of is None:
                raise LookupError("only the elements of a for_each task have it")
            return node.item if reference.field == "item" else _index(node.id)
        source = self.nodes.get(reference.task)
        if source is None:
            raise LookupError(f"there is no task {reference.task!r}")
        if not source.ended:
            raise LookupError(f"task {reference.task} has not ended")
        if reference.field == "output" and source.state is not COMPLETED and source.task.optional:
            return _Nothing()
        return getattr(source, reference.field)

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
        self._move(node, WORKING)
        return node.attempt

    def require_input(self, task_id: str, question: Mapping[str, Any], now: float) -> None:
        """The device asks something before it can go on.

        Raises:
            InvalidTransition: the task does not run.
        """
        node = self.node(task_id)
        self._check(node, "require input")
        node.question = question
        self._move(node, INPUT_REQUIRED)

    def answer(self, task_id: str, now: float) -> None:
        """The question was answered.

        Raises:
            InvalidTransition: the task asks nothing.
        """
        node = self.node(task_id)
        self._check(node, "answer")
        node.question = None
        self._move(node, WORKING)

    def requeue(self, task_id: str, reason: str, now: float) -> None:
        """The attempt ended without an outcome, or is to be followed by another.

        Raises:
            InvalidTransition: the task does not run.
        """
        node = self.node(task_id)
        self._check(node, "requeue")
        self._remember_attempt(node, now, reason)
        node.started_at = None
        node.question = None
        self._move(node, SUBMITTED)
        self._count(node)
        self._release(node, now)

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
        self._check(node, _ENDING.get(outcome.state, f"end as {outcome.state}"))
        if device is not None:
            node.device = device
        ended: list[Node] = []
        self._end(node, outcome, now, ended)
        node.settled = settle
        if settle:
            ended.append(node)
        self._decide(ended, now)

    def settle(self, task_id: str, now: float) -> None:
        """Decide the edges of a task that was finished with ``settle=False``; else do nothing."""
        node = self.node(task_id)
        if not node.settled:
            node.settled = True
            self._decide([node], now)

    def cancel_all(self, reason: str, now: float) -> list[str]:
        """Cancel whatever has not ended; return the tasks whose attempts must be stopped."""
        running = []
        outcome = canceled(reason)
        for node in self.nodes.values():
            if node.state in ACTIVE and node.attempt:
                running.append(node.id)
            if not node.ended:
                self._end(node, outcome, now, None)
            node.settled = True
        return running

    # ── keeping ─────────────────────────────────────────────────────────────────────────────────

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data; `restore` reads it back."""
        from .export import to_json

        return to_json(self)

    @classmethod
    def restore(cls, data: Mapping[str, Any]) -> Constellation:
        """Rebuild from a snapshot.

        Raises:
            EditConflictError: it is no snapshot.
        """
        from .export import from_json

        return from_json(data)

    def reindex(self) -> None:
        """Derive what is derived from ``nodes``, after they were filled from a document."""
        self.order = Order(self.nodes)
        self._serial = max((node.serial for node in self.nodes.values()), default=0)

    def replay(self, kind: str, body: Mapping[str, Any], now: float) -> None:
        """Do again what a fact of the journal says was done; other facts are left alone."""
        match kind:
            case "edited":
                self.apply(batch_from_plain(body["batch"]), now)
            case "started":
                self.start(body["task"], body["device"], now)
            case "finished":
                outcome = Outcome(TaskState(body["state"]), body.get("output"), body.get("error"))
                settle = body.get("settle", True)
                self.finish(body["task"], outcome, now, settle, body.get("device"))
            case "settled":
                self.settle(body["task"], now)
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
        from .transaction import Transaction

        return Transaction(self, now).run(batch)

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    # ── inside: states ──────────────────────────────────────────────────────────────────────────

    def _check(self, node: Node, event: str) -> None:
        if event not in TRANSITIONS[node.state]:
            raise InvalidTransition(f"Task {node.id}", node.state, event)

    def _move(self, node: Node, state: TaskState) -> None:
        self.counts[node.state] -= 1
        self.counts[state] += 1
        node.state = state

    def _remember_attempt(self, node: Node, now: float, reason: str) -> None:
        if node.attempt and node.started_at is not None:
            ended_at = now if node.finished_at is None else node.finished_at
            past = (node.attempt, node.device, node.started_at, ended_at, reason)
            node.history = (*node.history, past)

    def _end(self, node: Node, outcome: Outcome, now: float, ended: list[Node] | None) -> None:
        """End a task; ``ended`` takes map tasks that end with it, None leaves them."""
        if node.ready:
            node.ready = False
            self._changes.unready.append(node.id)
        self._move(node, outcome.state)
        node.output = outcome.output
        node.error = outcome.error
        node.question = None
        node.finished_at = now
        if node.waiting:
            node.waiting = ()
        if node.member_of is not None and ended is not None:
            self._element_ended(self.nodes[node.member_of], now, ended)

    # ── inside: readiness ───────────────────────────────────────────────────────────────────────

    def verdict(self, source: Node, dependency: Dependency) -> bool:
        """Whether a dependency on a task that has ended is met."""
        state = source.state
        match dependency.condition:
            case "success":
                return state is COMPLETED or (source.task.optional and state in (FAILED, REJECTED))
            case "completion":
                return True
            case "failure":
                return state in (FAILED, REJECTED)
        scope = {
            "output": source.output,
            "state": str(state),
            "error": source.error,
            "device": source.device,
        }
        try:
            return evaluate(dependency.when or "", scope)
        except TypeError:
            return False

    def _decide(self, ended: list[Node], now: float) -> None:
        """Decide the outgoing edges of tasks that have ended, and of those that end with them."""
        nodes = self.nodes
        while ended:
            source = ended.pop()
            for target_id, dependency in source.outgoing.items():
                target = nodes[target_id]
                if target.state is not SUBMITTED and not target.skipped:
                    continue
                target.open -= 1
                if (
                    source.state is COMPLETED and dependency.condition == "success"
                ) or self.verdict(source, dependency):
                    target.met += 1
                else:
                    target.unmet += 1
                self._review(target, now, ended)

    def _review(self, node: Node, now: float, ended: list[Node]) -> None:
        """See whether a submitted task has become ready or can never run."""
        if node.ready or node.state is not SUBMITTED:
            return
        if hopeless(node):
            self._skip(node, now, ended)
        elif runnable(node):
            self._release(node, now, ended)

    def _skip(self, node: Node, now: float, ended: list[Node]) -> None:
        reason = self._why_skipped(node)
        self._end(node, Outcome(CANCELED, None, _skip_error(node.id, reason)), now, ended)
        node.skipped = True
        self._changes.skipped.append((node.id, reason))
        ended.append(node)

    def _release(self, node: Node, now: float, ended: list[Node] | None = None) -> None:
        if node.task.for_each is not None:
            follow_up: list[Node] = []
            self._expand(node, now, follow_up)
            if ended is None:
                self._decide(follow_up, now)
            else:
                ended += follow_up
            return
        node.ready = True
        node.ready_at = now
        self._changes.ready.append(node.id)

    def _why_skipped(self, node: Node) -> str:
        for source_id, dependency in node.incoming.items():
            source = self.nodes[source_id]
            if source.ended and source.settled and not self.verdict(source, dependency):
                wanted = dependency.when or dependency.condition
                return f"it needs {wanted} of {source_id}, which is {source.state}"
        return "none of its dependencies can be met"

    def _count(self, node: Node) -> None:
        """Count a node's dependencies afresh."""
        node.open = node.met = node.unmet = 0
        for source_id, dependency in node.incoming.items():
            source = self.nodes[source_id]
            if not source.ended or not source.settled:
                node.open += 1
            elif self.verdict(source, dependency):
                node.met += 1
            else:
                node.unmet += 1

    # ── inside: map tasks ───────────────────────────────────────────────────────────────────────

    def _expand(self, node: Node, now: float, ended: list[Node]) -> None:
        """Make an element for each entry of the list that a map task runs over."""
        task = node.task
        node.ready_at = node.started_at = now
        try:
            items = self._look_up(node, parse_reference((task.for_each or "").strip()[2:-1]))
            if not isinstance(items, list | tuple):
                raise LookupError(f"{task.for_each} is not a list")
        except LookupError as error:
            self._end(node, Outcome(FAILED, None, _map_error(node.id, error.args[0])), now, ended)
            ended.append(node)
            return
        if not items:
            self._move(node, WORKING)
            self._end(node, Outcome(COMPLETED, []), now, ended)
            ended.append(node)
            return
        self._move(node, WORKING)
        elements = [self._element(node, index, item, now) for index, item in enumerate(items)]
        node.size = node.unfinished = len(elements)
        at_once = task.max_parallel or len(elements)
        node.waiting = tuple(element.id for element in elements[at_once:])
        for element in elements[:at_once]:
            self._release(element, now)

    def _element(self, node: Node, index: int, item: Any, now: float) -> Node:
        task = replace(node.task, id=f"{node.id}[{index}]", for_each=None, max_parallel=None)
        element = Node(task, now, node.changed)
        element.member_of = node.id
        element.item = item
        element.serial = self._next_serial()
        element.label = node.label
        element.rank = node.rank
        before = self.nodes.get(task.id)
        if before is not None:
            # The map task is run again: attempt numbers go on, so that none is used twice.
            self.counts[before.state] -= 1
            element.attempt, element.history = before.attempt, before.history
        self.nodes[task.id] = element
        self.counts[SUBMITTED] += 1
        return element

    def elements(self, node: Node) -> list[Node]:
        """The elements of a map task, in order."""
        return [self.nodes[f"{node.id}[{index}]"] for index in range(node.size)]

    def _element_ended(self, node: Node, now: float, ended: list[Node]) -> None:
        node.unfinished -= 1
        if node.ended:
            return
        if node.waiting:
            following, *rest = node.waiting
            node.waiting = tuple(rest)
            self._release(self.nodes[following], now)
        if node.unfinished:
            return
        elements = self.elements(node)
        failed = [each for each in elements if each.state is not COMPLETED]
        output = [each.output for each in elements]
        if failed and not node.task.optional:
            reason = f"{len(failed)} of its {len(elements)} elements did not complete"
            outcome = Outcome(FAILED, output, _map_error(node.id, f"{reason}: {failed[0].id}"))
        else:
            outcome = Outcome(COMPLETED, output)
        self._end(node, outcome, now, ended)
        self._changes.ended.append(node.id)
        ended.append(node)


def runnable(node: Node) -> bool:
    """Whether a submitted task's dependencies let it run, by its counters."""
    if node.task.join == "all":
        return not node.open and not node.unmet
    return node.met > 0 or not node.incoming


def hopeless(node: Node) -> bool:
    """Whether a submitted task can never run, by its counters."""
    if node.task.join == "all":
        return node.unmet > 0
    return not node.open and not node.met and bool(node.incoming)


class _Nothing:
    """The output of an optional task that failed: null, however deep one looks."""

    def __getitem__(self, key: str | int) -> _Nothing:
        return self


def canceled(reason: str) -> Outcome:
    """The outcome of a task that was canceled on request."""
    return Outcome(CANCELED, None, {"code": "task.canceled", "message": reason})


def _skip_error(task_id: str, reason: str) -> dict[str, Any]:
    return {
        "code": "task.skipped",
        "message": f"Task {task_id} was skipped: {reason}.",
        "remedy": "Retry what it depends on, or change its dependencies.",
    }


def _map_error(task_id: str, reason: str) -> dict[str, Any]:
    return {"code": "task.failed.map", "message": f"Task {task_id}: {reason}."}


def _index(element_id: str) -> int:
    return int(element_id[element_id.rindex("[") + 1 : -1])
