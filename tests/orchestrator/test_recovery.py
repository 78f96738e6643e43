"""A scheduler rebuilt from its facts goes on where the first one stopped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scheduling_kit import Kit, look, work

from constellation.errors import JournalError
from constellation.graph.edits import AddTask, Batch, CancelTask
from constellation.graph.task import Dependency, Outcome, Requirement, RetryPolicy, TaskState
from constellation.orchestrator.events import (
    Answer,
    AttemptFinished,
    CancelAttempt,
    CancelRequested,
    DeviceLost,
    EditRequested,
    Fact,
    InputAnswered,
    InputRequired,
    Paused,
    Resumed,
    Revise,
    RevisionClosed,
)
from constellation.orchestrator.run import Run
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.settings import Settings

QUESTION = {"id": "q1", "kind": "text", "prompt": "Which?"}


def observed(run: Run) -> dict[str, Any]:
    """A run's state as plain data, without ranks: they follow from what was learned."""
    snapshot: dict[str, Any] = json.loads(json.dumps(run.snapshot()))
    for node in snapshot["graph"]["nodes"]:
        node.pop("rank", None)
    return snapshot


def eventful() -> Kit:
    """A constellation in which most things have happened and some are open."""
    kit = Kit(Settings(grace_s=30.0))
    kit.join("a")
    kit.join("b")
    kit.submit(
        look("list"),
        look("each", for_each="${list.output}"),
        work("flaky", retry=RetryPolicy(attempts=3, backoff_s=50.0)),
        work("fails"),
        work("after"),
        work("asks"),
        work("canceled"),
        work("waits", requirement=Requirement(device="nowhere")),
        edges=[Dependency("fails", "after", "completion")],
        revise_on=frozenset({"failed"}),
        weight=2.0,
    )
    kit.now = 1.0
    kit.finish("c/list/1", [1, 2])
    kit.fail("c/flaky/1")
    kit.fail("c/fails/1")
    kit.send(InputRequired(kit.where("c/asks/1"), "c/asks/1", QUESTION))
    kit.edit(CancelTask("canceled"))
    kit.finish("c/each[0]/1", 5)
    kit.send(Paused("c"))
    return kit


def test_the_facts_alone_give_the_same_state() -> None:
    kit = eventful()
    other = Scheduler()
    for each in kit.said:
        if isinstance(each, Fact):
            other.restore(each)
    assert observed(other.runs["c"]) == observed(kit.run())
    assert other.runs["c"].revisions
    assert other.runs["c"].trouble


def test_so_does_a_snapshot_that_went_through_json() -> None:
    kit = eventful()
    other = Scheduler()
    other.restore_run(json.loads(json.dumps(kit.scheduler.snapshot_run("c"))))
    assert observed(other.runs["c"]) == observed(kit.run())


def test_open_attempts_wait_for_their_devices() -> None:
    kit = Kit(Settings(grace_s=30.0))
    kit.join("a")
    kit.submit(work("x"), work("y"), work("z"))
    other = kit.restarted()
    assert other.assigned() == []
    other.rejoin("a", running=["c/x/1"], held=["c/y/1"])
    assert other.on("a") == ["c/x/1", "c/y/1", "c/z/2"]
    other.finish("c/y/1", device="a")
    assert other.state("y") == "completed"


def test_but_no_longer_than_the_grace_time() -> None:
    kit = Kit(Settings(grace_s=30.0))
    kit.join("a")
    kit.submit(work("x"), look("y"))
    other = kit.restarted()
    other.join("b")
    other.pass_time(29.9)
    assert other.on("b") == []
    other.pass_time(0.2)
    assert other.on("b") == ["c/y/2"]
    assert other.error("x")["code"] == "task.failed.device_lost"


def test_an_exclusive_resource_stays_held() -> None:
    kit = Kit()
    alone = Requirement(exclusive=("camera",))
    kit.join("a")
    kit.submit(look("x", requirement=alone), look("y", requirement=alone))
    other = kit.restarted()
    other.join("b")
    assert other.on("b") == []
    other.rejoin("a", running=["c/x/1"])
    other.finish("c/x/1", device="a")
    assert "c/y/1" in other.on("a") + other.on("b")


