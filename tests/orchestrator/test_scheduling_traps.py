"""What orchestrators of this kind are known to get wrong, each as the least that shows it."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from scheduling_kit import Kit, look, work

from constellation.graph.edits import AddDependency, AddTask, CancelTask
from constellation.graph.task import Dependency, Outcome, RetryPolicy, TaskState
from constellation.orchestrator.events import (
    AttemptFinished,
    CancelRequested,
    DeviceDetached,
    DeviceLost,
    RevisionClosed,
)
from constellation.orchestrator.settings import Settings


def test_after_a_constellation_was_canceled_the_scheduler_goes_on() -> None:
    kit = Kit()
    kit.join("a", 1)
    kit.submit(work("x"), work("y"))
    kit.send(CancelRequested("c"))
    assert kit.facts("ended")[0]["state"] == "canceled"
    kit.submit(work("z"), id="d")
    kit.report("c/x/1", Outcome(TaskState.CANCELED))
    assert kit.on("a") == ["d/z/1"]


def test_a_device_is_told_to_stop_what_was_canceled() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), work("y"), work("z"), edges=[Dependency("x", "z")])
    kit.edit(CancelTask("x", "enough", True))
    assert kit.canceled() == [("a", "c/x/1")]
    assert kit.state("z") == "canceled"
    kit.send(CancelRequested("c"))
    assert kit.canceled() == [("a", "c/x/1"), ("a", "c/y/1")]


def test_a_failed_task_is_tried_again_and_a_lost_one_given_to_another_device() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x", retry=RetryPolicy(attempts=2, backoff_s=0.0)), look("y"))
    kit.fail("c/x/1")
    assert "c/x/2" in kit.on("a")
    kit.join("b")
    kit.send(DeviceLost("a", "gone"))
    assert kit.on("b") == ["c/y/2"]


def test_a_device_that_dies_while_idle_is_given_nothing_more() -> None:
    kit = Kit(Settings(grace_s=30.0))
    kit.join("a")
    kit.send(DeviceDetached("a"))
    kit.submit(work("x"))
    assert kit.assigned() == []
    assert "a is out of reach" in kit.notices("waiting")[0]["reason"]
    kit.join("b")
    assert kit.on("b") == ["c/x/1"]


def test_two_tasks_ask_a_planner_and_everything_else_is_assigned_meanwhile() -> None:
    kit = Kit()
    kit.join("a", 2)
    tasks = [work(name) for name in ("x", "y", "below", "other", "more")]
    edges = [Dependency("x", "below", "completion"), Dependency("other", "more")]
    kit.submit(*tasks, edges=edges, revise_on=frozenset({"failed"}))
    kit.fail("c/x/1")
    kit.fail("c/y/1")
    kit.edit(AddTask(work("new")), AddDependency(Dependency("other", "new")))
    kit.finish("c/other/1")
    assert kit.on("a") == ["c/more/1", "c/new/1"]
    kit.finish("c/more/1")
    kit.send(RevisionClosed("c", "x"))
    assert kit.on("a") == ["c/new/1", "c/below/1"]


def test_an_outcome_is_taken_once_however_often_it_is_reported() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"), work("y"))
    for _ in range(3):
        kit.finish("c/x/1", 1)
    kit.fail("c/x/1")
    assert kit.state("x") == "completed"
    assert [fact["task"] for fact in kit.facts("finished")] == ["x"]


def calls_of_one_outcome(waiting: int) -> int:
    """How many functions are called for an outcome and the start that follows from it."""
    kit = Kit()
    kit.join("a", 1)
    kit.submit(*(work(f"t{n}") for n in range(waiting)))
    kit.finish("c/t0/1")
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    event = AttemptFinished("a", "c/t1/1", Outcome(TaskState.COMPLETED))
    sys.setprofile(count)
    try:
        kit.scheduler.handle(event, kit.now)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("waiting", [100, 1_000])
def test_the_cost_of_an_outcome_does_not_grow_with_the_constellation(waiting: int) -> None:
    assert calls_of_one_outcome(waiting) == calls_of_one_outcome(10)
