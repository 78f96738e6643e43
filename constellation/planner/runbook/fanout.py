"""From steps to tasks: one task a step, or one for each device or each element of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.task import Requirement
from constellation.planner.matching import fitting

from .model import Runbook, Step


@dataclass(frozen=True, slots=True)
class Instance:
    """One task of a step.

    Attributes:
        task: the task's id.
        requirement: where it may run.
        device: the device that it was made for; None if the step has no task for each device.
        index: position of its element; None if the step has no list that is known now.
        item: the element itself.
    """

    task: str
    requirement: Requirement
    device: str | None = None
    index: int | None = None
    item: Any = None


def instances(
    runbook: Runbook,
    step: Step,
    elements: Sequence[Any] | None,
    cards: Sequence[DeviceCard] | None,
) -> list[Instance]:
    """The tasks of a step.

    Args:
        runbook: for messages.
        step: the step.
        elements: the elements of its list; None if it has none, or none that is known now.
        cards: the connected devices; None if they are not known.

    Raises:
        PlanError: the step runs on every device that fits, and none does or none is known.
    """
    found = [Instance(step.id, step.on.requirement)]
    if step.on.fans_out:
        found = [
            Instance(
                f"{step.id}-{name}", replace(step.on.requirement, device=name, labels={}), name
            )
            for name in _devices(runbook, step, cards)
        ]
    if elements is None:
        return found
    return [
        replace(instance, task=f"{instance.task}-{index}", index=index, item=item)
        for instance in found
        for index, item in enumerate(elements)
    ]


def _devices(runbook: Runbook, step: Step, cards: Sequence[DeviceCard] | None) -> list[str]:
    if step.on.names:
        return list(dict.fromkeys(step.on.names))
    mark = step.mark("on")
    place = f"{runbook.source}:{mark.line}:{mark.column}"
    if cards is None:
        raise PlanError(
            f"{place}: Step {step.id!r} runs on every device, and no devices are known.",
            remedy="Plan it where the connected devices are known, or name the devices.",
            line=mark.line,
            column=mark.column,
        )
    found = [card.name for card in fitting(cards, step.on.requirement, step.skill)]
    if not found:
        raise PlanError(
            f"{place}: Step {step.id!r} fits none of the connected devices.",
            remedy="Change 'on', or connect a device that fits and has the skill.",
            line=mark.line,
            column=mark.column,
        )
    return found
