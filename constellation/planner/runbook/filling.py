"""Filling the references of a step with what is known when it is planned.

Inputs and elements become values. A reference to a step stays a reference, but to the step's task;
if the step has several tasks, it becomes a mapping from device to reference (or a list of them),
and inside a longer text one line for each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constellation.errors import PlanError
from constellation.planner.literals import literal

from .expressions import replace, split_reference
from .fanout import Instance
from .model import Step

_SEGMENT = re.compile(r"\.([\w-]+)|\[([0-9]+)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")


@dataclass(frozen=True, slots=True)
class Filler:
    """What is known while a step's tasks are made.

    Attributes:
        inputs: the value of every input.
        instances: the tasks of the steps that are already planned, by step.
        step: the step being filled.
        instance: the task of it that is being filled.
    """

    inputs: Mapping[str, Any]
    instances: Mapping[str, Sequence[Instance]]
    step: Step
    instance: Instance

    def fill(self, value: Any) -> Any:
        """A copy of plain data with its references filled.

        Raises:
            PlanError: a reference leads nowhere.
        """
        return replace(value, self._resolve)

    def _resolve(self, body: str, whole: bool) -> Any:
        head, path = split_reference(body)
        if head == "inputs":
            known = drill(self.inputs, path, body)
        elif head in ("item", "index"):
            if self.instance.index is None:
                return f"${{{body}}}"
            known = drill(self.instance.item, path, body) if head == "item" else self.instance.index
        else:
            return self._of_task(head, path, whole)
        return literal(known if whole else as_text(known))

    def _of_task(self, name: str, path: str, whole: bool) -> Any:
        sources = counterparts(self.instances, name, self.instance, self._same_device(name))
        if len(sources) == 1 and (sources[0].task == name or self._same_device(name)):
            return f"${{{sources[0].task}{path}}}"
        references = [f"${{{source.task}{path}}}" for source in sources]
        if all(source.index is None for source in sources):
            keys = [source.device or source.task for source in sources]
            mapping = dict(zip(keys, references, strict=True))
            if whole:
                return mapping
            return "\n".join(f"{key}: {reference}" for key, reference in mapping.items())
        return references if whole else "\n".join(references)

    def _same_device(self, name: str) -> bool:
        return any(need.same_device and need.step == name for need in self.step.needs or ())


def counterparts(
    instances: Mapping[str, Sequence[Instance]], name: str, instance: Instance, same_device: bool
) -> list[Instance]:
    """The tasks that a name means, seen from one task.

    Args:
        instances: the tasks of each step.
        name: a step, or one task of a step that has several.
        instance: the task that looks.
        same_device: only the one on the same device counts.

    Raises:
        PlanError: there is no such task.
    """
    if name in instances:
        found = list(instances[name])
        if same_device:
            found = [other for other in found if other.device == instance.device]
    else:
        found = [other for others in instances.values() for other in others if other.task == name]
    if not found and (same_device or name not in instances):
        where = f" on {instance.device}" if same_device and instance.device else ""
        raise PlanError(
            f"Task {instance.task!r} looks at {name!r}{where}, which has no such task.",
            remedy="Name the step, or one of its tasks as step-device.",
        )
    return found


def drill(value: Any, path: str, body: str) -> Any:
    """The part of a value that a path such as ``.name[0].size`` leads to."""
    position = 0
    while position < len(path):
        segment = _SEGMENT.match(path, position)
        if segment is None:
            raise PlanError(
                f"The path of ${{{body}}} cannot be read.", remedy="Write .name or [0]."
            )
        key = next((group for group in segment.groups() if group is not None), "")
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, Sequence) and not isinstance(value, str) and _within(key, value):
            value = value[int(key)]
        else:
            raise PlanError(f"${{{body}}} leads nowhere: there is no {key!r}.")
        position = segment.end()
    return value


def _within(key: str, value: Sequence[Any]) -> bool:
    return key.isdecimal() and int(key) < len(value)


def as_text(value: Any) -> str:
    """A value inside a longer text: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
