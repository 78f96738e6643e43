"""The linter: what can be planned, and yet is unclear, useless or slower than need be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from constellation.aip.cards import DeviceCard

from .expressions import all_references, names_step, texts
from .findings import Finding, Findings
from .lint_cards import effect_of, lint_cards
from .model import Runbook, Step
from .order import Placed, data_sources, placed, result_sources
from .reader import read

Fate = Literal["success", "failure"]

CODE_ARGUMENTS = ("command", "code")
"""Arguments of skills that are run, and not only read."""

IN_WORDS = "agent.do"
"""The skill of devices that do what they are told in plain words."""

_BARE = re.compile(r"\$\{\s*([A-Za-z0-9_-]+)\s*\}")


def lint(
    text: str, source: str = "runbook.yaml", cards: Sequence[DeviceCard] | None = None
) -> list[Finding]:
    """Everything that is wrong with a runbook, or could be better, sorted by place.

    Args:
        text: the document.
        source: its file name, which says whether it is Markdown.
        cards: the connected devices; with them skills, arguments and devices are checked as well.
    """
    runbook, findings = read(text, source)
    if runbook is not None and not findings.errors:
        steps = {step.id: step for step in runbook.steps}
        places = list(placed(runbook))
        for rule in (
            _unused_inputs,
            _lookalikes,
            _results_run,
            _results_obeyed,
            _unclear_order,
            _unreachable,
        ):
            rule(runbook, places, steps, findings)
        _could_be_parallel(places, steps, cards, findings)
        _unused_steps(places, steps, cards, findings)
        if cards is not None:
            lint_cards(runbook, cards, findings)
    return sorted(findings)


def _said(step: Step) -> Iterator[str]:
    """Every text of a step that may hold references."""
    yield from texts([step.arguments, step.instruction, step.for_each or "", step.condition])
    yield from (need.when for need in step.needs or () if need.when)


def _unused_inputs(
    runbook: Runbook, _places: list[Placed], _steps: dict[str, Step], findings: Findings
) -> None:
    said = "\n".join(text for step in runbook.steps for text in _said(step))
    for declared in runbook.inputs.values():
        if not re.search(rf"\binputs\.{re.escape(declared.name)}(?![\w-])", said):
            findings.add(
                declared.mark,
                "input.unused",
                f"No step uses the input {declared.name!r}.",
                f"Use it as ${{inputs.{declared.name}}}, or remove it.",
                "warning",
            )


def _lookalikes(
    runbook: Runbook, _places: list[Placed], steps: dict[str, Step], findings: Findings
) -> None:
    """``${name}`` alone is plain text (a shell variable), often meant as a reference."""
    for step in runbook.steps:
        names = {match[1] for text in _said(step) for match in _BARE.finditer(text)}
        for name in sorted(names):
            meant = f"inputs.{name}" if name in runbook.inputs else f"{name}.output"
            if name in runbook.inputs or name in steps:
                findings.add(
                    step.mark(),
                    "reference.plain",
                    f"${{{name}}} in step {step.id!r} is plain text, not a reference.",
                    f"Write ${{{meant}}} if you mean it.",
                    "warning",
                )


def _results_run(
    _runbook: Runbook, _places: list[Placed], steps: dict[str, Step], findings: Findings
) -> None:
    """A result inside a command: what another machine put out would be run."""
    for step in steps.values():
        code = [step.arguments.get(name) for name in CODE_ARGUMENTS]
        for reference in all_references(code):
            owner = names_step(reference.head, steps)
            if owner and reference.takes_output:
                findings.add(
                    step.mark(),
                    "result.run",
                    f"The result of {owner!r} becomes part of what step {step.id!r} runs.",
                    'Pass it beside the command: with: {env: {NAME: …}}, and use "$NAME".',
                    "warning",
                )


def _results_obeyed(
    _runbook: Runbook, _places: list[Placed], steps: dict[str, Step], findings: Findings
) -> None:
    """A result inside words that a model obeys: what another machine put out would instruct it."""
    for step in steps.values():
        words = step.instruction or (step.skill == IN_WORDS and step.arguments.get("instruction"))
        for reference in all_references(words or ""):
            owner = names_step(reference.head, steps)
            if owner and reference.takes_output:
                findings.add(
                    step.mark(),
                    "result.obeyed",
                    f"The result of {owner!r} becomes part of what step {step.id!r} obeys.",
                    f"Pass it beside them: skill: {IN_WORDS}, with: {{instruction: …, data: …}}.",
                    "warning",
                )


def _unclear_order(
    _runbook: Runbook, places: list[Placed], _steps: dict[str, Step], findings: Findings
) -> None:
    """A step without 'needs' below one that jumped elsewhere: readers guess what it waits for."""
    for place in places:
        step = place.step
        for above in place.before:
            jumped = above.needs is not None and step.needs is None and not step.parallel
            if jumped and not data_sources(step, {above.id: above}):
                findings.add(
                    step.mark(),
                    "order.unclear",
                    f"Step {step.id!r} waits for {above.id!r} only because it stands below it, "
                    f"and {above.id!r} says itself what it needs.",
                    f"Say it: needs: [{above.id}].",
                    "warning",
                )


def _could_be_parallel(
    places: list[Placed],
    steps: dict[str, Step],
    cards: Sequence[DeviceCard] | None,
    findings: Findings,
) -> None:
    for place in places:
        step = place.step
        if step.needs is not None or step.parallel or step.condition or not place.before:
            continue
        if set(data_sources(step, steps)) & {above.id for above in place.before}:
            continue
        if all(_order_free(step, above, cards) for above in place.before):
            names = " and ".join(repr(above.id) for above in place.before)
            findings.add(
                step.mark(),
                "step.parallel",
                f"Step {step.id!r} uses nothing of {names} and could run at the same time.",
                "Add 'parallel: true', or say 'needs' if the order matters.",
                "hint",
            )


def _order_free(step: Step, above: Step, cards: Sequence[DeviceCard] | None) -> bool:
    """True if nothing speaks for an order: other devices, or two steps that only look."""
    if above.condition or step.on != above.on:
        return not above.condition
    if cards is not None:
        return effect_of(step, cards) == effect_of(above, cards) == "read"
    return "shell.run" not in (step.skill, above.skill) and not (
        step.instruction or above.instruction
    )


def _unused_steps(
    places: list[Placed],
    steps: dict[str, Step],
    cards: Sequence[DeviceCard] | None,
    findings: Findings,
) -> None:
    """Steps that only look, and whose result nobody looks at."""
    if cards is None or not places:
        return
    used = {name for step in steps.values() for name in data_sources(step, steps)}
    used |= {need.step for step in steps.values() for need in step.needs or ()}
    for place in places:
        step = place.step
        if step.id in used or effect_of(step, cards) != "read" or step is places[-1].step:
            continue
        findings.add(
            step.mark(),
            "step.unused",
            f"Step {step.id!r} only reads, and no other step uses its result.",
            f"Use it as ${{{step.id}.output}}, or remove the step.",
            "warning",
        )


def _unreachable(
    _runbook: Runbook, places: list[Placed], steps: dict[str, Step], findings: Findings
) -> None:
    """Steps that need one step both to succeed and to fail."""
    fates: dict[str, dict[str, Fate]] = {}
    for place in places:
        step = place.step
        known: dict[str, Fate] = {}
        for name, fate in _direct_fates(step, steps):
            for other, needed in [(name, fate), *fates.get(name, {}).items()]:
                if step.join == "all" and known.setdefault(other, needed) != needed:
                    findings.add(
                        step.mark(),
                        "condition.unreachable",
                        f"Step {step.id!r} can never run: {other!r} would have to both succeed "
                        "and fail.",
                        "Drop one of the two, or wait for 'completion'.",
                        "warning",
                    )
        fates[step.id] = known if step.join == "all" else {}


def _direct_fates(step: Step, steps: dict[str, Step]) -> Iterator[tuple[str, Fate]]:
    for need in step.needs or ():
        if need.outcome == "failure":
            yield need.step, "failure"
        elif need.outcome == "success":
            yield need.step, "success"
    for name in result_sources(step, steps):
        if not steps[name].optional:
            yield name, "success"
