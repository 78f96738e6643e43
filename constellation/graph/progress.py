"""How the tasks of a constellation move on: states, counters, and what becomes ready.

Readiness is counted, never searched. Each node knows how many of its dependencies are undecided,
met and unmet; the end of a task touches its own outgoing dependencies alone. Nothing here recurses:
what ends because of something else goes through a list.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from . import streams
from .expressions import evaluate
from .lookup import element_id, index_of, look_up
from .node import Node
from .references import parse_reference
from .states import (
    COMPLETED,
    FAILED,
    REJECTED,
    SUBMITTED,
    WORKING,
    gang_failed,
    map_failed,
    map_too_long,
    skipped,
)
from .task import Dependency, Outcome, TaskState

# How many tasks a constellation may grow to when its map tasks are expanded.
MAX_TASKS = 200_000

Ended = tuple[Node, ...]


class Changes(NamedTuple):
    """What became different since the last look.

    Attributes:
        ready: tasks that became ready, in that order; some may have been started since.
        unready: tasks that were ready and no longer are (started ones are not listed).
        skipped: tasks that can never run as things stand, each with the reason.
        ended: map tasks that ended because their elements did.
    """

    ready: list[str]
    unready: list[str]
    skipped: list[tuple[str, str]]
    ended: list[str]


class Progress:
    """The nodes of a constellation and the rules by which they move on.

    Attributes:
        nodes: the tasks by id, in the order in which they were added.
        counts: how many tasks are in each state.
        changes: what `take_changes` will tell.
        max_tasks: how many tasks there may be when a map task is expanded.
        held: states in which a map task ends unsettled.
    """

    __slots__ = ("changes", "counts", "held", "max_tasks", "nodes")

    def __init__(self, max_tasks: int = MAX_TASKS) -> None:
        self.max_tasks = max_tasks
        self.held: frozenset[str] = frozenset()
        self.nodes: dict[str, Node] = {}
        self.counts: dict[TaskState, int] = dict.fromkeys(TaskState, 0)
        self.changes = Changes([], [], [], [])

    def take_changes(self) -> Changes:
        """What changed since the last call; each change is told once."""
        changes, self.changes = self.changes, Changes([], [], [], [])
        return changes

    # ── one node ────────────────────────────────────────────────────────────────────────────────

    def move(self, node: Node, state: TaskState) -> None:
        """Change a state and the counts with it."""
        self.counts[node.state] -= 1
        self.counts[state] += 1
        node.state = state

    def remember_attempt(self, node: Node, now: float, reason: str) -> None:
        """Add the last attempt, if there was one, to the history."""
        if node.attempt and node.started_at is not None:
            ended_at = now if node.finished_at is None else node.finished_at
            past = (node.attempt, node.device, node.started_at, ended_at, reason)
            node.history = (*node.history, past)

    def end(self, node: Node, outcome: Outcome, now: float) -> None:
        """Give a task its outcome; `spread` then tells those that wait for it."""
        self.withdraw(node)
        self.move(node, outcome.state)
        node.output = outcome.output
        node.error = outcome.error
        node.question = None
        node.finished_at = now

    def reopen(self, node: Node) -> None:
        """Forget how a task ended; whether it may run is still to be counted."""
        self.move(node, SUBMITTED)
        node.output = node.error = node.finished_at = node.started_at = node.ready_at = None
        node.settled, node.skipped, node.flowing = True, False, False

    def withdraw(self, node: Node) -> None:
        """Take readiness away."""
        if node.ready:
            node.ready = False
            self.changes.unready.append(node.id)

    def elements(self, node: Node) -> list[Node]:
        """The elements of a map task, in order."""
        return [self.nodes[element_id(node.id, index)] for index in range(node.size)]

    # ── dependencies ────────────────────────────────────────────────────────────────────────────

    def verdict(self, source: Node, dependency: Dependency) -> bool:
        """Whether a dependency on a task that has ended is met."""
        state = source.state
        match dependency.condition:
            case "success" | "stream":
                return state is COMPLETED or (source.task.optional and state in (FAILED, REJECTED))
            case "completion":
                return True
            case "failure":
                return state in (FAILED, REJECTED)
        try:
            return evaluate(dependency.when or "", _scope(source))
        except TypeError:
            return False

    def count(self, node: Node) -> None:
        """Count a node's dependencies afresh."""
        node.open = node.met = node.unmet = 0
        for source_id, dependency in node.incoming.items():
            source = self.nodes[source_id]
            if source.flowing and streams.is_met(source, dependency):
                node.met += 1
            elif not source.ended or not source.settled:
                node.open += 1
            elif self.verdict(source, dependency):
                node.met += 1
            else:
                node.unmet += 1

    def spread(self, ended: list[Node], now: float) -> None:
        """Decide the dependencies on tasks that have ended, and on those that end with them."""
        nodes = self.nodes
        while ended:
            source = ended.pop()
            if source.member_of is not None:
                ended += self.element_ended(source, now)
            completed = source.state is COMPLETED
            for target_id, dependency in source.outgoing.items():
                target = nodes[target_id]
                if target.state is not SUBMITTED and not target.skipped:
                    continue
                if source.flowing and dependency.condition == "stream":
                    ended += streams.end(self, source, target, dependency, now)
                    continue
                target.open -= 1
                # The common case is decided without a call.
                if (completed and dependency.condition == "success") or self.verdict(
                    source, dependency
                ):
                    target.met += 1
                    if target.open and target.task.join == "all":
                        continue
                else:
                    target.unmet += 1
                if not target.ready:
                    ended += self.review(target, now)

    # ── readiness ───────────────────────────────────────────────────────────────────────────────

    def review(self, node: Node, now: float) -> Ended:
        """See whether a task has become ready or can never run; return what ended thereby."""
        if node.state is not SUBMITTED:
            return ()
        if node.hopeless:
            return self._skip(node, now)
        return self.release(node, now) if node.runnable else ()

    def release(self, node: Node, now: float) -> Ended:
        """Make a task ready, a map task by its elements; return what ended thereby."""
        if node.task.has_elements:
            return self._expand(node, now)
        node.ready = True
        node.ready_at = now
        self.changes.ready.append(node.id)
        return ()

    def _skip(self, node: Node, now: float) -> Ended:
        reason = self._why_skipped(node)
        self.end(node, skipped(node.id, reason), now)
        node.skipped = True
        self.changes.skipped.append((node.id, reason))
        return (node,)

    def _why_skipped(self, node: Node) -> str:
        unmet = [
            (source, dependency)
            for source, dependency in (
                (self.nodes[name], dependency) for name, dependency in node.incoming.items()
            )
            if source.ended and source.settled and not self.verdict(source, dependency)
        ]
        source, dependency = min(unmet, key=lambda pair: (pair[0].finished_at or 0.0, pair[0].id))
        if dependency.condition != "when":
            return f"it needs {dependency.condition} of {source.id}, which is {source.state}"
        wanted = f"it needs {dependency.when} of {source.id}"
        try:
            evaluate(dependency.when or "", _scope(source))
        except TypeError as error:
            return f"{wanted}, which cannot be told: {error}"
        return f"{wanted}, which is {source.state} and does not meet it"

    # ── map tasks ───────────────────────────────────────────────────────────────────────────────

    def _expand(self, node: Node, now: float) -> Ended:
        """Make an element for each entry of the list that a map task runs over."""
        node.ready_at = node.started_at = now
        self.move(node, WORKING)
        try:
            items = self._list_of(node)
        except LookupError as error:
            return self._end_map(node, map_failed(node.id, error.args[0]), now)
        # Those of an earlier run are there already.
        if len(self.nodes) + len(items) - node.size > self.max_tasks:
            return self._end_map(node, map_too_long(node.id, len(items), self.max_tasks), now)
        node.size = node.unfinished = len(items)
        node.released = 0
        for index, item in enumerate(items):
            self._add_element(node, index, item, now)
        if not items:
            return self._end_map(node, Outcome(COMPLETED, []), now)
        at_once = node.size if node.task.gang else node.task.max_parallel or node.size
        for _ in range(min(node.size, at_once)):
            self._release_next(node, now)
        return ()

    def _list_of(self, node: Node) -> list[Any] | tuple[Any, ...]:
        if node.task.gang is not None:
            return list(range(node.task.gang))
        text = (node.task.for_each or "").strip()
        items = look_up(self.nodes, node, parse_reference(text[2:-1]))
        if not isinstance(items, list | tuple):
            raise LookupError(f"{text} is not a list")
        return items

    def _add_element(self, node: Node, index: int, item: Any, now: float) -> None:
        id = element_id(node.id, index)
        task = replace(node.task, id=id, for_each=None, max_parallel=None, gang=None)
        element = Node(task, now, node.changed)
        element.member_of = node.id
        element.item = item
        element.label = node.label
        element.rank = node.rank
        before = self.nodes.get(task.id)
        if before is not None:
            # The map task is run again: attempt numbers go on, so that none is used twice.
            self.counts[before.state] -= 1
            element.attempt, element.history = before.attempt, before.history
        self.nodes[task.id] = element
        self.counts[SUBMITTED] += 1

    def _release_next(self, node: Node, now: float) -> None:
        while node.released < node.size:
            element = self.nodes[element_id(node.id, node.released)]
            node.released += 1
            if not element.ended:
                self.release(element, now)
                return

    def element_ended(self, element: Node, now: float) -> Ended:
        """Let the next element of a map task run; return the map task if this was the last."""
        node = self.nodes[element.member_of or ""]
        if node.ended:
            return ()
        node.unfinished -= 1
        if index_of(element.id) < node.released:
            self._release_next(node, now)
        if node.unfinished:
            return ()
        elements = self.elements(node)
        output = [each.output for each in elements]
        failed = [each.id for each in elements if each.state is not COMPLETED]
        if not failed or (node.task.optional and node.task.gang is None):
            return self._end_map(node, Outcome(COMPLETED, output), now)
        if node.task.gang is not None:
            return self._end_map(node, gang_failed(node.id, elements), now)
        reason = f"{len(failed)} of its {node.size} elements did not complete: {failed[0]}"
        return self._end_map(node, map_failed(node.id, reason, output), now)

    def gang_of(self, node: Node) -> Node | None:
        """The gang of which a node is a member; None if it is none."""
        whole = None if node.member_of is None else self.nodes[node.member_of]
        return None if whole is None or whole.task.gang is None else whole

    def restart_gang(self, node: Node, reason: str, now: float) -> None:
        """Let all members of a gang begin anew."""
        node.unfinished = node.size
        for member in self.elements(node):
            self.remember_attempt(member, now, reason)
            self.withdraw(member)
            self.reopen(member)
            member.question = None
            self.release(member, now)

    def _end_map(self, node: Node, outcome: Outcome, now: float) -> Ended:
        self.end(node, outcome, now)
        node.settled = outcome.state not in self.held
        self.changes.ended.append(node.id)
        return (node,) if node.settled else ()


def _scope(source: Node) -> dict[str, Any]:
    return {
        "output": source.output,
        "state": str(source.state),
        "error": source.error,
        "device": source.device,
    }
