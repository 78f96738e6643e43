"""What must hold between the steps of a runbook before it can be planned."""

from __future__ import annotations

from collections.abc import Iterator

from constellation.graph.expressions import ExpressionError, compile_predicate

from .expressions import (
    REFERENCE,
    all_references,
    conjuncts,
    looks_at_result,
    mentioned,
    names_step,
    references,
    with_inputs,
    without_braces,
    without_step,
)
from .fields import did_you_mean
from .findings import Findings, Mark
from .model import Runbook, Step
from .order import Placed, placed, waits_for
from .tree import Node

RESERVED = frozenset({"inputs", "item", "index", "output", "state", "error", "device"})


def check(runbook: Runbook, root: Node, findings: Findings) -> None:
    """Add an error for every contradiction between the steps."""
    ids = {step.id: step for step in runbook.steps}
    _check_ids(runbook, findings)
    _check_references(runbook, root, ids, findings)
    for place in placed(runbook):
        _check_needs(runbook, place.step, ids, findings)
        _check_condition(runbook, place, ids, findings)
        _check_elements(place.step, findings)
    if not findings.errors:
        _check_cycles(runbook, ids, findings)


def _check_ids(runbook: Runbook, findings: Findings) -> None:
    first: dict[str, Step] = {}
    for step in runbook.steps:
        place = step.mark("id")
        if step.id in RESERVED:
            findings.add(
                place, "step.reserved", f"{step.id!r} cannot be the id of a step.", "Rename it."
            )
        if step.id in first:
            findings.add(
                place,
                "step.duplicate",
                f"There are two steps {step.id!r}.",
                f"Rename one; the first is on line {first[step.id].mark().line}.",
            )
        first.setdefault(step.id, step)


def _check_references(
    runbook: Runbook, root: Node, ids: dict[str, Step], findings: Findings
) -> None:
    for path, node in root.scalars():
        if not isinstance(node.value, str) or not path.startswith("steps"):
            continue
        for reference in references(node.value):
            if reference.head == "inputs":
                name = reference.path[1:].partition(".")[0].partition("[")[0]
                if name not in runbook.inputs:
                    findings.add(
                        node.mark,
                        "input.undeclared",
                        f"There is no input {name!r}.",
                        did_you_mean(name, runbook.inputs) or "Declare it under 'inputs'.",
                    )
            elif reference.head not in ("item", "index") and not names_step(reference.head, ids):
                findings.add(
                    node.mark,
                    "reference.undefined",
                    f"There is no step {reference.head!r} to take a result from.",
                    did_you_mean(reference.head, ids),
                )
            if reference.takes_items and not REFERENCE.fullmatch(node.value):
                findings.add(
                    node.mark,
                    "reference.items",
                    f"${{{reference.head}.items}} stands inside a text, and items come one by one.",
                    f"Let it be the whole argument, or take ${{{reference.head}.output}}.",
                )


def _check_needs(runbook: Runbook, step: Step, ids: dict[str, Step], findings: Findings) -> None:
    seen: set[str] = set()
    for need in step.needs or ():
        if need.when:
            text = without_step(without_braces(need.when), need.step)
            _check_expression(runbook, text, need.mark, findings)
        if need.step == step.id:
            findings.add(
                need.mark, "needs.itself", f"Step {step.id!r} needs itself.", "Remove that."
            )
        elif need.step not in ids:
            findings.add(
                need.mark,
                "needs.undefined",
                f"There is no step {need.step!r}.",
                did_you_mean(need.step, ids),
            )
        elif need.step in seen:
            findings.add(
                need.mark,
                "needs.twice",
                f"Step {step.id!r} needs {need.step!r} twice.",
                "Join the two conditions into one with 'and' or 'or'.",
            )
        seen.add(need.step)


def _check_condition(
    runbook: Runbook, place: Placed, ids: dict[str, Step], findings: Findings
) -> None:
    """A condition becomes edges, and an edge sees one task: so each part may name one step."""
    step, mark = place.step, place.step.mark("if")
    for part in conjuncts(without_braces(step.condition)) if step.condition else ():
        named = mentioned(part)
        unknown = [name for name in named if not names_step(name, ids)]
        for name in unknown:
            findings.add(
                mark,
                "if.undefined",
                f"There is no step {name!r} to look at.",
                did_you_mean(name, ids),
            )
        if len(named) > 1:
            findings.add(
                mark,
                "if.several",
                f"The condition {part!r} compares several steps at once.",
                "Join conditions on one step each with 'and', or compare them in a step between.",
            )
        elif not named and looks_at_result(part) and len(waits_for(place, ids)) != 1:
            findings.add(
                mark,
                "if.unclear",
                f"The condition {part!r} does not say of which step.",
                "Write step.output… with the step's id.",
            )
        elif not unknown:
            text = without_step(part, named[0]) if named else part
            _check_expression(runbook, text, mark, findings)


def _check_expression(runbook: Runbook, text: str, mark: Mark, findings: Findings) -> None:
    def write(name: str, path: str) -> str:
        if name not in runbook.inputs:
            findings.add(
                mark,
                "input.undeclared",
                f"There is no input {name!r}.",
                did_you_mean(name, runbook.inputs) or "Declare it under 'inputs'.",
            )
        return "null"

    try:
        compile_predicate(with_inputs(text, write))
    except ExpressionError as error:
        findings.add(mark, "if.expression", error.message, error.remedy)


def _check_elements(step: Step, findings: Findings) -> None:
    """``${item}`` means something only in a step that goes over a list."""
    if step.for_each is not None:
        return
    for name, value in step.arguments.items():
        if any(reference.head in ("item", "index") for reference in all_references(value)):
            findings.add(
                step.mark(f"with.{name}"),
                "item.nowhere",
                f"Step {step.id!r} uses an element, and goes over no list.",
                "Say 'for_each', or put the value itself.",
            )


def _check_cycles(runbook: Runbook, ids: dict[str, Step], findings: Findings) -> None:
    waiting = {place.step.id: waits_for(place, ids) for place in placed(runbook)}
    done: set[str] = set()
    for step in runbook.steps:
        loop = _loop(step.id, waiting, done)
        if loop:
            findings.add(
                ids[loop[0]].mark("needs"),
                "needs.cycle",
                f"These steps wait for each other: {' → '.join([*loop, loop[0]])}.",
                "Remove one of those dependencies.",
            )
            return


def _loop(start: str, waiting: dict[str, list[str]], done: set[str]) -> list[str]:
    """A cycle reachable from a step, without recursion; adds what is free of cycles to ``done``."""
    path: dict[str, None] = {}
    iterators: list[Iterator[str]] = [iter([start])]
    while iterators:
        step = next(iterators[-1], None)
        if step is None:
            iterators.pop()
            if path:
                done.add(path.popitem()[0])
        elif step in path:
            steps = list(path)
            return steps[steps.index(step) :]
        elif step not in done:
            path[step] = None
            iterators.append(iter(waiting[step]))
    return []