@pytest.mark.parametrize("end", ["canceled", "timeout", "deadline"])
def test_so_does_one_whose_holder_was_told_to_stop(end: str) -> None:
    kit = Kit(Settings(timeout_slack_s=0.0))
    alone = Requirement(exclusive=("camera", "arm"))
    limits: dict[str, float] = {} if end == "canceled" else {f"{end}_s": 5.0}
    kit.join("a")
    kit.submit(work("x", requirement=alone, **limits), work("y", requirement=alone))
    if end == "canceled":
        kit.edit(CancelTask("x", "enough"))
    kit.pass_time(5.0)
    other = kit.restarted()
    other.join("b")
    other.submit(work("z", requirement=Requirement(exclusive=("arm",))), id="d")
    assert other.on("b") == []
    other.rejoin("a", running=["c/x/1"])
    assert other.canceled()[-1] == ("a", "c/x/1")
    other.report("c/x/1", Outcome(TaskState.CANCELED), device="a")
    assert "c/y/1" in other.on("a") + other.on("b")


def test_and_one_whose_task_is_tried_again() -> None:
    kit = Kit(Settings(timeout_slack_s=0.0))
    alone = Requirement(exclusive=("camera",))
    retry = RetryPolicy(attempts=2, backoff_s=0.0)
    kit.join("a")
    kit.submit(look("x", requirement=alone, timeout_s=5.0, retry=retry))
    kit.pass_time(5.0)
    other = kit.restarted()
    other.join("b")
    assert other.on("b") == []
    other.rejoin("a", running=["c/x/1"])
    other.report("c/x/1", Outcome(TaskState.CANCELED), device="a")
    assert "c/x/2" in other.on("a") + other.on("b")


@pytest.mark.parametrize("end", ["canceled", "timeout"])
def test_and_one_whose_constellation_is_over_but_for_that_stop(end: str) -> None:
    kit = Kit(Settings(timeout_slack_s=0.0))
    alone = Requirement(exclusive=("camera",))
    kit.join("a")
    kit.submit(work("x", requirement=alone, timeout_s=5.0))
    if end == "canceled":
        kit.send(CancelRequested("c", "enough"))
    else:
        kit.pass_time(5.0)
    assert kit.run().ended_at is None
    other = kit.restarted()
    other.join("b")
    other.submit(work("y", requirement=alone), id="d")
    assert other.on("b") == []
    other.rejoin("a", running=["c/x/1"])
    other.report("c/x/1", Outcome(TaskState.CANCELED), device="a")
    assert other.run().ended_at is not None
    assert "d/y/1" in other.on("a") + other.on("b")


def test_what_is_added_while_the_last_attempt_stops_is_not_canceled_too() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x", requirement=Requirement(exclusive=("camera",))))
    kit.send(CancelRequested("c", "enough"))
    kit.edit(AddTask(work("y")))
    kit.finish("c/y/1")
    kit.report("c/x/1", Outcome(TaskState.CANCELED))
    (ended,) = kit.facts("ended")
    assert "reason" not in ended


def test_what_was_stopped_long_ago_is_not_asked_for() -> None:
    kit = Kit()
    alone = Requirement(exclusive=("camera",))
    kit.join("a")
    kit.submit(*(work(name, requirement=alone) for name in "xyz"), work("other"))
    kit.edit(CancelTask("x"))
    kit.report("c/x/1", Outcome(TaskState.CANCELED))
    kit.finish("c/y/1")
    kit.fail("c/z/1")
    other = kit.restarted()
    other.join("b")
    other.submit(work("w", requirement=alone), id="d")
    assert other.on("b") == ["d/w/1"]


def test_but_not_for_ever_if_that_holder_does_not_come_back() -> None:
    kit = Kit(Settings(stop_s=5.0))
    alone = Requirement(exclusive=("camera",))
    kit.join("a")
    kit.submit(*(work(name, requirement=alone) for name in "xyz"))
    kit.fail("c/x/1")
    kit.edit(CancelTask("y", "enough"))
    other = kit.restarted()
    other.join("b")
    other.pass_time(4.9)
    assert other.on("b") == []
    other.pass_time(0.2)
    assert other.on("b") == ["c/z/1"]


def test_planners_are_asked_again() -> None:
    kit = Kit()
    kit.join("a")
    edges = [Dependency("x", "y", "completion")]
    kit.submit(work("x"), work("y"), edges=edges, revise_on=frozenset({"failed"}))
    kit.fail("c/x/1")
    other = kit.restarted()
    (revise,) = [each for each in other.said if isinstance(each, Revise)]
    assert (revise.task, revise.outcome.state) == ("x", "failed")
    other.rejoin("a")
    assert other.on("a") == []
    other.send(RevisionClosed("c", "x"))
    assert other.on("a") == ["c/y/1"]


