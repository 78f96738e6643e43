"""Steps of a plan in the making, and the conditions between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from constellation.aip.cards import SkillCard
from constellation.planner.flow import COMPLETION, FAILURE, SUCCESS, Edge, Edges

from .conditions import Condition
from .predicates import predicate
from .words import concepts

_EVERY = re.compile(r"\b(?:all|every|each|both|everything)\b")
_ANY = re.compile(r"\b(?:any|anything|one of|something|either)\b")


@dataclass(eq=False, slots=True)
class Step:
    """One command that has become tasks.

    Attributes:
        text: the clause without its devices.
        skill: what it calls.
        arguments: what was stated, before results were filled in.
        sentence: number of its sentence.
        gate: the condition that it runs on, or None.
        has_result: False if it only passes on what others found.
        tasks: ids of its tasks, by device; the device is "" if any will do.
        stand_ins: for a task that may fail, the one that then does its work.
    """

    text: str
    skill: SkillCard
    arguments: Mapping[str, Any]
    sentence: int = 0
    gate: Gate | None = None
    has_result: bool = True
    tasks: dict[str, str] = field(default_factory=dict)
    stand_ins: dict[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """All of its tasks, stand-ins included."""
        return [*self.tasks.values(), *self.stand_ins.values()]

    @property
    def conditional(self) -> bool:
        """True if a condition may skip it."""
        return self.gate is not None and self.gate.selective

    @property
    def devices(self) -> frozenset[str]:
        return frozenset(self.tasks)

    @property
    def words(self) -> frozenset[str]:
        """What it can be found by: the meanings of its own words and of its skill's."""
        return frozenset(concepts(f"{self.text} {self.skill.name} {self.skill.description}"))

    def on(self, device: str | None) -> list[str]:
        """Its task on a device, or all of its tasks if it has none there."""
        if device is not None and device in self.tasks:
            return [self.tasks[device]]
        return list(self.tasks.values())

    def chain(self, task: str) -> Iterator[str]:
        """A task, its stand-in, the stand-in's, and so on."""
        found: str | None = task
        while found is not None:
            yield found
            found = self.stand_ins.get(found)


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition, and the steps that it looks at."""

    condition: Condition
    steps: tuple[Step, ...]

    @property
    def selective(self) -> bool:
        """True if what is behind it may be skipped."""
        return self.condition.kind not in ("completion", "event")

    def edges(self, device: str | None) -> tuple[Edges, bool]:
        """The edges of a task, and whether the first one that is met is enough.

        Of a task with stand-ins, the last one decides whether the work failed.

        Args:
            device: where the task runs, if of a step that ran there too only that result counts.
        """
        edges: Edges = {}
        stand_ins = False
        for step in self.steps:
            edge = self._edge(step)
            for task in step.on(device):
                chain = list(step.chain(task))
                failed = self.condition.kind == "failure"
                edges.update(dict.fromkeys(chain[-1:] if failed else chain, edge))
                stand_ins = stand_ins or (len(chain) > 1 and not failed)
        return edges, stand_ins or (len(edges) > 1 and self._any())

    def _edge(self, step: Step) -> Edge:
        kind = self.condition.kind
        if kind == "failure":
            return FAILURE
        if kind in ("success", "event"):
            return SUCCESS
        if kind == "completion":
            return COMPLETION
        return Edge("when", predicate(self.condition, step.skill, step.text))

    def _any(self) -> bool:
        """Of several results one is enough, unless the words say otherwise.

        ``it succeeds`` means all of them, and so does the opposite of what one of them may meet.
        """
        text, kind = self.condition.text, self.condition.kind
        if kind == "failure":
            return not _EVERY.search(text)
        if kind == "success":
            return bool(_ANY.search(text))
        return kind == "test" and bool(_EVERY.search(text)) == self.condition.negated
