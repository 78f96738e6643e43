"""A scheduler under the hand of a test: short words for events, and a record of what came out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.graph.edits import AddDependency, AddTask, Batch, Edit
from constellation.graph.task import Dependency, Outcome, Task, TaskState
from constellation.orchestrator.events import (
    Assign,
    AttemptFinished,
    CancelAttempt,
    DeviceJoined,
    EditRequested,
    Event,
    Fact,
    Instruction,
    Notify,
    Submitted,
    Tick,
)
from constellation.orchestrator.invariants import check
from constellation.orchestrator.placement import Placement
from constellation.orchestrator.run import Run
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.settings import Settings

SKILLS = (
    SkillCard(name="work"),
    SkillCard(name="look", idempotent=True),
    SkillCard(name="lens", capacity=1),
)


class Kit:
    """One scheduler, its time, and everything that it said."""

    def __init__(
        self, settings: Settings | None = None, placement: Placement | None = None
    ) -> None:
        self.scheduler = Scheduler(placement, settings)
        self.now = 0.0
        self.said: list[Instruction] = []

    # ── in ──────────────────────────────────────────────────────────────────────────────────────

    def send(self, event: Event) -> list[Instruction]:
        """Feed an event and check all invariants."""
        said = self.scheduler.handle(event, self.now)
        self.said += said
        check(self.scheduler, self.now)
        return said

    def join(self, name: str, capacity: int = 4, **card: Any) -> list[Instruction]:
        card.setdefault("skills", SKILLS)
        return self.send(DeviceJoined(DeviceCard(name=name, capacity=capacity, **card)))

    def rejoin(
        self, name: str, running: Sequence[str] = (), held: Sequence[str] = ()
    ) -> list[Instruction]:
        found = DeviceCard(name=name, skills=SKILLS)
        return self.send(DeviceJoined(found, tuple(running), tuple(held)))

    def submit(
        self, *tasks: Task, edges: Sequence[Dependency] = (), id: str = "c", **fields: Any
    ) -> list[Instruction]:
        batch = Batch((*map(AddTask, tasks), *map(AddDependency, edges)))
        return self.send(Submitted(id, batch, **fields))

    def edit(self, *edits: Edit, id: str = "c") -> list[Instruction]:
        return self.send(EditRequested(id, Batch(edits)))

    def finish(self, attempt: str, output: Any = None, device: str | None = None) -> None:
        self.report(attempt, Outcome(TaskState.COMPLETED, output), device)

    def fail(self, attempt: str, code: str = "task.failed", device: str | None = None) -> None:
        error = {"code": code, "message": "it went wrong"}
        self.report(attempt, Outcome(TaskState.FAILED, None, error), device)

    def report(self, attempt: str, outcome: Outcome, device: str | None = None) -> None:
        self.send(AttemptFinished(device or self.where(attempt), attempt, outcome))

    def pass_time(self, seconds: float) -> list[Instruction]:
        """Let time pass, with a tick at each deadline on the way."""
        end, said = self.now + seconds, []
        while (due := self.scheduler.deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            said += self.send(Tick())
        self.now = end
        return said

    # ── out ─────────────────────────────────────────────────────────────────────────────────────

    def run(self, id: str = "c") -> Run:
        return self.scheduler.runs[id]

    def state(self, task: str, id: str = "c") -> str:
        return str(self.run(id).constellation.nodes[task].state)

    def error(self, task: str, id: str = "c") -> dict[str, Any]:
        return dict(self.run(id).constellation.nodes[task].error or {})

    def on(self, device: str) -> list[str]:
        """Ids of the attempts that hold a place on a device."""
        return list(self.scheduler.devices[device].running)

    def where(self, attempt: str) -> str:
        """The device that an attempt was last assigned to."""
        return next(
            each.device
            for each in reversed(self.said)
            if isinstance(each, Assign) and each.body["attempt"] == attempt
        )

    def assigned(self, said: Sequence[Instruction] | None = None) -> list[str]:
        """Ids of the attempts assigned, in order."""
        said = self.said if said is None else said
        return [each.body["attempt"] for each in said if isinstance(each, Assign)]

    def canceled(self) -> list[tuple[str, str]]:
        """(device, attempt) of all that was told to stop."""
        return [
            (each.device, each.attempt) for each in self.said if isinstance(each, CancelAttempt)
        ]

    def facts(self, kind: str) -> list[dict[str, Any]]:
        return [
            dict(each.body) for each in self.said if isinstance(each, Fact) and each.kind == kind
        ]

    def notices(self, kind: str) -> list[dict[str, Any]]:
        return [
            dict(each.body) for each in self.said if isinstance(each, Notify) and each.kind == kind
        ]

    def restarted(self) -> Kit:
        """What a new hub makes of the facts of this one, as read from a file."""
        other = Kit(self.scheduler.state.settings)
        other.now = self.now
        for each in self.said:
            if isinstance(each, Fact):
                body = json.loads(json.dumps(each.body))
                other.scheduler.restore(Fact(each.time, each.constellation, each.kind, body))
        other.said += other.scheduler.recover(self.now)
        check(other.scheduler, self.now)
        return other


def work(id: str, **fields: Any) -> Task:
    """A task that is not safe to repeat."""
    return Task(id, "work", **fields)


def look(id: str, **fields: Any) -> Task:
    """A task that may be repeated."""
    return Task(id, "look", **fields)
