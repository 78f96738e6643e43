"""The constellation while it is being planned: steps, their tasks, and what waits for what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from constellation.aip.cards import SkillCard
from constellation.graph.edits import AddTask, Edit
from constellation.graph.task import Requirement, RetryPolicy, Task
from constellation.planner.flow import Edge, Flow

from .words import concepts


@dataclass(eq=False, slots=True)
class Step:
    """One command that has become tasks.

    Attributes:
        text: the clause without its devices.
        skill: what it calls.
        arguments: what was stated, before results were filled in.
        sentence: number of its sentence.
        conditional: True if a condition of its own may skip it.
        has_result: False if it only passes on what others found.
        tasks: ids of its tasks, by device; the device is "" if any will do.
        stand_ins: for a task that may fail, the one that then does its work.
    """

    text: str
    skill: SkillCard
    arguments: Mapping[str, Any]
    sentence: int = 0
    conditional: bool = False
    has_result: bool = True
    tasks: dict[str, str] = field(default_factory=dict)
    stand_ins: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """All of its tasks, stand-ins included."""
        return [*self.tasks.values(), *self.stand_ins.values()]

    @property
    def devices(self) -> frozenset[str]:
        return frozenset(self.tasks)

    @property
    def words(self) -> frozenset[str]:
        """What it can be found by: the meanings of its own words and of its skill's."""
        return frozenset(concepts(f"{self.text} {self.skill.name} {self.skill.description}"))

    def on(self, device: str) -> list[str]:
        """Its task on a device, or all of its tasks if it has none there."""
        return [self.tasks[device]] if device in self.tasks else list(self.tasks.values())

    def chain(self, task: str) -> Iterator[str]:
        """A task, its stand-in, the stand-in's, and so on."""
        found: str | None = task
        while found is not None:
            yield found
            found = self.stand_ins.get(found)


class Draft:
    """Steps and their tasks, in the order in which they were found."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.steps: list[Step] = []
        self.tasks: dict[str, Task] = {}

    def add(self, task: Task, edges: Mapping[str, Edge], *, conditional: bool = False) -> str:
        """Add a task, under a fresh id made from the one it has, and return that id."""
        wanted, number = re.sub(r"[^\w-]+", "-", task.id)[:100], 2
        found = wanted
        while found in self.tasks:
            found, number = f"{wanted}-{number}", number + 1
        self.tasks[found] = replace(task, id=found)
        self.flow.add(found, edges, conditional=conditional)
        return found

    def retry(self, task: str, policy: RetryPolicy) -> None:
        """Give a task another retry policy."""
        self.tasks[task] = replace(self.tasks[task], retry=policy)

    def last_of(self, steps: Iterable[Step], device: str | None = None) -> list[str]:
        """The tasks of these steps that no other of them comes after.

        Args:
            device: only the tasks on this device, of a step that has one there.
        """
        tasks = [
            task for step in steps for task in (step.ids if device is None else step.on(device))
        ]
        passed = {
            source
            for task in tasks
            for source, edge in self.flow.incoming(task).items()
            if edge.condition == "success"
        }
        return [task for task in tasks if task not in passed]

    def edits(self) -> tuple[Edit, ...]:
        edits: list[Edit] = []
        for task_id, task in self.tasks.items():
            edits += [AddTask(task), *self.flow.dependencies(task_id)]
        return tuple(edits)


def new_task(
    skill: SkillCard,
    device: str,
    arguments: Mapping[str, Any],
    text: str,
    requirement: Requirement,
) -> Task:
    """A task of a skill; its id is made from the skill and the device."""
    return Task(
        id=f"{skill.name}-{device}" if device else skill.name,
        skill=skill.name,
        arguments=dict(arguments),
        name=f"{text} on {device}" if device else text,
        requirement=requirement,
    )
