"""Edits while it runs, planners that think, questions that are asked."""

from __future__ import annotations

import pytest
from scheduling_kit import Kit, look, work

from constellation.errors import (
    EditConflictError,
    GraphError,
    InvalidTransition,
    LimitExceeded,
    UnknownConstellationError,
    UnknownTaskError,
)
from constellation.graph.edits import AddTask, Batch, Edit, RemoveTask, RetryTask
from constellation.graph.task import Dependency
from constellation.orchestrator.events import (
    Answer,
    CancelRequested,
    DeviceLost,
    Fact,
    InputAnswered,
    InputRequired,
    Instruction,
    Paused,
    Planned,
    Reopened,
    Revise,
    RevisionClosed,
)
from constellation.orchestrator.settings import Settings

QUESTION = {"id": "q1", "kind": "approval", "prompt": "Delete it?"}
FAILED = frozenset({"failed"})


def asked(said: list[Instruction]) -> list[Revise]:
    return [each for each in said if isinstance(each, Revise)]


# ── edits ───────────────────────────────────────────────────────────────────────────────────────


def test_a_task_added_while_it_runs_is_started() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.edit(AddTask(work("y", arguments={"n": "${x.output}"})))
    kit.finish("c/x/1", 5)
    assert kit.on("a") == ["c/y/1"]


def test_a_refused_edit_changes_nothing() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    before = kit.run().snapshot()
    with pytest.raises(GraphError):
        kit.edit(AddTask(work("y")), RemoveTask("x"))
    assert kit.run().snapshot() == before
    assert len(kit.facts("edited")) == 1


def test_the_edit_is_told_before_what_follows_from_it() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    said = kit.edit(AddTask(work("y")))
    assert [each.kind for each in said if isinstance(each, Fact)] == ["edited", "started"]


def test_what_does_not_exist_or_has_ended_cannot_be_changed() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    with pytest.raises(UnknownConstellationError, match="no constellation"):
        kit.send(Paused("other"))
    with pytest.raises(UnknownTaskError):
        kit.edit(RetryTask("other"))
    kit.finish("c/x/1")
    with pytest.raises(UnknownConstellationError, match="has ended"):
        kit.edit(AddTask(work("y")))


# ── planners ────────────────────────────────────────────────────────────────────────────────────


def test_only_what_depends_on_an_outcome_waits_for_the_planner() -> None:
    kit = Kit()
    kit.join("a", 1)
    edges = [Dependency("x", "after", "completion"), Dependency("y", "free")]
    kit.submit(work("x"), work("y"), work("after"), work("free"), edges=edges, revise_on=FAILED)
    kit.fail("c/x/1")
    assert kit.facts("finished")[0]["settle"] is False
    kit.finish("c/y/1")
    assert kit.on("a") == ["c/free/1"]
    assert kit.state("after") == "submitted"


def test_edits_apply_meanwhile_and_the_answer_releases_the_rest() -> None:
    kit = Kit()
    kit.join("a", 4)
    edges = [Dependency("x", "y", "completion")]
    kit.submit(work("x"), work("y"), edges=edges, revise_on=FAILED, revise_within_s=10.0)
    kit.now = 1.0
    kit.fail("c/x/1")
    (revise,) = asked(kit.said)
    assert (revise.task, revise.outcome.state, revise.until) == ("x", "failed", 11.0)
    kit.edit(AddTask(work("instead")))
    assert kit.on("a") == ["c/instead/1"]
    kit.send(RevisionClosed("c", "x"))
    assert kit.on("a") == ["c/instead/1", "c/y/1"]
    assert kit.facts("settled") == [{"task": "x"}]
    assert kit.send(RevisionClosed("c", "x")) == []


def test_a_planner_that_does_not_answer_is_not_waited_for_longer() -> None:
    kit = Kit()
    kit.join("a")
    edges = [Dependency("x", "y", "completion")]
    kit.submit(work("x"), work("y"), edges=edges, revise_on=FAILED, revise_within_s=10.0)
    kit.fail("c/x/1")
    kit.pass_time(9.9)
    assert kit.on("a") == []
    kit.pass_time(0.2)
    assert kit.on("a") == ["c/y/1"]


def test_a_constellation_does_not_end_before_the_planner_has_answered() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), revise_on=FAILED)
    kit.fail("c/x/1")
    assert kit.facts("ended") == []
    assert kit.run().state == "working"
    kit.edit(AddTask(work("y")))
    kit.send(RevisionClosed("c", "x"))
    kit.finish("c/y/1")
    assert kit.facts("ended")[0]["state"] == "failed"


def test_a_canceled_constellation_does_not_wait_for_the_planner() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), work("y"), revise_on=frozenset({"failed"}))
    kit.fail("c/x/1")
    kit.send(CancelRequested("c"))
    assert kit.facts("ended")[0]["state"] == "failed"
    kit.send(RevisionClosed("c", "x"))
    assert kit.facts("settled") == []


