"""The constellation while it is being planned: its tasks, and what waits for what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from constellation.aip.cards import SkillCard
from constellation.graph.edits import AddTask, Edit
from constellation.graph.task import Requirement, RetryPolicy, Task
from constellation.planner.flow import Edge, Flow

from .steps import Step


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

    def avoid(self, task: str, device: str) -> None:
        """Keep a task that may run anywhere off a device."""
        found = self.tasks[task]
        requirement = replace(found.requirement, avoid=(*found.requirement.avoid, device))
        self.tasks[task] = replace(found, requirement=requirement)

    def retry(self, task: str, policy: RetryPolicy) -> None:
        """Give a task another retry policy."""
        self.tasks[task] = replace(self.tasks[task], retry=policy)

    def last_of(self, steps: Iterable[Step], device: str | None = None) -> list[str]:
        """The tasks of these steps that no other of them comes after.

        Args:
            device: only the tasks on this device, of a step that has one there.
        """
        tasks = [
            task
            for step in steps
            for task in (step.on(device) if device in step.devices else step.ids)
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
