"""Lint rules that need to know the connected devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from constellation.aip.cards import DeviceCard, Effect, SkillCard
from constellation.graph.references import ReferenceSyntaxError, parse_reference
from constellation.planner.matching import fitting
from constellation.planner.offline.schemas import (
    missing_arguments,
    properties,
    unknown_arguments,
)
from constellation.planner.referring import Source, wrong

from .expressions import all_references
from .fields import did_you_mean
from .findings import Findings
from .model import Runbook, Step


def effect_of(step: Step, cards: Sequence[DeviceCard]) -> Effect | None:
    """What the step's skill does to the world; None if no connected device has it."""
    skill = skill_of(step, cards)
    return skill.effect if skill else None


def skill_of(step: Step, cards: Sequence[DeviceCard]) -> SkillCard | None:
    """The skill as the first device that has it describes it."""
    return next((skill for card in cards if (skill := card.skill(step.skill))), None)


def lint_cards(runbook: Runbook, cards: Sequence[DeviceCard], findings: Findings) -> None:
    """Check every step against the devices that are connected now."""
    for step in runbook.steps:
        if step.skill:
            _check_skill(step, cards, findings)
            _check_references(step, {each.id: each for each in runbook.steps}, cards, findings)
        _check_device(step, cards, findings)


def _check_skill(step: Step, cards: Sequence[DeviceCard], findings: Findings) -> None:
    skill = skill_of(step, cards)
    if skill is None:
        names = {skill.name for card in cards for skill in card.skills}
        findings.add(
            step.mark("skill"),
            "skill.unknown",
            f"No connected device has the skill {step.skill!r}.",
            did_you_mean(step.skill, names),
            "warning",
        )
        return
    known = properties(skill.input)
    for name in unknown_arguments(skill, step.arguments):
        findings.add(
            step.mark(f"with.{name}"),
            "skill.argument",
            f"{step.skill} takes no argument {name!r}.",
            did_you_mean(name, known),
            "warning",
        )
    for each in missing_arguments(skill, step.arguments):
        findings.add(
            step.mark("with"),
            "skill.missing",
            f"{step.skill} needs the argument {each.name!r}.",
            f"Add it under 'with' in step {step.id!r}.",
            "warning",
        )
    if skill.effect != "read" and step.retry.attempts > 1:
        _check_retry(step, skill, findings)


def _check_references(
    step: Step, steps: Mapping[str, Step], cards: Sequence[DeviceCard], findings: Findings
) -> None:
    """What a step takes of the results of others, which their skills may not give."""
    reader = skill_of(step, cards)
    for name, value in step.arguments.items():
        for text in all_references(value):
            source = steps.get(text.head)
            skill = skill_of(source, cards) if source else None
            # Of a list that is known when it is planned each element has a task of its own.
            if source is None or source.for_each is not None or skill is None or reader is None:
                continue
            with suppress(ReferenceSyntaxError):
                reference = parse_reference(text.head + text.path)
                if why := wrong(reference, Source(skill), reader):
                    findings.add(
                        step.mark(f"with.{name}"),
                        "reference.nowhere",
                        f"${{{reference.text}}} leads nowhere: {why}.",
                        "Correct the reference.",
                        "warning",
                    )


def _check_retry(step: Step, skill: SkillCard, findings: Findings) -> None:
    if not (skill.idempotent if step.idempotent is None else step.idempotent):
        findings.add(
            step.mark("retry"),
            "retry.unsafe",
            f"Step {step.id!r} may do its work twice: {skill.name} is not idempotent.",
            "Say 'idempotent: true' if twice does no harm, or drop 'retry'.",
            "warning",
        )


def _check_device(step: Step, cards: Sequence[DeviceCard], findings: Findings) -> None:
    connected = {card.name for card in cards}
    device = step.on.requirement.device
    for name in (*step.on.names, *([device] if device else [])):
        if name not in connected:
            findings.add(
                step.mark("on"),
                "device.unknown",
                f"No device {name!r} is connected.",
                did_you_mean(name, connected),
                "warning",
            )
            return
    if not fitting(cards, step.on.requirement):
        findings.add(
            step.mark("on"),
            "device.none",
            f"No connected device fits step {step.id!r}.",
            "Change 'on', or connect a device that fits.",
            "warning",
        )
    elif (
        step.skill and skill_of(step, cards) and not fitting(cards, step.on.requirement, step.skill)
    ):
        findings.add(
            step.mark("on"),
            "device.skill",
            f"No device that step {step.id!r} may run on has the skill {step.skill!r}.",
            "Run it elsewhere, or use another skill.",
            "warning",
        )
