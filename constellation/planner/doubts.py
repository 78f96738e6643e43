"""What speaks against a plan, by the cards of the devices that are there now. Pure.

None of it refuses a plan: a device that is missing may come. But a person is told before it waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.graph.constellation import Constellation
from constellation.graph.references import references
from constellation.graph.task import Task
from constellation.planner.matching import fits, fitting
from constellation.planner.offline.schemas import (
    missing_arguments,
    properties,
    unknown_arguments,
)
from constellation.planner.referring import Source, wrong
from constellation.planner.runbook.fields import did_you_mean


def doubts(graph: Constellation, cards: Sequence[DeviceCard]) -> Iterator[str]:
    """A sentence or two for each reason why a task could not run, or would fail."""
    named = {card.name: card for card in cards}
    tasks = [node.task for node in graph.nodes.values() if node.member_of is None]
    skills = {task.id: skill for task in tasks if (skill := _skill_of(task, named))}
    sources = {
        task.id: Source(skills[task.id], task.for_each is not None)
        for task in tasks
        if task.id in skills
    }
    for task in tasks:
        for doubt in _of(task, skills.get(task.id), sources, cards):
            yield f"Task {task.id}: {doubt}"


def _skill_of(task: Task, named: Mapping[str, DeviceCard]) -> SkillCard | None:
    """As the first device that may run the task has it."""
    device = task.requirement.device
    cards = named.values() if device is None else filter(None, [named.get(device)])
    able = (card for card in cards if fits(card, task.requirement, task.skill))
    return next((card.skill(task.skill) for card in able), None)


def _of(
    task: Task,
    skill: SkillCard | None,
    sources: Mapping[str, Source],
    cards: Sequence[DeviceCard],
) -> Iterator[str]:
    if skill is None:
        yield _nobody(task, cards)
        return
    yield from _of_arguments(task, skill)
    for reference in [*references(task.arguments), *references(task.for_each or "")]:
        if (source := sources.get(reference.task)) and (why := wrong(reference, source, skill)):
            yield f"${{{reference.text}}} leads nowhere: {why}."


def _nobody(task: Task, cards: Sequence[DeviceCard]) -> str:
    """Why no device can run it."""
    device = task.requirement.device
    names = {card.name for card in cards}
    if device and device not in names:
        return f"no device {device!r} is connected. {did_you_mean(device, names)}".rstrip()
    able = fitting(cards, task.requirement)
    if not able:
        return "no connected device is what it requires."
    offered = {each.name for card in able for each in card.skills}
    where = device or "no connected device that fits"
    has = "has no" if device else "has the"
    return f"{where} {has} skill {task.skill!r}. {did_you_mean(task.skill, offered)}".rstrip()


def _of_arguments(task: Task, skill: SkillCard) -> Iterator[str]:
    known = properties(skill.input)
    for name in unknown_arguments(skill, sorted(task.arguments)):
        yield f"{skill.name} takes no argument {name!r}. {did_you_mean(name, known)}".rstrip()
    for each in missing_arguments(skill, task.arguments):
        # What a task is to do in words is given beside its arguments.
        if each.kind != "instruction" or not task.instruction:
            yield f"{skill.name} needs the argument {each.name!r}."
