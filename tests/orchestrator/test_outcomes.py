"""How attempts end, and what follows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scheduling_kit import Kit, look, work

from constellation.graph.edits import CancelTask, RetryTask
from constellation.graph.task import Dependency, Outcome, RetryPolicy, Task, TaskState
from constellation.orchestrator.events import (
    AttemptFinished,
    AttemptRejected,
    AttemptsFinished,
    CancelRequested,
    DeviceDraining,
    DeviceLost,
    InputRequired,
)
from constellation.orchestrator.retrying import backoff
from constellation.orchestrator.settings import Settings

DONE = Outcome(TaskState.COMPLETED, 1)


def test_an_empty_result_is_success() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), work("y"), edges=[Dependency("x", "y")])
    kit.finish("c/x/1", None)
    assert kit.on("a") == ["c/y/1"]


def test_results_that_arrive_together_are_taken_together() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), work("y"))
    kit.send(AttemptsFinished([AttemptFinished("a", f"c/{task}/1", DONE) for task in "xy"]))
    assert kit.run().state == "completed"


# ── retries ─────────────────────────────────────────────────────────────────────────────────────


def test_a_failure_is_retried_after_a_growing_wait_and_then_final() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x", retry=RetryPolicy(attempts=3, backoff_s=2.0, factor=3.0)))
    kit.fail("c/x/1")
    kit.pass_time(1.9)
    assert kit.on("a") == []
    kit.pass_time(0.2)
    kit.fail("c/x/2")
    kit.pass_time(5.9)
    assert kit.on("a") == []
    kit.pass_time(0.2)
    kit.fail("c/x/3")
    assert kit.state("x") == "failed"
    assert [fact["cause"] for fact in kit.facts("requeued")] == ["failed", "failed"]


def test_a_task_that_is_run_again_by_hand_has_all_its_attempts() -> None:
    kit = Kit()
    kit.join("a")
    policy = RetryPolicy(attempts=2, backoff_s=0.0)
    kit.submit(work("x", retry=policy), work("other"))
    kit.fail("c/x/1")
    kit.fail("c/x/2")
    assert kit.state("x") == "failed"
    kit.edit(RetryTask("x"))
    kit.fail("c/x/3")
    assert "c/x/4" in kit.on("a")


def test_a_task_canceled_while_it_waits_for_its_retry_is_not_retried() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x", retry=RetryPolicy(attempts=2, backoff_s=5.0)), work("other"))
    kit.fail("c/x/1")
    kit.edit(CancelTask("x"))
    kit.pass_time(6.0)
    assert kit.state("x") == "canceled"
    assert kit.on("a") == ["c/other/1"]


def test_the_wait_is_bounded_whatever_the_factor() -> None:
    policy = RetryPolicy(attempts=10**6, backoff_s=1.0, factor=1e300, max_backoff_s=60.0)
    assert backoff(policy, 1) == 1.0
    assert backoff(policy, 10_000) == 60.0


@pytest.mark.parametrize(
    ("code", "again"),
    [("task.failed.net", True), ("task.failed.net.dns", True), ("task.failed.network", False)],
)
def test_only_the_errors_named_are_retried(code: str, again: bool) -> None:
    kit = Kit()
    kit.join("a")
    policy = RetryPolicy(attempts=2, backoff_s=0.0, on=("task.failed.net",))
    kit.submit(work("x", retry=policy))
    kit.fail("c/x/1", code)
    assert (kit.on("a") == ["c/x/2"]) == again


@pytest.mark.parametrize(
    ("task", "on", "again"),
    [
        (work, (), False),
        (work, ("task.failed",), False),
        (work, ("task.failed.interrupted",), True),
        (look, (), True),
    ],
)
def test_what_may_have_run_is_retried_only_if_that_is_wanted(
    task: Callable[..., Task], on: tuple[str, ...], again: bool
) -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(task("x", retry=RetryPolicy(attempts=2, backoff_s=0.0, on=on)))
    kit.fail("c/x/1", "task.failed.interrupted")
    assert kit.on("a") == (["c/x/2"] if again else [])
    assert kit.state("x") == ("working" if again else "failed")


def test_elsewhere_avoids_a_device_that_failed_while_others_can() -> None:
    kit = Kit()
    kit.join("a", 1)
    policy = RetryPolicy(attempts=3, backoff_s=0.0, elsewhere=True)
    kit.submit(work("x", retry=policy))
    kit.join("b", 1)
    kit.fail("c/x/1")
    assert kit.on("b") == ["c/x/2"]
    kit.fail("c/x/2")
    assert kit.on("a") + kit.on("b") == ["c/x/3"]


def test_an_outcome_that_is_none_is_a_failure() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.report("c/x/1", Outcome(TaskState.WORKING))
    assert kit.error("x")["code"] == "task.failed.protocol"


def test_a_failure_without_a_reason_gets_one() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.report("c/x/1", Outcome(TaskState.FAILED))
    assert "gave no reason" in kit.error("x")["message"]


def test_a_task_stopped_on_its_device_is_canceled() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x", retry=RetryPolicy(attempts=3)))
    kit.report("c/x/1", Outcome(TaskState.CANCELED))
    assert kit.state("x") == "canceled"
    assert "stopped on a" in kit.error("x")["message"]


# ── time ────────────────────────────────────────────────────────────────────────────────────────


def test_a_silent_attempt_is_ended_after_its_timeout_and_some_slack() -> None:
    kit = Kit(Settings(timeout_slack_s=2.0))
    kit.join("a")
    kit.submit(look("x", timeout_s=10.0))
    kit.pass_time(11.9)
    assert kit.state("x") == "working"
    kit.pass_time(0.2)
    assert kit.error("x")["code"] == "task.timeout"
    assert kit.canceled() == [("a", "c/x/1")]


def test_a_timeout_is_retried_only_if_the_task_may_be_repeated() -> None:
    kit = Kit(Settings(timeout_slack_s=0.0))
    kit.join("a")
    policy = RetryPolicy(attempts=2, backoff_s=0.0)
    kit.submit(look("x", timeout_s=5.0, retry=policy), work("y", timeout_s=5.0, retry=policy))
    kit.pass_time(5.0)
    assert kit.state("x") == "working"
    assert kit.state("y") == "failed"
    assert "may still have run" in kit.error("y")["message"]


def test_an_attempt_that_was_told_to_stop_keeps_its_place_until_it_has() -> None:
    kit = Kit(Settings(stop_s=30.0))
    kit.join("a", 1)
    kit.submit(work("x"), work("y"))
    kit.edit(CancelTask("x"))
    assert kit.state("x") == "canceled"
    assert kit.on("a") == ["c/x/1"]
    kit.report("c/x/1", Outcome(TaskState.CANCELED))
    assert kit.on("a") == ["c/y/1"]
    assert kit.notices("late") == []


def test_but_not_for_ever() -> None:
    kit = Kit(Settings(stop_s=30.0))
    kit.join("a", 1)
    kit.submit(work("x"), work("y"))
    kit.edit(CancelTask("x"))
    kit.pass_time(30.0)
    assert kit.on("a") == ["c/y/1"]


@pytest.mark.parametrize(("start", "words"), [(True, "ran on a"), (False, "waited for its turn")])
def test_a_deadline_ends_a_task_wherever_it_stands(start: bool, words: str) -> None:
    kit = Kit()
    kit.join("a", 1)
    if not start:
        kit.submit(work("other"), id="d")
    kit.submit(work("x", deadline_s=5.0))
    kit.pass_time(5.0)
    assert kit.error("x")["code"] == "task.timeout.deadline"
    assert words in kit.error("x")["message"]


def test_a_deadline_ends_a_task_that_waits_for_others() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), work("y", deadline_s=5.0), edges=[Dependency("x", "y")])
    kit.pass_time(5.0)
    assert "waited for other tasks" in kit.error("y")["message"]


def test_the_deadline_of_a_map_ends_its_elements() -> None:
    kit = Kit()
    kit.join("a", 1)
    kit.submit(look("x"), work("m", for_each="${x.output}", deadline_s=5.0))
    kit.finish("c/x/1", [1, 2])
    assert kit.on("a") == ["c/m[0]/1"]
    kit.pass_time(5.0)
    assert kit.error("m[0]")["code"] == kit.error("m[1]")["code"] == "task.timeout.deadline"
    assert kit.state("m") == "failed"


def test_a_retry_after_the_deadline_fails_without_a_start() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x", deadline_s=5.0), work("other"))
    kit.pass_time(5.0)
    kit.edit(RetryTask("x"))
    assert kit.error("x")["code"] == "task.timeout.deadline"
    assert "c/x/2" not in kit.assigned()


# ── rejections ──────────────────────────────────────────────────────────────────────────────────


def test_a_rejected_attempt_goes_elsewhere_even_if_it_must_not_be_repeated() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.join("b")
    kit.send(AttemptRejected("a", "c/x/1", {"code": "task.rejected", "message": "not here"}))
    assert kit.on("b") == ["c/x/2"]
    kit.send(AttemptRejected("b", "c/x/2", {"code": "task.rejected", "message": "nor here"}))
    assert kit.state("x") == "rejected"
    assert "b refused it: nor here" in kit.error("x")["message"]


# ── devices that leave ──────────────────────────────────────────────────────────────────────────

LEAVES = {"code": "task.rejected", "message": "it was stopped before it began"}


def test_what_a_leaving_device_refuses_is_queued_again() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.send(InputRequired("a", "c/x/1", {"id": "q", "kind": "approval", "prompt": "May I?"}))
    kit.send(DeviceDraining("a"))
    kit.send(AttemptRejected("a", "c/x/1", LEAVES))
    assert kit.state("x") == "submitted"
    assert kit.restarted().state("x") == "submitted"
    kit.join("a")
    assert kit.on("a") == ["c/x/2"]


def test_a_refusal_may_itself_say_that_the_device_leaves() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.send(AttemptRejected("a", "c/x/1", {**LEAVES, "code": "task.rejected.leaving"}))
    assert kit.state("x") == "submitted"
    assert kit.on("a") == []
    assert kit.scheduler.devices["a"].presence == "draining"


# ── outcomes that nobody waits for ──────────────────────────────────────────────────────────────


def lost_and_queued() -> Kit:
    """A repeatable task that was lost with device ``a`` and waits for another device."""
    kit = Kit()
    kit.join("a")
    kit.submit(look("x"))
    kit.send(DeviceLost("a", "gone"))
    assert kit.state("x") == "submitted"
    return kit


def test_the_success_of_an_attempt_given_up_counts_while_the_task_has_no_outcome() -> None:
    kit = lost_and_queued()
    kit.finish("c/x/1", {"n": 7}, device="a")
    assert kit.state("x") == "completed"
    assert kit.run().constellation.nodes["x"].output == {"n": 7}


def test_also_while_another_attempt_runs_which_is_then_stopped() -> None:
    kit = lost_and_queued()
    kit.join("b")
    assert kit.on("b") == ["c/x/2"]
    kit.finish("c/x/1", {"n": 7}, device="a")
    assert kit.state("x") == "completed"
    assert kit.canceled()[-1] == ("b", "c/x/2")
    kit.finish("c/x/2", {"n": 8}, device="b")
    assert kit.run().constellation.nodes["x"].output == {"n": 7}
    assert kit.notices("late")[-1]["attempt"] == "c/x/2"


def test_its_failure_does_not_count() -> None:
    kit = lost_and_queued()
    kit.fail("c/x/1", device="a")
    assert kit.state("x") == "submitted"
    assert "given up" in kit.notices("late")[-1]["reason"]


def test_nor_its_success_once_the_task_was_begun_afresh() -> None:
    kit = lost_and_queued()
    kit.edit(CancelTask("x"), RetryTask("x"))
    kit.finish("c/x/1", {"n": 7}, device="a")
    assert kit.state("x") == "submitted"
    assert "has been changed" in kit.notices("late")[-1]["reason"]


def test_a_result_that_comes_twice_counts_once() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), work("y"))
    kit.finish("c/x/1", 1)
    kit.finish("c/x/1", 2, device="a")
    assert kit.run().constellation.nodes["x"].output == 1
    assert len(kit.facts("finished")) == 1


@pytest.mark.parametrize("attempt", ["c/x/1", "c/x/7", "c/none/1", "nonsense", "", "c/x/b", "//1"])
def test_a_device_cannot_report_on_what_it_was_not_given(attempt: str) -> None:
    kit = Kit()
    kit.join("a", 1)
    kit.submit(work("x"))
    kit.join("b")
    kit.finish(attempt, 1, device="b")
    kit.finish(attempt, 1, device="unknown")
    assert kit.state("x") == "working"
    assert len(kit.notices("refused")) == 2


def test_nor_reject_it() -> None:
    kit = Kit()
    kit.join("a", 1)
    kit.submit(work("x"))
    kit.join("b")
    kit.send(AttemptRejected("b", "c/x/1", {"code": "task.rejected", "message": "no"}))
    assert kit.on("a") == ["c/x/1"]
    assert kit.notices("refused")


def test_a_canceled_tasks_result_is_ignored_and_told() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), work("y"))
    kit.edit(CancelTask("x"))
    kit.finish("c/x/1", 1)
    assert kit.state("x") == "canceled"
    assert kit.notices("late")


def test_so_is_one_of_a_constellation_that_is_over() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.send(CancelRequested("c"))
    kit.scheduler.forget("c")
    kit.finish("c/x/1", 1)
    (late,) = kit.notices("late")
    assert late["reason"] == "The outcome was not used: its constellation is over."


def test_cancel_of_a_constellation_stops_its_work_and_ends_it() -> None:
    kit = Kit()
    kit.join("a", 1)
    kit.submit(work("x"), work("y"))
    kit.send(CancelRequested("c", "no longer wanted"))
    assert kit.canceled() == [("a", "c/x/1")]
    assert kit.facts("ended")[0]["state"] == "canceled"
    assert kit.facts("ended")[0]["reason"] == "no longer wanted"
    kit.scheduler.forget("c")
    kit.finish("c/x/1", device="a")
    assert kit.on("a") == []


def test_cancel_of_a_subtree_leaves_the_rest() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), work("y"), work("z"), edges=[Dependency("x", "y")])
    kit.edit(CancelTask("x", subtree=True))
    assert [kit.state(task) for task in "xyz"] == ["canceled", "canceled", "working"]
