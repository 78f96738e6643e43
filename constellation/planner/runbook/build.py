"""From a runbook and its inputs to the edits that build its constellation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.edits import AddTask, Edit
from constellation.graph.expressions import ExpressionError, compile_predicate, evaluate
from constellation.graph.task import Task
from constellation.planner.flow import COMPLETION, NOT_FAILED, STREAM, SUCCESS, Edge, Edges, Flow
from constellation.planner.ports import Plan

from .expressions import (
    REFERENCE,
    all_references,
    conjuncts,
    looks_at_result,
    mentioned,
    split_reference,
    with_inputs,
    without_braces,
    without_step,
)
from .fanout import Instance, instances
from .filling import Filler, counterparts, drill
from .inputs import bind
from .model import Need, Runbook, Step
from .order import Placed, data_sources, placed, waits_for


class Predicate(NamedTuple):
    """One part of a condition: a predicate over the outcome of one step, or of one of its tasks."""

    step: str
    text: str


def build(runbook: Runbook, given: Mapping[str, Any], cards: Sequence[DeviceCard] | None) -> Plan:
    """See `Runbook.plan`."""
    return _Builder(runbook, bind(runbook, given), cards).plan()


class _Builder:
    def __init__(
        self, runbook: Runbook, inputs: Mapping[str, Any], cards: Sequence[DeviceCard] | None
    ) -> None:
        self.runbook = runbook
        self.inputs = inputs
        self.cards = cards
        self.steps = {step.id: step for step in runbook.steps}
        self.flow = Flow()
        self.instances: dict[str, list[Instance]] = {}
        self.owners: dict[str, str] = {}  # step of each task
        self.before: dict[str, tuple[Step, ...]] = {}
        self.planned: set[str] = set()
        self.edits: list[Edit] = []
        self.notes: list[str] = []

    def plan(self) -> Plan:
        for place in self._sorted():
            self.planned.add(place.step.id)
            self.before[place.step.id] = place.before
            self._add(place)
        return Plan(self.runbook.title, tuple(self.edits), tuple(self.notes))

    def _sorted(self) -> list[Placed]:
        """The steps, each after all that it waits for, else in the order of the document."""
        places = {place.step.id: place for place in placed(self.runbook)}
        waiting = {step: waits_for(place, self.steps) for step, place in places.items()}
        order: dict[str, None] = {}
        for start in places:
            stack = [start]
            while stack:
                missing = [step for step in waiting[stack[-1]] if step not in order]
                if missing:
                    stack.extend(reversed(missing))
                else:
                    order[stack.pop()] = None
        return [places[step] for step in order]

    def _add(self, place: Placed) -> None:
        step = place.step
        elements, each = self._list(step)
        found = instances(self.runbook, step, elements, self.cards)
        predicates = self._predicates(place)
        if predicates is None or self._needs_left_out(step):
            self.notes.append(f"Step {step.id!r} is left out: what it depends on is not so.")
            return
        self.instances[step.id] = found
        for instance in found:
            self._claim(instance, step)
            filler = Filler(self.inputs, self.instances, step, instance)
            task = Task(
                id=instance.task,
                skill=step.skill,
                arguments=filler.fill(step.arguments),
                instruction=filler.fill(step.instruction),
                name=step.title,
                requirement=instance.requirement,
                priority=step.priority,
                timeout_s=step.timeout_s,
                deadline_s=step.deadline_s,
                retry=step.retry,
                idempotent=step.idempotent,
                optional=step.optional,
                join=step.join,
                for_each=each,
                max_parallel=step.max_parallel,
            )
            edges = self._edges(place, instance, predicates)
            for source, edge in self._data_edges(task).items():
                placed_edge = step.needs is None and edges.get(source) in (NOT_FAILED, COMPLETION)
                reads = edge == STREAM and step.needs is None
                if source not in edges or reads or (placed_edge and edge == SUCCESS):
                    edges[source] = edge
            self.flow.add(task.id, edges)
            if step.optional:
                self.flow.forgive(task.id)
            self.edits += [AddTask(task), *self.flow.dependencies(task.id)]

    def _claim(self, instance: Instance, step: Step) -> None:
        other = self.owners.setdefault(instance.task, step.id)
        if other != step.id:
            raise self._error(
                step,
                "id",
                f"Steps {other!r} and {step.id!r} both make a task {instance.task!r}.",
                "Rename one of the steps.",
            )

    def _list(self, step: Step) -> tuple[Sequence[Any] | None, str | None]:
        """The elements of the step's list if they are known now, else the reference to it."""
        if step.for_each is None:
            return None, None
        viewer = Instance(step.id, step.on.requirement)
        if not isinstance(step.for_each, str):
            filler = Filler(self.inputs, self.instances, step, viewer)
            return filler.fill(list(step.for_each)), None
        reference = REFERENCE.fullmatch(step.for_each)
        head, path = split_reference(reference[1] if reference else "")
        if head == "inputs":
            value = drill(self.inputs, path, head + path)
            if not isinstance(value, list | tuple):
                raise self._error(
                    step, "for_each", f"{step.for_each} is not a list.", "Give it a list."
                )
            return value, None
        tasks = counterparts(self.instances, head, viewer, same_device=False)
        if len(tasks) != 1:
            raise self._error(
                step,
                "for_each",
                f"{step.for_each} is not one list: step {head!r} has {len(tasks)} tasks.",
                "Name one of them as step-device.",
            )
        return None, f"${{{tasks[0].task}{path}}}"

    # ── dependencies ────────────────────────────────────────────────────────────────────────────

    def _predicates(self, place: Placed) -> list[Predicate] | None:
        """The parts of a step's condition; None if one that looks only at inputs does not hold."""
        expression = self._with_inputs(without_braces(place.step.condition))
        found = []
        for part in conjuncts(expression) if expression else ():
            named = mentioned(part)
            if named or looks_at_result(part):
                step = named[0] if named else waits_for(place, self.steps)[0]
                found.append(Predicate(step, self._readable(place.step, without_step(part, step))))
            elif not self._holds(place.step, part):
                return None
        return found

    def _holds(self, step: Step, expression: str) -> bool:
        """Whether a condition on inputs alone is met."""
        try:
            return evaluate(expression, {})
        except (ExpressionError, TypeError) as error:
            raise self._error(step, "if", str(error), "Compare values of one kind.") from None

    def _readable(self, step: Step, expression: str) -> str:
        """The expression, if it can still be read with its inputs written out."""
        try:
            compile_predicate(expression)
        except ExpressionError as error:
            raise self._error(step, "if", error.message, error.remedy) from None
        return expression

    def _needs_left_out(self, step: Step) -> bool:
        """True if it needs an outcome, or uses a result, of a step that was left out."""
        needed = [need.step for need in step.needs or () if need.outcome != "completion"]
        needed += data_sources(step, self.steps)
        return any(self._left_out(name) for name in needed)

    def _left_out(self, name: str) -> bool:
        return name in self.planned and name not in self.instances

    def _standing(self, before: Iterable[Step]) -> Iterator[Step]:
        """The steps of a group; in place of one that was left out, those before it."""
        pending = list(before)
        while pending:
            step = pending.pop(0)
            if self._left_out(step.id):
                pending = [*self.before[step.id], *pending]
            else:
                yield step

    def _with_inputs(self, expression: str) -> str:
        """An expression with its inputs written out as literals."""
        return with_inputs(
            expression,
            lambda name, path: repr(drill(self.inputs[name], path, f"inputs.{name}{path}")),
        )

    def _edges(self, place: Placed, instance: Instance, predicates: Iterable[Predicate]) -> Edges:
        step = place.step
        edges: Edges = {}
        if step.needs is None:
            standing = dict.fromkeys(other.id for other in self._standing(place.before))
            before = [task.task for other in standing for task in self.instances[other]]
            edges = self.flow.after(before)
        for need in step.needs or ():
            when = self._when(step, need)
            if self._left_out(need.step):
                continue
            for other in counterparts(self.instances, need.step, instance, need.same_device):
                edges[other.task] = Edge(need.outcome, when)
        for predicate in predicates:
            for source in self._looked_at(predicate.step, instance):
                edges[source] = _stricter(edges.get(source), predicate.text)
        return edges

    def _when(self, step: Step, need: Need) -> str | None:
        if need.when is None:
            return None
        expression = self._with_inputs(without_braces(need.when))
        return self._readable(step, without_step(expression, need.step))

    def _looked_at(self, name: str, instance: Instance) -> list[str]:
        """The tasks that a condition looks at: the one on the same device if there is one."""
        found = counterparts(self.instances, name, instance, same_device=False)
        here = [other for other in found if other.device and other.device == instance.device]
        return [other.task for other in here or found]

    def _data_edges(self, task: Task) -> Edges:
        """What its references demand: a result that a task succeeds, an error that it ends.

        What is read as it comes demands that it comes.
        """
        edges: Edges = {}
        for found in all_references([task.arguments, task.instruction, task.for_each or ""]):
            if found.head in self.owners:
                usual = SUCCESS if found.takes_output else COMPLETION
                edges[found.head] = SUCCESS if edges.get(found.head) == SUCCESS else usual
                if found.takes_items:
                    edges[found.head] = STREAM
        return edges

    def _error(self, step: Step, field: str, message: str, remedy: str) -> PlanError:
        mark = step.mark(field)
        return PlanError(
            f"{self.runbook.source}:{mark.line}:{mark.column}: {message}",
            remedy=remedy,
            line=mark.line,
            column=mark.column,
        )


def _stricter(edge: Edge | None, predicate: str) -> Edge:
    """An edge that also demands a predicate."""
    if edge is None or edge.condition != "when" or edge == NOT_FAILED:
        return Edge("when", predicate)
    return Edge("when", f"({edge.when}) and ({predicate})")
