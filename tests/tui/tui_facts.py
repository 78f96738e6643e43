"""A constellation played by the real scheduler, for tests of what rebuilds it from its facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.errors import ConstellationError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Batch, CancelTask, RetryTask
from constellation.graph.task import Dependency, Outcome, Task, TaskState
from constellation.orchestrator.events import (
    AttemptFinished,
    CancelRequested,
    DeviceJoined,
    EditRequested,
    Event,
    Fact,
    InputAnswered,
    InputRequired,
    Paused,
    Resumed,
    Submitted,
)
from constellation.orchestrator.scheduler import Scheduler

ID = "c-1"
MOVES = ("finish", "fail", "ask", "answer", "add", "cancel", "retry", "pause", "resume", "stop")
SKILLS = (SkillCard(name="work", idempotent=True),)
QUESTION = {"id": "q", "kind": "approval", "prompt": "May I?"}


class Play:
    """Plays moves on one constellation of a scheduler.

    Attributes:
        events: its facts as a hub tells them.
        graph: the scheduler's own.
    """

    def __init__(
        self,
        edges: Sequence[tuple[int, int]],
        size: int = 5,
        *,
        tasks: Sequence[Task] = (),
        name: str = "Play",
    ) -> None:
        self.events: list[dict[str, Any]] = []
        self._scheduler = Scheduler()
        self._now = 100.0
        tasks = tasks or [Task(f"t{number}", "work") for number in range(size)]
        after = dict.fromkeys((min(edge), max(edge)) for edge in edges if edge[0] != edge[1])
        joined = [AddDependency(Dependency(tasks[a].id, tasks[b].id)) for a, b in after]
        self._send(DeviceJoined(DeviceCard(name="desk", skills=SKILLS, capacity=2)))
        batch = Batch((*map(AddTask, tasks), *joined))
        self._send(Submitted(ID, batch, name=name, request="play it"))
        # Kept, for an ended one leaves the scheduler.
        self.graph: Constellation = self._scheduler.runs[ID].constellation

    def _send(self, event: Event) -> None:
        self._now += 1.0
        for each in self._scheduler.handle(event, self._now):
            if isinstance(each, Fact):
                self.events.append(
                    {
                        "seq": len(self.events) + 1,
                        "time": each.time,
                        "constellation": each.constellation,
                        "kind": each.kind,
                        "body": each.body,
                    }
                )

    def move(self, word: str, number: int) -> None:
        """Make a move, about one of the tasks; what the scheduler refuses is no move."""
        node = list(self.graph.nodes.values())[number % len(self.graph.nodes)]
        event = self._event(word, node.id, f"{ID}/{node.id}/{node.attempt}")
        try:
            self._send(event)
        except ConstellationError:
            return

    def _event(self, word: str, task: str, attempt: str) -> Event:
        match word:
            case "finish":
                return AttemptFinished("desk", attempt, Outcome(TaskState.COMPLETED, {"n": 1}))
            case "fail":
                error = {"code": "task.failed", "message": "it went wrong"}
                return AttemptFinished("desk", attempt, Outcome(TaskState.FAILED, None, error))
            case "ask":
                return InputRequired("desk", attempt, QUESTION)
            case "answer":
                return InputAnswered(ID, task, "q", True)
            case "add":
                new = Task(f"n{len(self.graph.nodes)}", "work")
                edits = (AddTask(new), AddDependency(Dependency(task, new.id)))
                return EditRequested(ID, Batch(edits))
            case "cancel":
                return EditRequested(ID, Batch((CancelTask(task),)))
            case "retry":
                return EditRequested(ID, Batch((RetryTask(task),)))
            case "pause":
                return Paused(ID)
            case "resume":
                return Resumed(ID)
            case _:
                return CancelRequested(ID)


def shape(graph: Constellation) -> dict[str, tuple[Any, ...]]:
    """What is to be the same of two constellations."""
    return {
        node.id: (node.state, node.attempt, node.device, node.output, node.question, node.ready)
        for node in graph.nodes.values()
    }