def test_a_retry_by_the_planner_ends_the_wait() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), revise_on=FAILED)
    kit.fail("c/x/1")
    kit.edit(RetryTask("x"))
    assert kit.on("a") == ["c/x/2"]
    kit.fail("c/x/2")
    assert len(asked(kit.said)) == 2


def test_the_failure_of_a_map_task_as_a_whole_waits_for_the_planner() -> None:
    kit = Kit()
    kit.join("a")
    edges = [Dependency("m", "after", "completion")]
    tasks = look("x"), work("m", for_each="${x.output}"), work("after")
    kit.submit(*tasks, edges=edges, revise_on=FAILED, revise_within_s=10.0)
    kit.finish("c/x/1", [1, 2])
    kit.fail("c/m[0]/1")
    assert asked(kit.said) == []
    kit.finish("c/m[1]/1")
    (revise,) = asked(kit.said)
    assert (revise.task, revise.outcome.state) == ("m", "failed")
    assert kit.state("after") == "submitted"
    again = kit.restarted()
    assert [each.task for each in asked(again.said)] == ["m"]
    again.rejoin("a")
    for each in (kit, again):
        each.send(RevisionClosed("c", "m"))
        assert each.on("a") == ["c/after/1"]


def test_a_constellation_that_ends_with_a_map_task_waits_for_the_planner_too() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), work("m", for_each="${x.output}"), revise_on=FAILED)
    kit.finish("c/x/1", "no list")
    assert kit.facts("ended") == []
    kit.send(RevisionClosed("c", "m"))
    assert kit.facts("ended")[0]["state"] == "failed"


def test_elements_and_skips_are_no_reason_to_ask() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(
        look("x"),
        work("m", for_each="${x.output}", optional=True),
        work("skipped"),
        edges=[Dependency("m", "skipped", "failure")],
        revise_on=frozenset({"failed", "canceled"}),
    )
    kit.finish("c/x/1", [1, 2])
    kit.fail("c/m[0]/1")
    kit.finish("c/m[1]/1")
    assert kit.state("skipped") == "canceled"
    assert asked(kit.said) == []


# ── after the end ───────────────────────────────────────────────────────────────────────────────


def failed_one() -> Kit:
    """A constellation that has ended because its first task failed."""
    kit = Kit()
    kit.join("a")
    kit.submit(work("first"), work("then"), edges=[Dependency("first", "then")])
    kit.fail("c/first/1")
    assert kit.facts("ended")[0]["state"] == "failed"
    return kit


def reopen(kit: Kit, *edits: Edit) -> None:
    kit.send(Reopened(kit.scheduler.snapshot_run("c"), Batch(edits)))


def test_what_has_ended_goes_on_when_it_is_edited() -> None:
    kit = failed_one()
    reopen(kit, RetryTask("first"))
    assert kit.on("a") == ["c/first/2"]
    again = kit.restarted()
    again.rejoin("a", running=["c/first/2"])
    for each in (kit, again):
        assert each.run().ended_at is None
        each.finish("c/first/2", device="a")
        each.finish("c/then/1")
        assert each.facts("ended")[-1]["state"] == "completed"


def test_a_canceled_one_that_goes_on_is_canceled_no_more() -> None:
    kit = Kit()
    kit.submit(work("a"), work("b"))
    kit.send(CancelRequested("c", "a mistake"))
    reopen(kit, RetryTask("a"), RetryTask("b"))
    kit.join("desk")
    kit.finish("c/a/1")
    kit.finish("c/b/1")
    ended = kit.facts("ended")[-1]
    assert ended["state"] == "completed"
    assert "reason" not in ended


def test_refused_edits_leave_it_ended() -> None:
    kit = failed_one()
    before = len(kit.said)
    with pytest.raises(EditConflictError, match="never ran"):
        reopen(kit, RetryTask("then"))
    assert len(kit.said) == before
    assert kit.run().ended_at is not None


def test_what_is_reopened_counts_as_open() -> None:
    kit = Kit(Settings(max_constellations=1))
    kit.submit(work("a"))
    kit.send(CancelRequested("c"))
    kit.submit(work("a"), id="other")
    with pytest.raises(LimitExceeded, match="1 constellations are open"):
        reopen(kit, RetryTask("a"))


# ── questions ───────────────────────────────────────────────────────────────────────────────────


def asking() -> Kit:
    kit = Kit(Settings(timeout_slack_s=0.0))
    kit.join("a")
    kit.submit(work("x", timeout_s=5.0))
    kit.send(InputRequired("a", "c/x/1", QUESTION))
    return kit