def test_what_was_begun_before_its_plan_was_whole_is_given_up() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), planning=True)
    other = kit.restarted()
    assert str(other.run().state) == "canceled"
    assert "before its plan was whole" in other.run().reason
    said = other.rejoin("a", running=["c/x/1"])
    assert [each.attempt for each in said if isinstance(each, CancelAttempt)] == ["c/x/1"]


def test_an_answer_that_may_not_have_arrived_is_given_again() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.send(InputRequired("a", "c/x/1", QUESTION))
    kit.send(InputAnswered("c", "x", "q1", "this", "ann"))
    other = kit.restarted()
    said = other.rejoin("a", running=["c/x/1"])
    answer = {"attempt": "c/x/1", "question": "q1", "answer": "this", "by": "ann"}
    assert [each for each in said if isinstance(each, Answer)] == [Answer("a", answer)]


def test_a_question_stays_open() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.send(InputRequired("a", "c/x/1", QUESTION))
    other = kit.restarted()
    other.rejoin("a", running=["c/x/1"])
    other.send(InputAnswered("c", "x", "q1", "this"))
    assert other.state("x") == "working"


def test_waits_and_deadlines_are_kept() -> None:
    kit = Kit()
    kit.join("a")
    policy = RetryPolicy(attempts=2, backoff_s=20.0)
    kit.submit(work("x", retry=policy), work("late", deadline_s=9.0), work("y"))
    kit.fail("c/x/1")
    other = kit.restarted()
    other.rejoin("a", running=["c/late/1", "c/y/1"])
    other.pass_time(10.0)
    assert other.error("late")["code"] == "task.timeout.deadline"
    assert other.state("x") == "submitted"
    other.pass_time(10.1)
    assert other.on("a")[-1] == "c/x/2"


def test_a_timeout_is_kept_too() -> None:
    kit = Kit(Settings(timeout_slack_s=1.0))
    kit.join("a")
    kit.submit(look("x", timeout_s=5.0))
    other = kit.restarted()
    other.rejoin("a", running=["c/x/1"])
    other.pass_time(6.1)
    assert other.error("x")["code"] == "task.timeout"


def test_a_late_success_counts_after_a_restart_as_before() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), look("y"), edges=[Dependency("x", "y")])
    kit.send(DeviceLost("a", "gone"))
    other = kit.restarted()
    done = Outcome(TaskState.COMPLETED, {"n": 1})
    other.send(AttemptFinished("a", "c/x/1", done))
    assert other.state("x") == "completed"
    again = Scheduler()
    for each in (*kit.said, *other.said):
        if isinstance(each, Fact):
            again.restore(each)
    assert observed(again.runs["c"]) == observed(other.run())


@pytest.mark.parametrize("resumed", [False, True])
def test_a_pause_is_kept(resumed: bool) -> None:
    kit = Kit()
    kit.submit(work("x"))
    kit.send(Paused("c"))
    if resumed:
        kit.send(Resumed("c"))
    other = kit.restarted()
    assert (other.assigned(other.join("a")) == ["c/x/1"]) == resumed


def test_a_name_that_was_changed_with_the_tasks_is_kept() -> None:
    kit = Kit()
    kit.submit(work("x"))
    kit.send(EditRequested("c", Batch((AddTask(work("y")),)), name="both"))
    kit.send(EditRequested("c", Batch((AddTask(work("z")),))))
    assert kit.run().name == "both"
    assert kit.restarted().run().name == "both"


def test_what_has_ended_stays_ended() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), work("y"))
    kit.send(CancelRequested("c", "no longer wanted"))
    other = kit.restarted()
    assert other.said == []
    assert other.run().ended_at == 0.0
    assert other.run().reason == "no longer wanted"
    other.scheduler.forget("c")
    assert other.scheduler.runs == {}


def test_an_open_constellation_is_not_forgotten() -> None:
    kit = Kit()
    kit.submit(work("x"))
    kit.scheduler.forget("c")
    assert "c" in kit.scheduler.runs


def test_facts_without_their_beginning_are_refused() -> None:
    with pytest.raises(JournalError, match="before it was created"):
        Scheduler().restore(Fact(0.0, "c", "paused", {}))
