"""What a constellation spends on models, and how its tasks in plain words share what it may. Pure.

Nobody knows what a task in words will cost before it has ended. So each that starts is given an
even share of what is left, which its device does not pass; what it leaves over is for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from constellation.errors import TaskFailed
from constellation.graph.task import Task
from constellation.llm.spending import DIGITS

if TYPE_CHECKING:
    from .run import Run

# The skill that does what an instruction says.
IN_WORDS = "agent.do"


class ConstellationOverBudget(TaskFailed):
    """Nothing is left for a task of what its constellation may cost."""

    code = "task.failed.budget"


class Spent(NamedTuple):
    """What models took: tokens of prompts and answers, and what they cost, in one currency."""

    tokens: int = 0
    cost: float = 0.0

    def plus(self, tokens: int, cost: float) -> Spent:
        """This, and that as well."""
        return Spent(self.tokens + tokens, round(self.cost + cost, DIGITS))


def read_usage(plain: Any) -> Spent | None:
    """What a device says that an attempt spent; None if it says nothing that can be."""
    if not isinstance(plain, Mapping):
        return None
    tokens, cost = plain.get("tokens", 0), plain.get("cost", 0.0)
    numbers = (isinstance(each, int | float) and isfinite(each) for each in (tokens, cost))
    if not all(numbers) or tokens < 0 or cost < 0 or not (tokens or cost):
        return None
    return Spent(int(tokens), float(cost))


def share(run: Run, task: Task) -> float | None:
    """What a task may cost that starts now; None if nothing bounds it.

    Raises:
        ConstellationOverBudget: nothing is left.
    """
    if run.max_cost is None or not _in_words(task):
        return None
    # A map task that has its elements runs nothing itself.
    waiting = sum(
        _in_words(node.task) and not (node.ended or node.size or node.id in run.live)
        for node in run.constellation.nodes.values()
    )
    left = left_of(run) / max(1, waiting)
    if left <= 0:
        raise ConstellationOverBudget(
            f"{run.id} may cost {run.max_cost:g}, and nothing is left of that for {task.id}.",
            remedy="Submit it with a higher max_cost.",
            task=task.id,
        )
    return left


def left_of(run: Run) -> float:
    """What a constellation with a bound may still cost, without what runs may."""
    given = sum(each.max_cost or 0.0 for task in run.live for each in run.attempts(task))
    return (run.max_cost or 0.0) - run.spent.cost - given


def _in_words(task: Task) -> bool:
    return bool(task.instruction) or task.skill == IN_WORDS
