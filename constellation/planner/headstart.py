"""What of a plan may run before the plan is whole, and what becomes of it then. Pure.

A person waits for a model that writes for seconds, while half of its plan only looks things up. So
tasks that only read, and that rest on nothing but such tasks, may begin as soon as the model has
written them (*decided*), or even on a guess of what it will write (*guessed*). Whatever turns out
otherwise has then changed nothing: it is canceled, and the whole plan runs as if there had been no
head start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.graph.constellation import Constellation
from constellation.graph.edits import (
    AddDependency,
    AddTask,
    CancelTask,
    Edit,
    RetryTask,
    UpdateTask,
)
from constellation.graph.node import Node
from constellation.graph.plain import task_to_plain
from constellation.graph.references import references, rename
from constellation.graph.task import ANY_DEVICE, ConditionKind, Dependency, Task, TaskState

SPARE = "the plan does without it"
_FAILED = frozenset({TaskState.FAILED, TaskState.REJECTED})
# What may still be changed of a task that runs.
_LATE = frozenset({"name", "optional"})


def reading(edits: Sequence[Edit], cards: Sequence[DeviceCard]) -> tuple[Edit, ...]:
    """The part of a plan that only reads and depends on nothing else; it may be run at any time.

    What puts out items is left for later until a task is known that reads them: whatever has begun
    without a reader puts out none.
    """
    steps = _Steps(edits)
    late: set[str] = set()
    while True:
        found: set[str] = set()
        for name in steps.in_order():
            task = steps.tasks[name]
            if name not in late and _only_reads(task, cards) and steps.sources(name) <= found:
                found.add(name)
        read = {source for name in found for source in steps.streams(name)}
        unread = {name for name in found - read if _emits(steps.tasks[name], cards)}
        if not unread:
            break
        late |= unread
    return tuple(
        edit
        for edit in edits
        if (isinstance(edit, AddTask) and edit.task.id in found)
        or (isinstance(edit, AddDependency) and edit.dependency.target in found)
    )


class HeadStart:
    """The tasks of one plan that were begun early.

    Each method returns the edits to be applied, at once, to the constellation that it was given.
    What is begun is optional, so that it spoils nothing; the whole plan says what it needs.
    """

    def __init__(self) -> None:
        # By id in the constellation: the version that it was added in.
        self._begun: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def guess(self, graph: Constellation, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Begin what the plan will probably have."""
        return tuple(self._begin(graph, edits, {}))

    def decide(self, graph: Constellation, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Begin what the plan has, as far as it is known; earlier parts are in it again."""
        return tuple(self._begin(graph, edits, self._names))

    def settle(self, graph: Constellation, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Bring in the whole plan: keep what fits, add what is missing, cancel the rest.

        What failed is tried again, as if it had not been begun.
        """
        names: dict[str, str] = {}
        again: set[str] = set()
        steps = _Steps(edits)
        settled: list[Edit] = []
        for name in steps.in_order():
            task, incoming = steps.renamed(name, names)
            node = self._find(graph, task, incoming, {*names.values()}, self._names.get(name))
            if node is None or (node.started and again & incoming.keys()):
                names[name] = _fresh(name, graph, names)
                settled += _added(replace(task, id=names[name]), incoming)
                continue
            names[name] = node.id
            if self._is_touched(node):
                continue
            if node.state in _FAILED:
                again.add(node.id)
                settled.append(RetryTask(node.id))
            settled += _amended(node, replace(task, id=node.id))
        kept = {*names.values()}
        for name in self._begun:
            spare = graph.nodes.get(name)
            if spare is None or name in kept or spare.ended or self._is_touched(spare):
                continue
            settled.append(CancelTask(name, SPARE))
        return tuple(settled)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _begin(
        self, graph: Constellation, edits: Sequence[Edit], names: dict[str, str]
    ) -> Iterator[Edit]:
        steps = _Steps(edits)
        for name in steps.in_order():
            if name in names:
                continue
            task, incoming = steps.renamed(name, names)
            node = self._find(graph, task, incoming, {*names.values()}, None)
            if node is not None:
                names[name] = node.id
                continue
            begun = names[name] = _fresh(name, graph, names)
            self._begun[begun] = graph.version + 1
            yield from _added(replace(task, id=begun, optional=True), incoming)

    def _find(
        self,
        graph: Constellation,
        task: Task,
        incoming: Mapping[str, Dependency],
        taken: set[str],
        decided: str | None,
    ) -> Node | None:
        """The task that was begun and does the same work."""
        if decided is not None and decided in graph.nodes:
            node = graph.nodes[decided]
            if self._is_touched(node):
                # A person has made it what it is.
                return node
        for name in (*([decided] if decided else []), *self._begun):
            found = graph.nodes.get(name)
            if found is not None and name not in taken and _is_same(found, task, incoming):
                return found
        return None

    def _is_touched(self, node: Node) -> bool:
        """Whether others have edited what was begun."""
        return node.changed != self._begun[node.id]


class _Steps:
    """The tasks that edits add, and what each of them waits for."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self.tasks = {edit.task.id: edit.task for edit in edits if isinstance(edit, AddTask)}
        self.incoming: dict[str, dict[str, Dependency]] = {name: {} for name in self.tasks}
        for edit in edits:
            if isinstance(edit, AddDependency):
                self.incoming[edit.dependency.target][edit.dependency.source] = edit.dependency
        for name, task in self.tasks.items():
            for reference in references([task.arguments, task.instruction, task.for_each]):
                if reference.task:
                    reads = reference.field == "items"
                    condition: ConditionKind = "stream" if reads else "success"
                    implied = Dependency(reference.task, name, condition)
                    self.incoming[name].setdefault(reference.task, implied)

    def sources(self, name: str) -> set[str]:
        return {*self.incoming[name]}

    def streams(self, name: str) -> set[str]:
        """The tasks that it reads while they run."""
        return {
            source
            for source, dependency in self.incoming[name].items()
            if dependency.condition == "stream"
        }

    def in_order(self) -> list[str]:
        """Each task after those it waits for; what waits for an unknown one is left out."""
        found: dict[str, None] = {}
        left = list(self.tasks)
        while True:
            waiting = [name for name in left if not self.sources(name) <= found.keys()]
            if len(waiting) == len(left):
                return list(found)
            found.update(dict.fromkeys(name for name in left if name not in waiting))
            left = waiting

    def renamed(self, name: str, names: Mapping[str, str]) -> tuple[Task, dict[str, Dependency]]:
        """A task and its dependencies, under the names that others have in the constellation."""
        task = self.tasks[name]
        renamed = replace(
            task,
            arguments=rename(task.arguments, names),
            instruction=rename(task.instruction, names),
            for_each=rename(task.for_each, names),
        )
        incoming = {
            names[source]: replace(dependency, source=names[source], target="")
            for source, dependency in self.incoming[name].items()
        }
        return renamed, incoming


def _added(task: Task, incoming: Mapping[str, Dependency]) -> Iterator[Edit]:
    yield AddTask(task)
    for dependency in incoming.values():
        yield AddDependency(replace(dependency, target=task.id))


def _amended(node: Node, task: Task) -> Iterator[Edit]:
    """What of a task is not yet as the plan has it, and can still be changed."""
    if node.state is TaskState.COMPLETED:
        return
    now, wanted = task_to_plain(node.task, full=True), task_to_plain(task, full=True)
    changes = {key: value for key, value in wanted.items() if now[key] != value}
    if node.started:
        changes = {key: value for key, value in changes.items() if key in _LATE}
    if changes:
        yield UpdateTask(node.id, changes)


def _only_reads(task: Task, cards: Sequence[DeviceCard]) -> bool:
    skills = _skills(task, cards)
    return bool(skills) and all(each.effect == "read" for each in skills)


def _emits(task: Task, cards: Sequence[DeviceCard]) -> bool:
    return any(each.emits for each in _skills(task, cards))


def _skills(task: Task, cards: Sequence[DeviceCard]) -> list[SkillCard]:
    """The skill of a task, as each device that may run it has it."""
    device = task.requirement.device
    able = (card.skill(task.skill) for card in cards if device in (None, card.name))
    return [skill for skill in able if skill is not None]


def _is_same(node: Node, task: Task, incoming: Mapping[str, Dependency]) -> bool:
    there = node.task
    work = (task.skill, task.instruction, task.arguments, task.for_each, task.gang, task.join)
    waits = {name: (each.condition, each.when) for name, each in incoming.items()}
    return (
        work
        == (
            there.skill,
            there.instruction,
            there.arguments,
            there.for_each,
            there.gang,
            there.join,
        )
        and task.requirement in (there.requirement, ANY_DEVICE)
        and waits == {name: (each.condition, each.when) for name, each in node.incoming.items()}
    )


def _fresh(wanted: str, graph: Constellation, names: Mapping[str, str]) -> str:
    taken = {*graph.nodes, *names.values()}
    found, number = wanted, 2
    while found in taken:
        found, number = f"{wanted[:120]}-{number}", number + 1
    return found
