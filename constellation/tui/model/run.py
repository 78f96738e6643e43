"""One constellation as the interface knows it: a row of a listing, or rebuilt from its facts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from constellation.graph.constellation import Constellation
from constellation.graph.node import Node
from constellation.graph.task import TERMINAL, TaskState
from constellation.telling.values import full
from constellation.telling.watched import Line, Watched

KEPT_LINES = 2_000
KEPT_OUTPUT_LINES = 500
KEPT_OUTPUTS = 100
# These change where a task stands among the open questions; the rest is passed over quickly.
_ABOUT_QUESTIONS = frozenset({"asked", "answered", "finished", "requeued", "canceled", "edited"})

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a listing shows of a constellation; times are the hub's, Unix seconds."""

    id: str
    name: str
    request: str
    state: str
    paused: bool
    counts: Mapping[str, int]
    created_at: float
    ended_at: float | None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Summary:
        """Read a row of what the verb ``list`` answered."""
        return cls(
            row["id"],
            row["name"] or row["request"] or row["id"],
            row["request"],
            row["state"],
            row["paused"],
            row["counts"],
            row["created_at"],
            row["ended_at"],
        )

    @property
    def shown_state(self) -> str:
        """Its state, or ``paused`` while nothing more of it is started."""
        return "paused" if self.paused and self.ended_at is None else self.state

    @property
    def total(self) -> int:
        """How many tasks it has."""
        return sum(self.counts.values())

    @property
    def finished(self) -> int:
        """How many of them have ended."""
        return sum(n for state, n in self.counts.items() if state in TERMINAL)


class Run:
    """A constellation.

    Its facts come twice: those of the past are asked for, page by page, while new ones are told.
    What is told meanwhile waits, and what comes twice is known by its number and dropped, so that
    any split between the two gives the same state.

    Args:
        summary: what is known of it before its facts.

    Attributes:
        id: its id.
        last_seq: number of the last fact that was taken.
        is_live: True once all its facts are taken, so that new ones are taken at once.
        lines: what happened, in sentences, the latest last.
        questions: what its tasks ask, by task.
        revision: raised by each change.
    """

    def __init__(self, summary: Summary) -> None:
        self.id = summary.id
        self.last_seq = 0
        self.is_live = False
        self.lines: deque[Line] = deque(maxlen=KEPT_LINES)
        self.questions: dict[str, Mapping[str, Any]] = {}
        self.revision = 0
        self._summary = summary
        self._summarized = 0
        self._watched = Watched(summary.id)
        self._outputs: dict[str, deque[str]] = {}
        self._waiting: list[Event] = []

    @property
    def watched(self) -> Watched:
        """The constellation rebuilt from the facts taken so far."""
        return self._watched

    @property
    def graph(self) -> Constellation:
        """Its tasks and dependencies."""
        return self._watched.constellation

    @property
    def summary(self) -> Summary:
        """It in short: as listed, until its facts are taken."""
        if self._summarized != self.revision:
            self._summary = self._summarize()
            self._summarized = self.revision
        return self._summary

    def _summarize(self) -> Summary:
        if not self.is_live:
            return self._summary
        watched = self._watched
        return replace(
            self._summary,
            name=watched.name or watched.request or self.id,
            request=watched.request,
            state=str(watched.state),
            paused=watched.paused,
            counts={str(state): n for state, n in self.graph.counts.items() if n},
            created_at=watched.created_at or self._summary.created_at,
            ended_at=watched.ended_at,
        )

    def node(self, task: str) -> Node | None:
        """A task, if there is one of that id."""
        return self.graph.nodes.get(task)

    def output(self, task: str) -> Iterable[str]:
        """The latest lines that a task put out while it ran."""
        return self._outputs.get(task, ())

    # ── facts ───────────────────────────────────────────────────────────────────────────────────

    def load(self, facts: Iterable[Event]) -> None:
        """Take in facts of the past, in order."""
        for fact in facts:
            self._take(fact)

    def go_live(self) -> None:
        """The past is complete: take what was told meanwhile, and what comes at once."""
        self.is_live = True
        self.revision += 1
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self._take(event)

    def take(self, event: Event) -> list[Line]:
        """Take what the hub told; return it in sentences, if it was new."""
        if self.is_live:
            return self._take(event)
        if "seq" in event:
            self._waiting.append(event)
        return []

    def _take(self, event: Event) -> list[Line]:
        seq = event.get("seq")
        if seq is not None:
            if seq <= self.last_seq:
                return []
            self.last_seq = seq
        lines = self._watched.take(event)
        self.lines.extend(lines)
        kind, body = event["kind"], event["body"]
        if kind == "output":
            self._keep_output(body)
        elif kind in _ABOUT_QUESTIONS:
            self._review_questions(kind, body)
        self.revision += 1
        return lines

    def _keep_output(self, body: Mapping[str, Any]) -> None:
        task = body["task"]
        kept = self._outputs.pop(task, None) or deque(maxlen=KEPT_OUTPUT_LINES)
        kept.extend(full(body.get("data")).splitlines())
        self._outputs[task] = kept
        if len(self._outputs) > KEPT_OUTPUTS:
            del self._outputs[next(iter(self._outputs))]

    def _review_questions(self, kind: str, body: Mapping[str, Any]) -> None:
        if kind == "asked":
            self.questions[body["task"]] = body["question"]
            return
        for task in [body["task"]] if "task" in body else list(self.questions):
            node = self.graph.nodes.get(task)
            if node is None or node.state is not TaskState.INPUT_REQUIRED:
                self.questions.pop(task, None)
