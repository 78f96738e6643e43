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
STREAM = Edge("stream")
NOT_FAILED = Edge("when", "state == 'completed' or state == 'canceled'")

Edges = dict[str, Edge]

_UNCONDITIONAL = frozenset({SUCCESS, COMPLETION, NOT_FAILED, STREAM})


class Flow:
    """The dependencies of a plan in the making; a task is added after those it waits for."""

    def __init__(self) -> None:
        self._incoming: dict[str, Edges] = {}
        self._conditional: set[str] = set()
        self._may_fail: set[str] = set()

    def add(self, task: str, edges: Mapping[str, Edge], *, conditional: bool = False) -> None:
        """Add a task.

        Args:
            task: its id.
            edges: all of its incoming edges, by source.
            conditional: it may be skipped though no edge of its own says so.
        """
        self._incoming[task] = dict(edges)
        if conditional or any(self._may_skip(*edge) for edge in edges.items()):
            self._conditional.add(task)

    def _may_skip(self, source: str, edge: Edge) -> bool:
        """True if this edge can stay unmet though nothing fails."""
        shares_its_fate = edge in (SUCCESS, STREAM) and source in self._conditional
        return shares_its_fate or edge not in _UNCONDITIONAL

    def forgive(self, task: str) -> None:
        """Let work go on after this task whether or not it fails."""
        self._may_fail.add(task)

    def after(self, tasks: Iterable[str]) -> Edges:
        """The edges of a task that comes after all of these.

        A conditional task may be skipped because something before it failed, which its own end
        does not tell: so what it waited for is waited for as well. Edges that came from here
        before are complete in that sense and taken over as they are.
        """
        edges: Edges = {}
        pending = list(tasks)
        while pending:
            task = pending.pop(0)
            if task in edges:
                continue
            if task in self._may_fail:
                edges[task] = COMPLETION
            elif task in self._conditional:
                edges[task] = NOT_FAILED
            else:
                edges[task] = SUCCESS
                continue
            for source, edge in self._incoming[task].items():
                if edge in (NOT_FAILED, COMPLETION):
                    edges.setdefault(source, edge)
                else:
                    pending.append(source)
        return edges

    def incoming(self, task: str) -> Edges:
        """A task's incoming edges, by source."""
        return dict(self._incoming[task])

    def dependencies(self, task: str) -> list[AddDependency]:
        """The edits that add a task's incoming edges."""
        return [
            AddDependency(Dependency(source, task, edge.condition, edge.when))
            for source, edge in self._incoming[task].items()
        ]
