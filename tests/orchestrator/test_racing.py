"""Stragglers are raced, and the first success wins."""

from __future__ import annotations

from typing import Any

import pytest
from scheduling_kit import Kit, look, work

from constellation.graph.task import Requirement, Task
from constellation.orchestrator.events import DeviceLost, InputAnswered, InputRequired
from constellation.orchestrator.run import Run
from constellation.orchestrator.settings import Settings

QUESTION = {"id": "q1", "kind": "text", "prompt": "Which?"}


def straggling(settings: Settings | None = None, **fields: Any) -> Kit:
    """Task ``x`` runs on ``a``, where such tasks have always taken a second; ``b`` is idle."""
    kit = learned(settings, 1)
    kit.submit(look("x", **fields))
    kit.join("b")
    assert kit.on("a") == ["c/x/1"]
    return kit


def learned(settings: Settings | None, capacity: int) -> Kit:
    """Tasks that look have always taken a second on ``a``."""
    kit = Kit(settings)
    kit.join("a", capacity)
    kit.submit(*(look(f"t{n}") for n in range(10)), id="before")
    for n in range(10):
        kit.now += 1.0
        kit.finish(f"before/t{n}/1")
    return kit


def test_a_straggler_is_tried_on_a_second_device() -> None:
    kit = straggling()
    kit.pass_time(1.9)
    assert kit.on("b") == []
    kit.pass_time(0.2)
    assert kit.on("b") == ["c/x/1b"]
    assert kit.facts("raced") == [{"task": "x", "attempt": 1, "device": "b"}]
    kit.pass_time(60.0)
    assert kit.assigned()[-1] == "c/x/1b"


@pytest.mark.parametrize(("winner", "loser"), [("c/x/1", "c/x/1b"), ("c/x/1b", "c/x/1")])
def test_the_first_success_wins_and_the_other_is_stopped(winner: str, loser: str) -> None:
    kit = straggling()
    kit.pass_time(5.0)
    kit.finish(winner, {"by": winner})
    node = kit.run().constellation.nodes["x"]
    assert node.output == {"by": winner}
    assert node.device == kit.where(winner)
    assert kit.canceled() == [(kit.where(loser), loser)]
    kit.finish(loser, {"by": loser})
    assert node.output == {"by": winner}
    assert kit.restarted().run().constellation.nodes["x"].device == node.device


@pytest.mark.parametrize(("first", "second"), [("c/x/1", "c/x/1b"), ("c/x/1b", "c/x/1")])
def test_a_failure_leaves_the_other_to_go_on(first: str, second: str) -> None:
    kit = straggling()
    kit.pass_time(5.0)
    kit.fail(first)
    assert kit.state("x") == "working"
    kit.fail(second)
    assert kit.state("x") == "failed"


@pytest.mark.parametrize("restarted", [False, True])
def test_an_attempt_is_raced_once(restarted: bool) -> None:
    kit = straggling()
    kit.join("d")
    kit.pass_time(5.0)
    assert kit.assigned()[-1] == "c/x/1b"
    kit.fail("c/x/1b")
    if restarted:
        run = Run.restore(kit.run().snapshot(), kit.scheduler.state.expected)
        assert run.live["x"].raced
    kit.pass_time(60.0)
    # Another rival would have the id of the first, which its device would not run again.
    assert kit.assigned().count("c/x/1b") == 1
    kit.finish("c/x/1")
    assert kit.state("x") == "completed"


def test_so_does_a_lost_device() -> None:
    kit = straggling()
    kit.pass_time(5.0)
    kit.send(DeviceLost("a", "gone"))
    assert kit.facts("requeued") == []
    kit.finish("c/x/1b")
    assert kit.state("x") == "completed"


def test_one_that_asks_goes_on_alone() -> None:
    kit = straggling()
    kit.pass_time(5.0)
    kit.send(InputRequired("b", "c/x/1b", QUESTION))
    assert kit.canceled() == [("a", "c/x/1")]
    kit.send(InputAnswered("c", "x", "q1", "this"))
    kit.finish("c/x/1b")
    assert kit.state("x") == "completed"


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        (Settings(racing=False), {}),
        (Settings(race_samples=11), {}),
        (Settings(), {"idempotent": False}),
        (Settings(), {"requirement": Requirement(device="a")}),
        (Settings(), {"requirement": Requirement(exclusive=("camera",))}),
    ],
    ids=["switched off", "too little known", "not repeatable", "no other device", "exclusive"],
)
def test_what_is_not_raced(settings: Settings, fields: dict[str, Any]) -> None:
    kit = straggling(settings, **fields)
    kit.pass_time(100.0)
    assert kit.facts("raced") == []


def test_a_skill_of_which_nothing_is_known_is_not_raced_by_what_is_known_of_another() -> None:
    kit = learned(None, 2)
    kit.submit(Task("unknown", "lens", idempotent=True), look("x"))
    kit.join("b")
    kit.pass_time(100.0)
    assert [fact["task"] for fact in kit.facts("raced")] == ["x"]


def test_a_race_survives_a_restart() -> None:
    kit = straggling()
    kit.pass_time(5.0)
    other = kit.restarted()
    other.rejoin("a", running=["c/x/1"])
    other.rejoin("b", running=["c/x/1b"])
    other.finish("c/x/1b", device="b")
    assert other.state("x") == "completed"
    assert other.canceled() == [("a", "c/x/1")]


def test_ready_work_goes_before_a_race() -> None:
    kit = straggling()
    kit.submit(*(work(f"w{n}") for n in range(4)), id="more")
    assert len(kit.on("b")) == 4
    kit.pass_time(5.0)
    assert kit.facts("raced") == []
    kit.finish(kit.on("b")[0])
    kit.pass_time(5.0)
    assert len(kit.facts("raced")) == 1
