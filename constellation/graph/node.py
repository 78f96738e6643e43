"""The run-time state of one task in a constellation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .task import TERMINAL, Dependency, Task, TaskState

NO_HISTORY: tuple[Any, ...] = ()


class Node:
    """A task as it stands. Only its constellation writes to it.

    Attributes:
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
        serial: rises with each node added; the order of ``Constellation.nodes``.
        size: how many elements a map task was expanded into.
        waiting: ids of elements that ``max_parallel`` holds back, for map tasks.
        unfinished: how many elements have not ended, for map tasks.
    """

    __slots__ = (
        "attempt",
        "changed",
        "device",
        "error",
        "finished_at",
        "history",
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
        "serial",
        "settled",
        "size",
        "skipped",
        "started_at",
        "state",
        "submitted_at",
        "task",
        "unfinished",
        "unmet",
        "waiting",
    )

    def __init__(self, task: Task, submitted_at: float, changed: int) -> None:
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
        self.serial = 0
        self.size = 0
        self.waiting: tuple[str, ...] = ()
        self.unfinished = 0

    @property
    def id(self) -> str:
        return self.task.id

    @property
    def ended(self) -> bool:
        """True in a terminal state."""
        return self.state in TERMINAL

    @property
    def started(self) -> bool:
        """True once an attempt was made, or a map task was expanded."""
        return self.attempt > 0 or self.started_at is not None

    def copy(self) -> Node:
        """A copy that shares nothing that changes."""
        other = Node.__new__(Node)
        for name in Node.__slots__:
            setattr(other, name, getattr(self, name))
        other.incoming = dict(self.incoming)
        other.outgoing = dict(self.outgoing)
        return other

    def become(self, other: Node) -> None:
        """Take over everything from a copy made earlier."""
        for name in Node.__slots__:
            setattr(self, name, getattr(other, name))
