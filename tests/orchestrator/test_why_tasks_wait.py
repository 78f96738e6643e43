"""What a person is told of tasks that could run and do not."""

from __future__ import annotations

from scheduling_kit import Kit, look, work

from constellation.graph.task import Dependency, Requirement, RetryPolicy
from constellation.orchestrator.events import Paused

CAMERA = Requirement(exclusive=("camera",))


def told(kit: Kit, id: str = "c") -> dict[str, str]:
    run = kit.run(id)
    return kit.scheduler.why_waiting(run, list(run.constellation.nodes), kit.now)


def test_each_device_says_why_it_does_not_take_a_task() -> None:
    kit = Kit()
    kit.join("a", 1)
    kit.join("b", skills=())
    kit.submit(work("x"), work("y"), look("z"), edges=[Dependency("x", "z")])
    busy = "No device can take it now: a is busy; b has no skill work."
    assert told(kit) == {"y": busy}, "x runs, and z waits for a task"


def test_a_resource_in_use_names_its_holder() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x", requirement=CAMERA))
    kit.submit(work("y", requirement=CAMERA), id="d")
    assert told(kit, "d") == {"y": "camera is in use by task x of c."}


def test_so_does_a_pause_and_the_wait_before_another_attempt() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x", retry=RetryPolicy(attempts=2, backoff_s=20.0)))
    kit.fail("c/x/1")
    kit.pass_time(5.0)
    assert told(kit) == {"x": "It is tried again in 15 s."}
    kit.send(Paused("c"))
    assert told(kit) == {"x": "The constellation is paused."}


def test_so_does_a_planner_that_thinks() -> None:
    kit = Kit()
    kit.join("a")
    edges = [Dependency("x", "y", "completion"), Dependency("y", "z")]
    kit.submit(work("x"), work("y"), work("z"), edges=edges, revise_on=frozenset({"failed"}))
    kit.fail("c/x/1")
    assert told(kit) == {"y": "The planner is asked what follows from x."}


def test_nothing_waits_in_what_has_ended() -> None:
    kit = Kit()
    kit.join("a")
    kit.submit(work("x"))
    kit.finish("c/x/1")
    assert told(kit) == {}
