"""All that is known of a hub: its constellations, its devices, what needs a person, its journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .devices import Devices
from .run import Event, Run, Summary

KEPT_ENTRIES = 5_000
KEPT_ENDED = 200
KEPT_GRAPHS = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact of the journal as it is listed; ``time`` in Unix seconds."""

    seq: int
    time: float
    constellation: str
    kind: str
    text: str
    style: str


@dataclass(frozen=True, slots=True)
class Question:
    """Something that waits for a person; ``asked`` is AIP's question."""

    run: Run
    task: str
    asked: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The name of the task."""
        node = self.run.node(self.task)
        return self.task if node is None else node.task.name or self.task


def _brief(event: Event) -> str:
    """A fact in a few words, for one whose constellation is not known so far."""
    body = event["body"]
    words = (body.get(name) for name in ("name", "task", "state", "device", "reason"))
    return " ".join(str(each) for each in words if each)


class Fabric:
    """A hub, seen from outside.

    Attributes:
        runs: constellations by id, the oldest first.
        devices: see `Devices`.
        journal: the latest facts that were told, the latest last.
        revision: raised by each change.
    """

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.devices = Devices()
        self.journal: deque[Entry] = deque(maxlen=KEPT_ENTRIES)
        self.revision = 0

    def clear(self) -> None:
        """Forget all: it is another hub."""
        self.runs.clear()
        self.journal.clear()
        self.devices = Devices()
        self.revision += 1

    def listed(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take what the verb ``list`` answered; constellations that are known stay as they are."""
        for row in sorted(rows, key=lambda row: row["created_at"]):
            if row["id"] not in self.runs:
                self.runs[row["id"]] = Run(Summary.read(row))
        self._forget_the_oldest()
        self.revision += 1

    def take(self, event: Event) -> None:
        """Take one event of a subscription to everything: a fact or a notice."""
        name = event["constellation"]
        run = self.runs.get(name)
        if run is None and event["kind"] == "created":
            run = self._begin(event)
        lines = [] if run is None else run.take(event)
        if "seq" in event:
            text = lines[0].text if lines else _brief(event)
            style = lines[0].style if lines else ""
            kind, time = event["kind"], event["time"]
            self.journal.append(Entry(event["seq"], time, name, kind, text, style))
        elif event["kind"] == "device":
            self.devices.suspect(event["body"]["device"])
        if event["kind"] == "ended":
            self._forget_the_oldest()
        self.revision += 1

    def _begin(self, event: Event) -> Run:
        body = event["body"]
        row = {
            "id": event["constellation"],
            "name": body.get("name", ""),
            "request": body.get("request", ""),
            "state": "submitted",
            "paused": body.get("paused", False),
            "counts": {},
            "created_at": event["time"],
            "ended_at": None,
        }
        run = self.runs[row["id"]] = Run(Summary.read(row))
        run.go_live()
        return run

    def _forget_the_oldest(self) -> None:
        ended = [run for run in self.runs.values() if run.summary.ended_at is not None]
        for run in ended[: max(0, len(ended) - KEPT_ENDED)]:
            del self.runs[run.id]
        for run in ended[:-KEPT_GRAPHS]:
            if run.is_live and run.id in self.runs:
                # Its facts can be asked for again.
                self.runs[run.id] = Run(run.summary)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────

    def newest(self) -> list[Run]:
        """The constellations: open ones first, and of each the latest first."""
        runs = reversed(self.runs.values())
        return sorted(runs, key=lambda run: run.summary.ended_at is not None)

    def questions(self) -> Iterator[Question]:
        """What waits for a person, the longest waiting constellation first."""
        for run in self.runs.values():
            for task, asked in run.questions.items():
                yield Question(run, task, asked)

    def tasks_on(self, device: str) -> Iterator[tuple[Run, str]]:
        """The tasks that a device works on, by what it said when it was last asked."""
        row = self.devices.rows.get(device)
        for attempt in () if row is None else row.running:
            constellation, task, _ = attempt.split("/")
            if constellation in self.runs:
                yield self.runs[constellation], task
