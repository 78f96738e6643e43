"""What "and then" means once some of the work before it is conditional.

A reader of steps expects that a step which is skipped, because its own condition did not hold, does
not stop the steps after it, while a step that fails does. `Flow` turns that into dependencies: what
follows a conditional task waits for it to end without failing, and for the success of the work that
the condition looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from constellation.graph.edits import AddDependency
from constellation.graph.task import ConditionKind, Dependency


class Edge(NamedTuple):
    """The condition of a dependency, without its ends."""

    condition: ConditionKind = "success"
    when: str | None = None


SUCCESS = Edge()
FAILURE = Edge("failure")
COMPLETION = Edge("completion")
NOT_FAILED = Edge("when", "state == 'completed' or state == 'canceled'")
SUCCEEDED = Edge("when", "state == 'completed'")
"""Success in the strict sense, for optional tasks, whose failure otherwise counts as success."""

Edges = dict[str, Edge]

_UNCONDITIONAL = frozenset({SUCCESS, COMPLETION, NOT_FAILED})


class Flow:
    """The dependencies of a plan in the making."""

    def __init__(self) -> None:
        self._incoming: dict[str, Edges] = {}
        self._optional: set[str] = set()

    def add(self, task: str, edges: Mapping[str, Edge], *, optional: bool = False) -> None:
        """Add a task with all of its incoming edges, by source."""
        self._incoming[task] = dict(edges)
        if optional:
            self._optional.add(task)

    def conditional(self, task: str) -> bool:
        """True if a condition of its own, or of a task it stands on, may skip this task."""
        return any(edge not in _UNCONDITIONAL for edge in self._incoming.get(task, {}).values())

    def after(self, tasks: Iterable[str]) -> Edges:
        """The edges of a task that comes after all of these."""
        edges: Edges = {}
        pending = list(tasks)
        while pending:
            task = pending.pop(0)
            if task in edges:
                continue
            if not self.conditional(task):
                edges[task] = SUCCESS
                continue
            edges[task] = COMPLETION if task in self._optional else NOT_FAILED
            pending.extend(self._incoming[task])
        return edges

    def dependencies(self, task: str) -> list[AddDependency]:
        """The edits that add a task's incoming edges."""
        return [
            AddDependency(Dependency(source, task, edge.condition, edge.when))
            for source, edge in self._incoming[task].items()
        ]
