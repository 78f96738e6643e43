"""Which questions of many robots a policy works through together. Pure.

A batch of several is dearer than one and cheaper than one after the other: by how much is measured
(`Costs`). Questions have deadlines, after which their answers are of no use. Those that can still
be in time go first, by deadline, and a batch is as large as helps: for each size the whole queue is
simulated, and the size is taken by which fewest are late, and of those the one by which all are
done first. What a batch of that size answers too late goes last, so that more robots than can be
served make nobody late who is in time. Nothing is waited for: those who come meanwhile are in the
next batch.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Id: TypeAlias = int


class Costs:
    """How long a batch takes, by its size.

    Args:
        measured: seconds by size; interpolated between, and beyond by the last slope. Of one size
            alone nothing follows about others: several then cost as much as one after the other.
    """

    def __init__(self, measured: Mapping[int, float]) -> None:
        self._points = sorted(measured.items())
        if not self._points or self._points[0][0] < 1:
            raise ValueError("the cost of at least one size is needed, and sizes begin at 1")

    def __call__(self, size: int) -> float:
        """Seconds that a batch takes."""
        points = self._points
        if len(points) == 1:
            return points[0][1] * size / points[0][0]
        if size <= points[0][0]:
            return points[0][1]
        right = min(max(bisect_left(points, (size, 0.0)), 1), len(points) - 1)
        (few, low), (many, high) = points[right - 1], points[right]
        return low + (high - low) * (size - few) / (many - few)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A question that waits.

    Attributes:
        id: of it.
        deadline: when its answer must be there.
    """

    id: Id
    deadline: float


class Queue:
    """Questions, and the next batch of them.

    Args:
        costs: of batches.
        most: in one batch.
    """

    def __init__(self, costs: Costs, most: int) -> None:
        self._costs = costs
        self._most = most
        self._waiting: dict[Id, Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, question: Id) -> bool:
        """True if it is in no batch yet."""
        return question in self._waiting

    def add(self, question: Waiting) -> None:
        """Takes in a question."""
        self._waiting[question.id] = question

    def drop(self, question: Id) -> None:
        """Nobody waits for this one any more."""
        self._waiting.pop(question, None)

    def take(self, now: float) -> list[Id]:
        """The next batch, which leaves the queue; empty if nobody waits."""
        waiting = sorted(self._waiting.values(), key=lambda each: (each.deadline, each.id))
        sizes = range(1, min(self._most, len(waiting)) + 1)
        if not sizes:
            return []
        costs = [0.0, *map(self._costs, sizes)]
        orders = {size: _order(waiting, size, now, costs) for size in sizes}
        size = min(sizes, key=lambda size: _outcome(orders[size], size, now, costs))
        batch = [each.id for each in orders[size][:size]]
        for each in batch:
            del self._waiting[each]
        return batch


def _order(
    waiting: Sequence[Waiting], size: int, at: float, costs: Sequence[float]
) -> list[Waiting]:
    """Questions in batches of a size: by deadline, and last those that cannot be in time any more.

    Args:
        waiting: by deadline.
        costs: of batches, by size.
    """
    kept: list[Waiting] = []
    late: list[Waiting] = []
    start = 0
    while start < len(waiting):
        done = at + costs[min(size, len(waiting) - start)]
        if waiting[start].deadline < done:
            late.append(waiting[start])
            start += 1
        else:
            kept += waiting[start : start + size]
            start, at = start + size, done
    return [*kept, *late]


def _outcome(
    ordered: Sequence[Waiting], size: int, at: float, costs: Sequence[float]
) -> tuple[int, float]:
    """How many are late if all go in batches of a size, in this order, and when all are done."""
    late = 0
    for start in range(0, len(ordered), size):
        group = ordered[start : start + size]
        at += costs[len(group)]
        late += sum(each.deadline < at for each in group)
    return late, at
