"""Random lives of a scheduler, in a world where everything that can go wrong does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from scheduler_world import COMPLETED, World, card, differences

from constellation.graph.edits import (
    AddDependency,
    AddTask,
    Batch,
    CancelTask,
    Edit,
    RemoveDependency,
    RemoveTask,
    RetryTask,
    UpdateTask,
)
from constellation.graph.task import Dependency, Outcome, Requirement, RetryPolicy, Task, TaskState
from constellation.orchestrator.events import (
    ArtifactsHeld,
    AttemptFinished,
    CancelRequested,
    DeviceUpdated,
    InputAnswered,
    Paused,
    Resumed,
    RevisionClosed,
    StreamBegan,
    Submitted,
)
from constellation.orchestrator.run import Run

NAMES = [f"t{n}" for n in range(6)]
names = st.sampled_from(NAMES)
devices = st.sampled_from("abc")
constellations = st.sampled_from(["c1", "c2", "c3"])

requirements = st.sampled_from(
    [
        Requirement(),
        Requirement(),
        Requirement(device="a"),
        Requirement(labels={"room": "b"}),
        Requirement(avoid=("a",)),
        Requirement(device="a", exclusive=("camera",)),
        Requirement(device="b", exclusive=("camera",)),
        Requirement(exclusive=("camera", "arm")),
        Requirement(near=("x1",)),
    ]
)
retries = st.sampled_from(
    [
        RetryPolicy(),
        RetryPolicy(attempts=3, backoff_s=2.0),
        RetryPolicy(attempts=2, backoff_s=0.0, elsewhere=True),
        RetryPolicy(attempts=3, on=("task.failed.net",)),
    ]
)


def reference(task: str, path: str) -> str:
    return "${" + f"{task}.{path}" + "}"


@st.composite
def tasks(draw: st.DrawFn, id: str | None = None, before: tuple[str, ...] = ()) -> Task:
    """A task; ``before`` are tasks that it may refer to."""
    arguments: dict[str, str] = {}
    for_each = None
    if before:
        source = draw(st.sampled_from(before))
        path = draw(st.sampled_from(["", "", "", "n", "missing", "items", "stream"]))
        if path == "stream":
            arguments = {"x": reference(source, "items")}
        elif path == "items":
            for_each = reference(source, "output.items")
        elif path:
            arguments = {"x": reference(source, f"output.{path}")}
    requirement = draw(requirements)
    gang = draw(st.sampled_from([None, None, None, 2, 2]))
    bound = requirement.exclusive or requirement.device is not None or requirement.labels
    if for_each is not None or bound or "items}" in arguments.get("x", ""):
        gang = None
    return Task(
        id or draw(names),
        skill=draw(st.sampled_from(["work", "work", "look"])),
        arguments=arguments,
        requirement=requirement,
        priority=draw(st.sampled_from([0, 0, 5])),
        timeout_s=draw(st.sampled_from([None, None, 3.0])),
        deadline_s=draw(st.sampled_from([None, None, None, 25.0])),
        retry=draw(retries),
        idempotent=draw(st.sampled_from([None, True, False])),
        optional=draw(st.booleans()),
        join=draw(st.sampled_from(["all", "all", "any"])),
        for_each=for_each,
        max_parallel=draw(st.sampled_from([None, 1])),
        gang=gang,
    )


dependencies = st.builds(
    Dependency,
    names,
    names,
    st.sampled_from(["success", "success", "completion", "failure", "stream"]),
)
edits: st.SearchStrategy[Edit] = st.one_of(
    tasks().map(AddTask),
    tasks(before=("t0", "t1")).map(AddTask),
    dependencies.map(AddDependency),
    names.map(RemoveTask),
    st.builds(RemoveDependency, names, names),
    st.builds(
        UpdateTask,
        names,
        st.sampled_from(
            [
                {"priority": 9},
                {"skill": "look"},
                {"requirement": {"device": "c"}},
                {"optional": True},
            ]
        ),
    ),
    st.builds(CancelTask, names, st.just("enough"), st.booleans()),
    names.map(RetryTask),
)
outcomes = st.sampled_from(
    [
        COMPLETED,
        COMPLETED,
        Outcome(TaskState.COMPLETED, {"n": 2, "items": [1, 2, 3]}),
        Outcome(TaskState.FAILED, None, {"code": "task.failed.net", "message": "no route"}),
        Outcome(TaskState.FAILED, None, {"code": "agent.skill", "message": "it broke"}),
        Outcome(TaskState.CANCELED),
        Outcome(TaskState.REJECTED),
        Outcome(TaskState.WORKING),
    ]
)


@st.composite
def new_batches(draw: st.DrawFn) -> Batch:
    """Some tasks, with dependencies that agree with the order of their names."""
    order = NAMES[: draw(st.integers(1, len(NAMES)))]
    found = [draw(tasks(name, tuple(order[:n]))) for n, name in enumerate(order)]
    pairs = [(a, b) for a in order for b in order if a < b]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=4, unique=True)) if pairs else []
    condition = draw(st.sampled_from(["success", "completion", "failure", "stream"]))
    return Batch(
        (
            *(AddTask(task) for task in found),
            *(AddDependency(Dependency(a, b, condition)) for a, b in chosen),
        )
    )


def was_given_up(runs: dict[str, Any], device: str, attempt: str) -> bool:
    """Whether an attempt had been on a device and was given up without an outcome."""
    return any(
        attempt in formers and formers[attempt][0] == device
        for run in runs.values()
        for formers in run["former"].values()
    )


class SchedulerMachine(RuleBasedStateMachine):
    """Each rule is something that may happen; `World` checks everything after each."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    def _one_running(self, data: st.DataObject) -> tuple[str, str] | None:
        running = [
            (device.name, attempt)
            for device in self.world.devices.values()
            for attempt in device.running
        ]
        return data.draw(st.sampled_from(running)) if running else None

    def _open(self) -> list[str]:
        runs = self.world.scheduler.runs.values()
        return [run.id for run in runs if run.ended_at is None]

    def _with_tasks(self) -> list[Run]:
        return [run for run in self.world.scheduler.runs.values() if run.constellation.nodes]

    def _asking(self) -> list[tuple[str, str, str]]:
        return [
            (run.id, task, str(node.question["id"]))
            for run in self.world.scheduler.runs.values()
            for task, node in run.constellation.nodes.items()
            if node.question is not None
        ]

    def _runs(self) -> bool:
        return any(device.running for device in self.world.devices.values())

    @initialize(batch=new_batches(), present=st.sets(devices))
    def begin(self, batch: Batch, present: set[str]) -> None:
        for name in sorted(present):
            # One task at a time, so that others wait for their turn.
            self.world.join(name, capacity=1)
        self.world.feed(Submitted("c1", batch))

    # ── people ──────────────────────────────────────────────────────────────────────────────────

    @rule(
        constellation=constellations,
        batch=new_batches(),
        weight=st.sampled_from([1.0, 3.0]),
        revise_on=st.sampled_from([[], [], ["failed"], ["completed", "failed"]]),
        paused=st.sampled_from([False, False, False, True]),
        planning=st.sampled_from([False, False, False, True]),
    )
    def submit(
        self,
        constellation: str,
        batch: Batch,
        weight: float,
        revise_on: list[str],
        paused: bool,
        planning: bool,
    ) -> None:
        self.world.feed(
            Submitted(
                constellation,
                batch,
                weight=weight,
                revise_on=frozenset(revise_on),
                revise_within_s=15.0,
                paused=paused,
                planning=planning,
            )
        )

    @rule(constellation=constellations, batch=st.lists(edits, max_size=2))
    def plan(self, constellation: str, batch: list[Edit]) -> None:
        self.world.plan(constellation, Batch(tuple(batch)))

    @precondition(lambda self: self._open())
    @rule(data=st.data(), batch=st.lists(edits, min_size=1, max_size=2))
    def edit(self, data: st.DataObject, batch: list[Edit]) -> None:
        constellation = data.draw(st.sampled_from(self._open()))
        self.world.edit(constellation, Batch(tuple(batch)))

    @precondition(lambda self: self._with_tasks())
    @rule(data=st.data())
    def edit_what_is_there(self, data: st.DataObject) -> None:
        """Edits that name tasks in a fitting state, so that many are accepted."""
        run = data.draw(st.sampled_from(self._with_tasks()))
        nodes = [node for node in run.constellation.nodes.values() if node.member_of is None]
        node = data.draw(st.sampled_from(nodes))
        if node.state in (TaskState.FAILED, TaskState.REJECTED, TaskState.CANCELED):
            edit: Edit = RetryTask(node.id)
        elif node.ended or node.started:
            edit = data.draw(
                st.sampled_from(
                    [
                        CancelTask(node.id, "enough"),
                        AddTask(Task("late", "work", {"x": reference(node.id, "output")})),
                    ]
                )
            )
        else:
            changes = [{"priority": 9}, {"skill": "look"}, {"requirement": {"device": "c"}}]
            edit = data.draw(
                st.sampled_from(
                    [RemoveTask(node.id), *(UpdateTask(node.id, each) for each in changes)]
                )
            )
        self.world.edit(run.id, Batch((edit,)))

    @rule(constellation=constellations, pause=st.booleans())
    def pause(self, constellation: str, pause: bool) -> None:
        self.world.feed((Paused if pause else Resumed)(constellation))

    @rule(constellation=st.sampled_from(["c2", "c9"]))
    def cancel(self, constellation: str) -> None:
        self.world.feed(CancelRequested(constellation))

    @precondition(lambda self: self._asking())
    @rule(data=st.data(), right=st.booleans())
    def answer(self, data: st.DataObject, right: bool) -> None:
        constellation, task, question = data.draw(st.sampled_from(self._asking()))
        question = question if right else "q9"
        accepted = self.world.feed(InputAnswered(constellation, task, question, True, "ann"))
        assert accepted == right

    @rule(constellation=constellations, task=names)
    def close_revision(self, constellation: str, task: str) -> None:
        self.world.feed(RevisionClosed(constellation, task))

    # ── devices ─────────────────────────────────────────────────────────────────────────────────

    @rule(name=devices, capacity=st.sampled_from([1, 2, 3]), narrow=st.booleans())
    def join(self, name: str, capacity: int, narrow: bool) -> None:
        self.world.join(name, capacity, narrow)

    @precondition(lambda self: self._runs())
    @rule(data=st.data(), outcome=outcomes)
    def finish(self, data: st.DataObject, outcome: Outcome) -> None:
        found = self._one_running(data)
        if found is not None:
            self.world.finish(*found, outcome)

    @precondition(lambda self: self._runs())
    @rule(data=st.data())
    def finish_more(self, data: st.DataObject) -> None:
        for device in list(self.world.devices.values()):
            for attempt in list(device.running)[:2]:
                if attempt in device.running:
                    self.world.finish(device.name, attempt, COMPLETED)

    @precondition(lambda self: self._runs())
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        found = self._one_running(data)
        if found is not None:
            self.world.reject(*found)

    @precondition(lambda self: self._runs())
    @rule(data=st.data(), question=st.sampled_from(["q1", "q2"]))
    def ask(self, data: st.DataObject, question: str) -> None:
        found = self._one_running(data)
        if found is not None:
            self.world.ask(*found, question)

    @precondition(lambda self: self._runs())
    @rule(data=st.data())
    def put_out(self, data: st.DataObject) -> None:
        """The first item of an attempt, or one more."""
        found = self._one_running(data)
        if found is not None and self.world.devices[found[0]].linked:
            assert self.world.feed(StreamBegan(*found))

    @rule(name=devices, attempt=st.sampled_from(["c1/t0/1", "c1/t1/2", "c9/t0/1", "c1", ""]))
    def put_out_what_it_does_not_run(self, name: str, attempt: str) -> None:
        if attempt not in self.world.devices[name].running:
            before = self.world.observe(self.world.scheduler)
            hub = self.world.scheduler.devices.get(name)
            assert self.world.feed(StreamBegan(name, attempt))
            if hub is None or attempt not in hub.running:
                assert self.world.observe(self.world.scheduler) == before

    @rule(name=devices)
    def detach(self, name: str) -> None:
        self.world.detach(name)

    @rule(name=devices)
    def attach(self, name: str) -> None:
        self.world.attach(name)

    @rule(name=devices)
    def lose(self, name: str) -> None:
        self.world.lose(name)

    @rule(name=devices)
    def die(self, name: str) -> None:
        self.world.die(name)

    @rule(name=devices)
    def drain(self, name: str) -> None:
        self.world.drain(name)

    @rule(name=devices, capacity=st.sampled_from([0, 1, 3]))
    def update(self, name: str, capacity: int) -> None:
        if self.world.devices[name].linked:
            self.world.feed(DeviceUpdated(card(name, capacity)))

    @rule(data=st.data())
    def race(self, data: st.DataObject) -> None:
        """Teach the scheduler that ``look`` is quick, so that what runs on is a straggler."""
        for estimates in (self.world.scheduler.estimates.of(name) for name in "abc"):
            for _ in range(3):
                self.world.scheduler.estimates.observe(estimates, "look", 0.5)
                self.world.scheduler.estimates.observe(estimates, "work", 0.5)

    @rule(slow=devices, seconds=st.sampled_from([5.0, 60.0]))
    def learn(self, slow: str, seconds: float) -> None:
        """One device is seen to be slow, so that tasks rather wait for another."""
        estimates = self.world.scheduler.estimates
        for name in "abc":
            for skill in ("look", "work"):
                estimates.observe(estimates.of(name), skill, seconds if name == slow else 1.0)

    @rule(name=devices)
    def hold(self, name: str) -> None:
        self.world.feed(ArtifactsHeld(name, ("x1",)))

    # ── things that should not happen ───────────────────────────────────────────────────────────

    @rule(data=st.data(), outcome=outcomes)
    def report_again(self, data: st.DataObject, outcome: Outcome) -> None:
        if self.world.reported:
            past = data.draw(st.sampled_from(self.world.reported))
            before = self.world.observe(self.world.scheduler)
            self.world.feed(AttemptFinished(past.device, past.attempt, outcome))
            if not was_given_up(before, past.device, past.attempt):
                assert self.world.observe(self.world.scheduler) == before

    @rule(data=st.data(), liar=devices, outcome=outcomes, number=st.integers(0, 3))
    def lie(self, data: st.DataObject, liar: str, outcome: Outcome, number: int) -> None:
        """A device reports on an attempt that it never had."""
        task = data.draw(names)
        invented = [f"c1/{task}/{number}", f"c9/{task}/{number}", "", "c1", f"c2/{task}/-1"]
        others = [
            attempt
            for device in self.world.devices.values()
            if device.name != liar
            for attempt in (*device.running, *device.held)
        ]
        attempt = data.draw(st.sampled_from(invented + others))
        mine = self.world.devices[liar]
        hub = self.world.scheduler.devices.get(liar)
        known = attempt in mine.running or attempt in mine.held
        if known or (hub is not None and attempt in hub.running):
            return
        before = self.world.observe(self.world.scheduler)
        self.world.feed(AttemptFinished(liar, attempt, outcome))
        after = self.world.observe(self.world.scheduler)
        assert after == before or was_given_up(before, liar, attempt)

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 12.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(from_snapshots=st.booleans())
    def restart(self, from_snapshots: bool) -> None:
        self.world.restart(from_snapshots)

    def teardown(self) -> None:
        replayed = self.world.observe(self.world.replayed())
        found = differences(replayed, self.world.observe(self.world.scheduler))
        assert not found, found
        self.world.heal()


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


@pytest.mark.full
class TestSchedulerAtLength(SchedulerMachine.TestCase):
    settings = settings(max_examples=600, stateful_step_count=50, deadline=None)
