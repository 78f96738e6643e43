"""The run-time state of one task in a constellation."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from .task import TERMINAL, Dependency, Task, TaskState

NO_HISTORY: tuple[Any, ...] = ()


class Node:
    """A task as it stands. Only its constellation writes to it.

    Attributes:
        id: its task's id, which never changes.
        task: what is to be done.
        state: where it stands; `Constellation` holds the transition table.
        attempt: number of the current or last attempt; 0 if there was none.
        device: where that attempt runs or ran.
        output, error: of the outcome.
        question: what the device asks, while ``input-required``.
        submitted_at, ready_at, started_at, finished_at: the machine's time in seconds, or None.
        settled: False while a finished task's outgoing dependencies are held back.
        skipped: True if it was canceled because its dependencies cannot be met any more; that
            follows from its dependencies alone, so it may be undone by an edit of them.
        ready: True while it may be started.
        history: earlier attempts as ``(attempt, device, started_at, ended_at, reason)``.
        changed: version of the constellation at which an edit last touched it.
        member_of: id of the map task of which it is an element.
        item: its element of the list, for elements.
        incoming, outgoing: dependencies by the id of the other task.
        open, met, unmet: how many of its dependencies are undecided, met, cannot be met.
        label: position in the topological order; larger than that of each predecessor.
        rank: upward rank, in expected seconds: the longest path from its start to the end.
        size: how many elements a map task was expanded into.
        released: how many of them, from the first on, ``max_parallel`` has let go.
        unfinished: how many of them have not ended.
        flowing: True once its current attempt has put out an item, until another follows.
    """

    __slots__ = (
        "attempt",
        "changed",
        "device",
        "error",
        "finished_at",
        "flowing",
        "history",
        "id",
        "incoming",
        "item",
        "label",
        "member_of",
        "met",
        "open",
        "outgoing",
        "output",
        "question",
        "rank",
        "ready",
        "ready_at",
        "released",
        "settled",
        "size",
        "skipped",
        "started_at",
        "state",
        "submitted_at",
        "task",
        "unfinished",
        "unmet",
    )

    def __init__(self, task: Task, submitted_at: float, changed: int) -> None:
        self.id = task.id
        self.task = task
        self.state = TaskState.SUBMITTED
        self.attempt = 0
        self.device: str | None = None
        self.output: Any = None
        self.error: Mapping[str, Any] | None = None
        self.question: Mapping[str, Any] | None = None
        self.submitted_at = submitted_at
        self.ready_at: float | None = None
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.settled = True
        self.skipped = False
        self.ready = False
        self.history: tuple[tuple[int, str | None, float, float, str], ...] = NO_HISTORY
        self.changed = changed
        self.member_of: str | None = None
        self.item: Any = None
        self.incoming: dict[str, Dependency] = {}
        self.outgoing: dict[str, Dependency] = {}
        self.open = 0
        self.met = 0
        self.unmet = 0
        self.label = 0
        self.rank = 0.0
        self.size = 0
        self.released = 0
        self.unfinished = 0
        self.flowing = False

    @property
    def ended(self) -> bool:
        """True in a terminal state."""
        return self.state in TERMINAL

    @property
    def started(self) -> bool:
        """True once an attempt was made, or a map task was expanded."""
        return self.attempt > 0 or self.started_at is not None

    @property
    def reads(self) -> bool:
        """True if it reads what others put out while they run."""
        return any(each.condition == "stream" for each in self.incoming.values())

    @property
    def feeds(self) -> bool:
        """True if others read what it puts out while it runs."""
        return any(each.condition == "stream" for each in self.outgoing.values())

    @property
    def runnable(self) -> bool:
        """Whether the dependencies of a submitted task let it run, by its counters."""
        if self.task.join == "all":
            return not self.open and not self.unmet
        return self.met > 0 or not self.incoming

    @property
    def hopeless(self) -> bool:
        """Whether a submitted task can never run, by its counters."""
        if self.task.join == "all":
            return self.unmet > 0
        return not self.open and not self.met and bool(self.incoming)

    def values(self) -> tuple[Any, ...]:
        """All attributes, for `put_back`; the mappings of dependencies are not copied."""
        found: tuple[Any, ...] = _VALUES(self)
        return found

    def put_back(self, values: tuple[Any, ...]) -> None:
        """Set all attributes to what `values` returned."""
        for name, value in zip(Node.__slots__, values, strict=True):
            setattr(self, name, value)


_VALUES = attrgetter(*Node.__slots__)
