"""A small world around a scheduler: devices that do, lose, repeat and invent things.

It keeps its own account of what was sent, started and reported, and checks each instruction of the
scheduler against it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.errors import ConstellationError
from constellation.graph.edits import Batch, RetryTask
from constellation.graph.task import Outcome, TaskState
from constellation.orchestrator.events import (
    Answer,
    Assign,
    AttemptFinished,
    AttemptRejected,
    AttemptsFinished,
    CancelAttempt,
    DeviceDetached,
    DeviceDraining,
    DeviceJoined,
    DeviceLost,
    DeviceReturned,
    EditRequested,
    Event,
    Fact,
    InputAnswered,
    InputRequired,
    Instruction,
    Notify,
    Planned,
    Reopened,
    Resumed,
    RevisionClosed,
    Tick,
)
from constellation.orchestrator.invariants import check
from constellation.orchestrator.run import Run
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.settings import Settings

SETTINGS = Settings(
    grace_s=10.0,
    timeout_slack_s=1.0,
    stop_s=5.0,
    max_losses=2,
    race_samples=3,
    race_spread=2.0,
    quarantine_after=4,
    quarantine_s=8.0,
)
COMPLETED = Outcome(TaskState.COMPLETED, {"n": 1})


def card(name: str, capacity: int = 2, narrow: bool = False) -> DeviceCard:
    """A device with two skills; ``narrow`` allows one call of ``work`` at a time."""
    work = SkillCard(name="work", capacity=1 if narrow else None, reads=True)
    look = SkillCard(name="look", idempotent=True, reads=name != "c")
    return DeviceCard(name=name, capacity=capacity, skills=(work, look), labels={"room": name})


@dataclass
class SimulatedDevice:
    """The truth about a device, which the hub only hears of.

    One that is not ``obedient`` goes on with what it is told to stop.
    """

    name: str
    obedient: bool
    linked: bool = False
    session: bool = False
    running: dict[str, None] = field(default_factory=dict)
    held: dict[str, Outcome] = field(default_factory=dict)
    undelivered: list[Instruction] = field(default_factory=list)

    def receive(self, instruction: Instruction) -> None:
        match instruction:
            case Assign(_, body):
                assert body["attempt"] not in self.running
                self.running[body["attempt"]] = None
            case CancelAttempt(_, attempt, _):
                if self.obedient and self.running.pop(attempt, 0) is None:
                    self.held[attempt] = Outcome(TaskState.CANCELED)


class World:
    """A scheduler, its devices and its journal."""

    settings = SETTINGS

    def __init__(self) -> None:
        self.now = 1000.0
        self.scheduler = Scheduler(settings=self.settings)
        self.facts: list[Fact] = []
        self.notices: list[Notify] = []
        self.devices = {name: SimulatedDevice(name, name != "c") for name in "abc"}
        self.reported: list[AttemptFinished] = []
        self.completed: set[tuple[str, str]] = set()
        # By (constellation, task): attempts that may have begun and of which no end is known.
        self.unresolved: dict[tuple[str, str], set[str]] = {}

    # ── feeding ─────────────────────────────────────────────────────────────────────────────────

    def feed(self, event: Event) -> bool:
        """Give an event to the scheduler and do what it says; False if it was refused."""
        before = None
        try:
            before = self.observe(self.scheduler)
            instructions = self.scheduler.handle(event, self.now)
        except ConstellationError:
            assert self.observe(self.scheduler) == before
            assert not self.scheduler.state.take_instructions()
            self.check()
            return False
        self.do(instructions)
        self.check()
        return True

    def check(self) -> None:
        check(self.scheduler, self.now)

    def do(self, instructions: Sequence[Instruction]) -> None:
        kinds = [isinstance(each, Fact) for each in instructions]
        assert kinds == sorted(kinds, reverse=True), "facts come first"
        self._gangs([each for each in instructions if isinstance(each, Fact)])
        for each in instructions:
            match each:
                case Fact():
                    self._fact(each)
                case Notify():
                    self.notices.append(each)
                case Assign() | CancelAttempt() | Answer():
                    if isinstance(each, Assign):
                        self._assigned(each)
                    device = self.devices[each.device]
                    if device.linked:
                        device.receive(each)
                    elif device.session:
                        device.undelivered.append(each)

    def _gangs(self, facts: Sequence[Fact]) -> None:
        """The members of a gang begin in one step, each on a device of its own."""
        begun: dict[tuple[str, str, int], list[str]] = {}
        for fact in facts:
            if fact.kind == "started" and not fact.body.get("late"):
                nodes = self.scheduler.runs[fact.constellation].constellation.nodes
                whole = nodes[nodes[fact.body["task"]].member_of or fact.body["task"]]
                if whole.task.gang is not None:
                    key = (fact.constellation, whole.id, whole.task.gang)
                    begun.setdefault(key, []).append(fact.body["device"])
        for (_, task, size), devices in begun.items():
            assert len(set(devices)) == len(devices) == size, f"{task} began on {devices}"

    def _fact(self, fact: Fact) -> None:
        json.dumps(fact.body)
        self.facts.append(fact)
        key = (fact.constellation, str(fact.body.get("task")))
        if fact.kind == "started":
            assert key not in self.completed, f"{key} was started again after its success"
        if fact.kind == "regrouped":
            members = f"{fact.body['task']}["
            self.completed = {
                (constellation, task)
                for constellation, task in self.completed
                if constellation != fact.constellation or not task.startswith(members)
            }
        if fact.kind == "finished" and fact.body["state"] == "completed":
            self.completed.add(key)

    def _assigned(self, assign: Assign) -> None:
        attempt = assign.body["attempt"]
        device = self.scheduler.devices[assign.device]
        assert self.devices[assign.device].linked
        assert len(device.running) <= device.card.capacity
        skill = device.card.skill(assign.body["skill"])
        assert skill is not None
        calls = sum(each.skill == skill.name for each in device.running.values())
        assert skill.capacity is None or calls <= skill.capacity
        constellation, task, _ = attempt.split("/")
        unresolved = self.unresolved.setdefault((constellation, task), set())
        if not assign.body["idempotent"]:
            assert not unresolved, f"{attempt} was started while {unresolved} may have run"
        unresolved.add(attempt)

    def _resolve(self, attempt: str) -> None:
        for unresolved in self.unresolved.values():
            unresolved.discard(attempt)

    # ── what devices do ─────────────────────────────────────────────────────────────────────────

    def join(self, name: str, capacity: int = 2, narrow: bool = False) -> None:
        device = self.devices[name]
        device.linked = device.session = True
        device.undelivered.clear()
        known = {*device.running, *device.held}
        for unresolved in self.unresolved.values():
            for attempt in list(unresolved):
                hub = self.scheduler.devices.get(name)
                if hub is not None and attempt in hub.running and attempt not in known:
                    unresolved.discard(attempt)
        self.feed(
            DeviceJoined(card(name, capacity, narrow), tuple(device.running), tuple(device.held))
        )
        self.hand_in(name)

    def hand_in(self, name: str) -> None:
        """Report the results that could not be reported before."""
        device = self.devices[name]
        results = [AttemptFinished(name, each, outcome) for each, outcome in device.held.items()]
        device.held.clear()
        self.report(results)

    def report(self, results: list[AttemptFinished]) -> None:
        if results:
            self.reported += results
            for result in results:
                if result.outcome.state is not TaskState.COMPLETED:
                    self._resolve(result.attempt)
            assert self.feed(AttemptsFinished(results)), "what devices report is never refused"

    def finish(self, name: str, attempt: str, outcome: Outcome) -> None:
        device = self.devices[name]
        del device.running[attempt]
        device.held[attempt] = outcome
        if device.linked:
            self.hand_in(name)

    def reject(self, name: str, attempt: str) -> None:
        device = self.devices[name]
        if device.linked:
            del device.running[attempt]
            self._resolve(attempt)
            error = {"code": "task.rejected", "message": "no"}
            assert self.feed(AttemptRejected(name, attempt, error))

    def ask(self, name: str, attempt: str, question: str) -> None:
        if self.devices[name].linked:
            asked = {"id": question, "kind": "text", "prompt": "Which one?"}
            self.feed(InputRequired(name, attempt, asked))

    def detach(self, name: str) -> None:
        device = self.devices[name]
        if device.linked:
            device.linked = False
            self.feed(DeviceDetached(name))

    def attach(self, name: str) -> None:
        device = self.devices[name]
        if device.session and not device.linked:
            device.linked = True
            self.feed(DeviceReturned(name))
            waiting, device.undelivered = device.undelivered, []
            for each in waiting:
                device.receive(each)
            self.hand_in(name)

    def lose(self, name: str) -> None:
        device = self.devices[name]
        if device.session:
            device.linked = device.session = False
            device.undelivered.clear()
            self.feed(DeviceLost(name, "its session ended"))

    def die(self, name: str) -> None:
        """The process is gone and remembers nothing; its work may have had effects."""
        device = self.devices[name]
        self.lose(name)
        device.running.clear()
        device.held.clear()

    def drain(self, name: str) -> None:
        if self.devices[name].linked:
            self.feed(DeviceDraining(name))

    # ── what people do ──────────────────────────────────────────────────────────────────────────

    def edit(self, constellation: str, batch: Batch) -> None:
        event: Event = EditRequested(constellation, batch)
        if self.scheduler.runs[constellation].ended_at is not None:
            event = Reopened(self.scheduler.snapshot_run(constellation), batch)
        self._edit(event, constellation, batch)

    def plan(self, constellation: str, batch: Batch) -> None:
        event = Planned(constellation, batch, "planned")
        self._edit(event, constellation, batch)

    def _edit(self, event: Event, constellation: str, batch: Batch) -> None:
        before = {key: set(value) for key, value in self.unresolved.items()}
        completed = set(self.completed)
        for edit in batch.edits:
            if isinstance(edit, RetryTask):
                self._retried(constellation, edit.id)
        if not self.feed(event):
            self.unresolved, self.completed = before, completed

    def _retried(self, constellation: str, task: str) -> None:
        """A person takes responsibility for what earlier attempts did."""
        for key, unresolved in self.unresolved.items():
            if key[0] == constellation and (key[1] == task or key[1].startswith(f"{task}[")):
                unresolved.clear()
                self.completed.discard(key)

    # ── time and restarts ───────────────────────────────────────────────────────────────────────

    def advance(self, seconds: float) -> None:
        """Let time pass, with a tick at each deadline."""
        end = self.now + seconds
        for _ in range(200):
            due = self.scheduler.deadline()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.feed(Tick())
        else:
            raise AssertionError("ticks without end")
        self.now = end
        self.feed(Tick())

    def observe(self, scheduler: Scheduler) -> dict[str, Any]:
        """Everything about the constellations that must survive."""
        return {name: observe_run(run) for name, run in scheduler.runs.items()}

    def replayed(self) -> Scheduler:
        """A second scheduler, made from the facts alone."""
        scheduler = Scheduler(settings=self.settings)
        for fact in self.facts:
            scheduler.restore(Fact(fact.time, fact.constellation, fact.kind, copied(fact.body)))
        return scheduler

    def restart(self, from_snapshots: bool) -> None:
        """The hub is killed and comes back; sessions are gone, devices are not."""
        before = self.observe(self.scheduler)
        if from_snapshots:
            scheduler = Scheduler(settings=self.settings)
            for name in self.scheduler.runs:
                scheduler.restore_run(copied(self.scheduler.snapshot_run(name)))
        else:
            scheduler = self.replayed()
        scheduler.restore_learned(copied(self.scheduler.snapshot_learned()))
        found = differences(self.observe(scheduler), before)
        assert not found, found
        self.scheduler = scheduler
        for device in self.devices.values():
            device.linked = device.session = False
            device.undelivered.clear()
        self.do(scheduler.recover(self.now))
        self.check()

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    def heal(self) -> None:
        """All devices are well, all people answer, time goes on: everything must end."""
        for name in list(self.scheduler.runs):
            if self.scheduler.runs[name].ended_at is None:
                self.feed(Resumed(name))
        for name in self.devices:
            self.join(name, capacity=4)
        for _ in range(400):
            if all(run.ended_at is not None for run in self.scheduler.runs.values()):
                return
            if not self._go_on():
                self.advance(20.0)
        raise AssertionError(f"did not end: {self.observe(self.scheduler)}")

    def _go_on(self) -> bool:
        for run in list(self.scheduler.runs.values()):
            if run.planning:
                return self.feed(Planned(run.id, Batch(()), "planned"))
            for task in list(run.revisions):
                return self.feed(RevisionClosed(run.id, task))
            for task, node in run.constellation.nodes.items():
                if node.question is not None:
                    question = str(node.question["id"])
                    return self.feed(InputAnswered(run.id, task, question, "that one"))
        for device in self.devices.values():
            for attempt in list(device.running):
                self.finish(device.name, attempt, COMPLETED)
                return True
        return False


def copied(data: Any) -> Any:
    """The data as it comes back from a file."""
    return json.loads(json.dumps(data))


def observe_run(run: Run) -> dict[str, Any]:
    """A run's state, but for what may differ between two that behave alike.

    Ranks follow from what was learned, labels and serials count refused edits too, and edges may
    come in another order, so that of several reasons for a skip another is named.
    """
    snapshot = copied(run.snapshot())
    graph = snapshot["graph"]
    graph["nodes"] = {node["task"]["id"]: node for node in graph["nodes"]}
    graph["dependencies"].sort(key=lambda each: (each["source"], each["target"]))
    for node in graph["nodes"].values():
        for derived in ("rank", "label", "serial"):
            node.pop(derived, None)
        if node.get("skipped"):
            del node["error"]["message"]
    snapshot["state"] = str(run.state)
    return snapshot


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two pieces of plain data differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        return [
            found
            for key in keys
            for found in differences(one.get(key), other.get(key), f"{where}.{key}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [
            found for index, (a, b) in pairs for found in differences(a, b, f"{where}[{index}]")
        ]
    return [] if one == other else [f"{where}: {one!r} is not {other!r}"]