def test_a_question_is_asked_and_its_answer_passed_on() -> None:
    kit = asking()
    assert kit.state("x") == "input-required"
    assert kit.facts("asked") == [{"task": "x", "attempt": 1, "question": QUESTION}]
    said = kit.send(InputAnswered("c", "x", "q1", True, "ann"))
    assert kit.state("x") == "working"
    answer = {"attempt": "c/x/1", "question": "q1", "answer": True, "by": "ann"}
    assert [each for each in said if isinstance(each, Answer)] == [Answer("a", answer)]
    assert kit.facts("answered")[0]["by"] == "ann"


def test_the_clock_of_the_attempt_stands_still_while_a_person_thinks() -> None:
    kit = asking()
    kit.pass_time(100.0)
    assert kit.state("x") == "input-required"
    kit.send(InputAnswered("c", "x", "q1", True))
    kit.pass_time(4.9)
    assert kit.state("x") == "working"
    kit.pass_time(0.2)
    assert kit.error("x")["code"] == "task.timeout"


def test_an_answer_to_another_question_is_refused() -> None:
    kit = asking()
    with pytest.raises(EditConflictError, match="asks 'q1'"):
        kit.send(InputAnswered("c", "x", "q2", True))
    kit.send(InputAnswered("c", "x", "q1", True))
    with pytest.raises(InvalidTransition):
        kit.send(InputAnswered("c", "x", "q1", True))


def test_a_question_that_comes_again_is_asked_once_and_answered_again() -> None:
    kit = asking()
    kit.send(InputRequired("a", "c/x/1", QUESTION))
    assert len(kit.facts("asked")) == 1
    kit.send(InputAnswered("c", "x", "q1", True))
    said = kit.send(InputRequired("a", "c/x/1", QUESTION))
    assert len(said) == 1
    assert isinstance(said[0], Answer)


def test_a_device_that_comes_back_fresh_is_told_the_answer_again() -> None:
    kit = asking()
    kit.send(InputAnswered("c", "x", "q1", True))
    said = kit.rejoin("a", running=["c/x/1"])
    assert [each for each in said if isinstance(each, Answer)] != []


def test_a_question_keeps_the_place_and_the_lease() -> None:
    kit = Kit()
    kit.join("a", 1)
    kit.submit(work("x"), work("y"))
    kit.send(InputRequired("a", "c/x/1", QUESTION))
    assert kit.on("a") == ["c/x/1"]
    kit.send(DeviceLost("a", "gone"))
    assert kit.error("x")["code"] == "task.failed.device_lost"


def test_a_device_asks_only_for_what_it_runs() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.join("b")
    with pytest.raises(InvalidTransition):
        kit.send(InputRequired("b", "c/x/1", QUESTION))
    assert kit.state("x") == "working"


def test_a_question_of_a_canceled_attempt_is_not_asked() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.send(CancelRequested("c"))
    assert kit.send(InputRequired("a", "c/x/1", QUESTION)) == []


# ── plans in the making ─────────────────────────────────────────────────────────────────────────


def planned(*edits: Edit) -> Planned:
    return Planned("c", Batch(edits), "The whole")


def test_what_is_planned_while_it_runs_does_not_end_before_its_plan_is_whole() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), planning=True)
    kit.finish("c/x/1", 5)
    assert kit.run().ended_at is None
    kit.send(planned(AddTask(work("y", arguments={"n": "${x.output}"}))))
    assert kit.on("a") == ["c/y/1"]
    kit.finish("c/y/1")
    assert (kit.run().name, str(kit.run().state)) == ("The whole", "completed")
    assert kit.run().ended_at is not None


def test_a_plan_that_adds_nothing_ends_what_is_done() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), planning=True)
    kit.finish("c/x/1")
    kit.send(planned())
    assert kit.run().ended_at is not None


def test_planners_are_asked_about_outcomes_once_the_plan_is_whole() -> None:
    kit = Kit()
    kit.join("a")
    revise_on = frozenset({"completed", "failed"})
    tasks = (look("x", optional=True), look("z", optional=True))
    kit.submit(*tasks, planning=True, revise_on=revise_on)
    kit.fail("c/x/1")
    kit.finish("c/z/1")
    assert asked(kit.said) == []
    # What failed before there was a plan needs no other answer than the plan.
    kit.send(planned(AddTask(work("y"))))
    assert [each.task for each in asked(kit.said)] == ["z"]
    kit.fail("c/y/1")
    assert [each.task for each in asked(kit.said)] == ["z", "y"]


def test_a_plan_is_whole_once() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), planning=True)
    with pytest.raises(GraphError):
        kit.send(planned(RemoveTask("x")))
    kit.send(planned(AddTask(work("y"))))
    with pytest.raises(InvalidTransition, match="the end of its plan"):
        kit.send(planned(AddTask(work("z"))))


def test_a_plan_in_the_making_can_be_canceled() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"), planning=True)
    kit.finish("c/x/1")
    kit.send(CancelRequested("c", "never mind"))
    assert kit.run().ended_at is not None
    with pytest.raises(UnknownConstellationError):
        kit.send(planned())
