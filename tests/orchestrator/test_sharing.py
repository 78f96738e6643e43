"""Exclusive resources that other schedulers use too: asked for, used, and given back."""

from __future__ import annotations

from typing import Any

from scheduling_kit import Kit, look, work

from constellation.graph.edits import RemoveTask
from constellation.graph.task import Requirement
from constellation.orchestrator.events import (
    CancelRequested,
    DeviceDetached,
    DeviceReturned,
    Fact,
    FreeResources,
    Paused,
    ResourcesGranted,
    Resumed,
    WantResources,
)
from constellation.orchestrator.invariants import check
from constellation.orchestrator.settings import Settings

SHARED = Settings(shared_resources=True, turn_s=5.0, stop_s=30.0)
ARM = Requirement(exclusive=("arm",))
BOTH = Requirement(exclusive=("camera", "arm"))


def kit(**card: Any) -> Kit:
    found = Kit(SHARED)
    found.join("a", **card)
    return found


def wants(kit: Kit) -> list[tuple[str, tuple[str, ...]]]:
    return [tuple(each) for each in kit.said if isinstance(each, WantResources)]


def freed(kit: Kit) -> list[tuple[str, tuple[str, ...]]]:
    return [tuple(each) for each in kit.said if isinstance(each, FreeResources)]


def grant(kit: Kit, *resources: str, id: str = "c") -> list[str]:
    return kit.assigned(kit.send(ResourcesGranted(id, resources)))


def test_a_task_starts_once_its_constellation_has_what_it_needs() -> None:
    k = kit()
    k.submit(work("x", requirement=BOTH), work("y"))
    assert k.assigned() == ["c/y/1"]
    assert wants(k) == [("c", ("camera", "arm"))]
    assert grant(k, "camera", "arm") == ["c/x/1"]
    k.finish("c/x/1")
    assert freed(k) == [("c", ("camera", "arm"))]
    assert len(wants(k)) == 1


def test_each_use_is_asked_for_anew_so_that_others_have_their_turn() -> None:
    k = kit()
    k.submit(work("x", requirement=ARM), work("y", requirement=ARM))
    assert grant(k, "arm") == ["c/x/1"]
    k.finish("c/x/1")
    assert freed(k) == [("c", ("arm",))]
    assert wants(k) == [("c", ("arm",))] * 2
    assert k.state("y") == "submitted"
    assert grant(k, "arm") == ["c/y/1"]


def test_constellations_of_one_scheduler_ask_each_for_itself() -> None:
    k = kit()
    k.submit(work("x", requirement=ARM))
    k.submit(work("x", requirement=ARM), id="d")
    assert sorted(wants(k)) == [("c", ("arm",)), ("d", ("arm",))]
    assert grant(k, "arm", id="d") == ["d/x/1"]
    k.finish("d/x/1")
    assert freed(k) == [("d", ("arm",))]
    assert grant(k, "arm") == ["c/x/1"]


def test_what_was_granted_for_more_is_not_used_for_less() -> None:
    k = kit()
    k.submit(work("x", requirement=BOTH), work("y", requirement=ARM))
    assert sorted(wants(k)) == [("c", ("arm",)), ("c", ("camera", "arm"))]
    assert grant(k, "camera", "arm") == ["c/x/1"]
    k.finish("c/x/1")
    assert k.state("y") == "submitted"
    assert grant(k, "arm") == ["c/y/1"]


def test_nothing_is_asked_for_without_a_device_that_could_run_it() -> None:
    k = Kit(SHARED)
    k.submit(work("x", requirement=ARM))
    assert wants(k) == []
    k.join("a")
    assert wants(k) == [("c", ("arm",))]


def test_what_comes_while_the_device_is_busy_waits_for_it_for_a_turn() -> None:
    k = kit(capacity=1)
    k.submit(work("busy"), id="d")
    k.submit(work("x", requirement=ARM))
    assert wants(k) == [("c", ("arm",))]
    assert grant(k, "arm") == []
    k.pass_time(4.0)
    assert freed(k) == []
    k.pass_time(1.0)
    assert freed(k) == [("c", ("arm",))]
    assert wants(k) == [("c", ("arm",))] * 2, "its next turn"
    assert grant(k, "arm") == []
    k.finish("d/busy/1")
    assert k.assigned()[-1] == "c/x/1"
    k.pass_time(60.0)
    assert len(freed(k)) == 1, "a task that runs has no turn that ends"


def test_what_is_not_wanted_any_more_is_given_back() -> None:
    k = kit()
    k.submit(work("x", requirement=ARM), look("y"))
    k.edit(RemoveTask("x"))
    assert grant(k, "arm") == []
    k.pass_time(SHARED.turn_s)
    assert freed(k) == [("c", ("arm",))]


def test_of_an_ended_constellation_nothing_is_remembered() -> None:
    k = kit()
    k.submit(work("x", requirement=ARM))
    k.send(CancelRequested("c", "no more"))
    assert k.scheduler.state.asked == set()
    assert grant(k, "arm") == []
    assert freed(k) == [("c", ("arm",))]


def test_a_pause_gives_it_back_and_asks_again_afterwards() -> None:
    k = kit()
    k.submit(work("x", requirement=ARM))
    k.send(Paused("c"))
    assert grant(k, "arm") == []
    k.pass_time(SHARED.turn_s)
    assert freed(k) == [("c", ("arm",))]
    assert len(wants(k)) == 1
    k.send(Resumed("c"))
    assert len(wants(k)) == 2
    assert grant(k, "arm") == ["c/x/1"]


def test_a_device_that_comes_back_is_worth_asking_for() -> None:
    k = kit()
    k.send(DeviceDetached("a"))
    k.submit(look("x", requirement=ARM))
    assert wants(k) == []
    k.send(DeviceReturned("a", 0.0))
    assert wants(k) == [("c", ("arm",))]


def test_it_is_kept_until_a_stopped_attempt_has_let_go() -> None:
    k = kit()
    k.submit(work("x", requirement=ARM))
    grant(k, "arm")
    k.send(CancelRequested("c", "no more"))
    assert freed(k) == []
    k.pass_time(SHARED.stop_s - 1.0)
    assert freed(k) == []
    k.pass_time(1.0)
    assert freed(k) == [("c", ("arm",))]


def taken_over(k: Kit) -> Kit:
    """Another owner has the constellation now; it knows the device."""
    other = Kit(SHARED)
    other.now = k.now
    other.join("a")
    for each in k.said:
        if isinstance(each, Fact):
            other.scheduler.restore(each)
    other.said += other.scheduler.take_up("c", other.now)
    check(other.scheduler, other.now)
    return other


def test_who_takes_over_has_what_still_runs_and_gives_back_the_rest() -> None:
    k = kit()
    k.submit(work("x", requirement=ARM), work("y", requirement=BOTH))
    grant(k, "arm")
    other = taken_over(k)
    other.send(ResourcesGranted("c", ("arm", "camera")))
    assert freed(other) == [("c", ("camera",))]
    assert wants(other) == [("c", ("camera", "arm"))]
    other.finish("c/x/1", device="a")
    assert freed(other)[1:] == [("c", ("arm",))]
    assert grant(other, "camera", "arm") == ["c/y/1"]


def test_a_wait_for_a_turn_is_told() -> None:
    k = kit()
    k.submit(work("x", requirement=BOTH))
    told = k.scheduler.why_waiting(k.run(), ["x"], k.now)
    assert told == {"x": "It waits for its turn with camera, arm."}
