"""Running a plan on paper: tasks end as told, and the graph says which ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch
from constellation.graph.task import Outcome, TaskState
from constellation.planner.ports import Plan

FAILS: Any = object()
"""As an output: the task fails."""


class Run:
    """A plan that was run.

    Args:
        plan: the plan.
        outputs: what tasks put out, by id; `FAILS` for those that fail, else an empty result.

    Attributes:
        arguments: the arguments each task was started with, in the order of the starts.
        graph: the constellation at its end.
    """

    def __init__(self, plan: Plan, outputs: Mapping[str, Any] | None = None) -> None:
        self.graph = Constellation("c")
        self.arguments: dict[str, dict[str, Any]] = {}
        self.graph.apply(Batch(plan.edits), 0.0)
        while ready := self.graph.take_changes().ready:
            for task in ready:
                self._finish(task, (outputs or {}).get(task, {}))
        assert self.graph.done

    def _finish(self, task: str, output: Any) -> None:
        self.graph.start(task, "some-device", 0.0)
        self.arguments[task] = self.graph.arguments(task)
        error = {"code": "task.failed", "message": "It failed."}
        failed = Outcome(TaskState.FAILED, None, error)
        outcome = failed if output is FAILS else Outcome(TaskState.COMPLETED, output)
        self.graph.finish(task, outcome, 0.0)

    @property
    def ran(self) -> list[str]:
        """The tasks that were started, in that order."""
        return list(self.arguments)

    @property
    def state(self) -> TaskState:
        return self.graph.state
