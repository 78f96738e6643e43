"""Conditions between steps: which tasks a condition looks at, and the edges that it becomes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from constellation.planner.flow import COMPLETION, FAILURE, SUCCESS, Edge, Edges

from .conditions import Condition
from .draft import Step
from .predicates import predicate

_EVERY = re.compile(r"\b(?:all|every|each|both|everything)\b")
_ANY = re.compile(r"\b(?:any|anything|one of|something|either)\b")


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition, and the steps that it looks at."""

    condition: Condition
    steps: tuple[Step, ...]

    @property
    def selective(self) -> bool:
        """True if what is behind it may be skipped."""
        return self.condition.kind not in ("completion", "event")

    def edges(self, device: str) -> tuple[Edges, bool]:
        """The edges of a task on a device, and whether the first one that is met is enough.

        If a step ran on that very device too, only that result counts; else those of all devices.
        Of a task with stand-ins, the last one decides whether the work failed.
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
        return Edge("when", predicate(self.condition, step.skill))

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
