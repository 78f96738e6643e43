"""Devices come and go: what they held goes on, is queued again, or fails with a reason."""

from __future__ import annotations

import pytest
from scheduling_kit import Kit, look, work

from constellation.aip.cards import DeviceCard
from constellation.errors import InvalidTransition, UnknownDeviceError
from constellation.graph.edits import CancelTask, RetryTask
from constellation.graph.task import Outcome, Requirement, TaskState
from constellation.orchestrator.device import TRANSITIONS, Device, Presence
from constellation.orchestrator.events import (
    ArtifactsHeld,
    AttemptFinished,
    DeviceAccounted,
    DeviceDetached,
    DeviceDraining,
    DeviceLost,
    DeviceReturned,
    Fact,
)
from constellation.orchestrator.health import Health
from constellation.orchestrator.settings import Settings

GRACE = Settings(grace_s=30.0)


def test_a_short_absence_costs_nothing() -> None:
    kit = Kit(GRACE)
    kit.join("a", 1)
    kit.submit(work("x"), work("y"))
    kit.send(DeviceDetached("a"))
    kit.pass_time(29.0)
    kit.send(DeviceReturned("a"))
    kit.pass_time(60.0)
    assert kit.on("a") == ["c/x/1"]
    kit.finish("c/x/1")
    assert kit.on("a") == ["c/y/1"]


def test_a_device_out_of_reach_gets_nothing_new() -> None:
    kit = Kit(GRACE)
    kit.join("a")
    kit.send(DeviceDetached("a"))
    kit.submit(work("x"))
    assert kit.on("a") == []
    assert "a is out of reach" in kit.notices("waiting")[0]["reason"]
    kit.send(DeviceReturned("a"))
    assert kit.on("a") == ["c/x/1"]


def test_after_the_grace_time_repeatable_work_goes_elsewhere() -> None:
    kit = Kit(GRACE)
    kit.join("a")
    kit.submit(look("x"))
    kit.join("b")
    kit.send(DeviceDetached("a"))
    kit.pass_time(29.9)
    assert kit.on("b") == []
    kit.pass_time(0.2)
    assert kit.on("b") == ["c/x/2"]
    assert kit.facts("requeued")[0]["cause"] == "lost"
    assert kit.facts("requeued")[0]["reason"] == "a was out of reach for 30 s"
    assert kit.canceled() == [("a", "c/x/1")]


def test_and_other_work_fails_and_says_that_it_may_have_run() -> None:
    kit = Kit(GRACE)
    kit.join("a")
    kit.join("b")
    kit.submit(work("x"), work("other"))
    device = kit.where("c/x/1")
    kit.send(DeviceLost(device, "it was unplugged"))
    error = kit.error("x")
    assert error["code"] == "task.failed.device_lost"
    assert "it was unplugged" in error["message"]
    assert "may have run" in error["message"]
    assert "retry" in error["remedy"]
    kit.edit(RetryTask("x"))
    assert kit.state("x") == "working"


def test_the_skills_own_word_decides_if_the_task_says_nothing() -> None:
    kit = Kit(GRACE)
    kit.join("a")
    kit.submit(look("x", idempotent=False), work("y", idempotent=True), work("z"))
    kit.send(DeviceLost("a", "gone"))
    assert [kit.state(task) for task in "xyz"] == ["failed", "submitted", "failed"]


def test_a_task_that_loses_device_after_device_is_given_up() -> None:
    kit = Kit(Settings(max_losses=2))
    kit.submit(look("x"))
    for name in ("a", "b", "c"):
        kit.join(name)
        assert kit.state("x") == "working"
        kit.send(DeviceLost(name, "gone"))
    assert kit.error("x")["code"] == "task.failed.device_lost"
    assert "lost its device 3 times" in kit.error("x")["message"]


def test_losses_do_not_use_up_the_retries() -> None:
    kit = Kit()
    kit.submit(look("x"))
    kit.join("a")
    kit.send(DeviceLost("a", "gone"))
    kit.join("b")
    assert kit.on("b") == ["c/x/2"]


def test_a_fresh_session_tells_what_goes_on_and_what_never_began() -> None:
    kit = Kit(GRACE)
    kit.join("a")
    kit.submit(work("runs"), work("held"), work("unsent"))
    kit.send(DeviceDetached("a"))
    kit.rejoin("a", running=["c/runs/1"], held=["c/held/1"])
    assert kit.on("a") == ["c/runs/1", "c/held/1", "c/unsent/2"]
    assert kit.facts("requeued")[0]["cause"] == "unsent"
    kit.pass_time(60.0)
    assert kit.state("runs") == "working"


def test_a_device_is_told_to_stop_what_nobody_waits_for() -> None:
    kit = Kit(GRACE)
    kit.join("a")
    kit.submit(work("x"), work("y"))
    kit.send(DeviceDetached("a"))
    kit.edit(CancelTask("x"))
    before = len(kit.canceled())
    kit.rejoin("a", running=["c/x/1", "c/y/1", "c/gone/3"])
    assert kit.canceled()[before:] == [("a", "c/x/1"), ("a", "c/gone/3")]


@pytest.mark.parametrize("gone", ["is lost", "stays away", "has forgotten it"])
def test_what_was_canceled_stays_so_when_its_device(gone: str) -> None:
    kit = Kit(GRACE)
    kit.join("a", 1)
    kit.submit(work("x"), look("y", requirement=Requirement(device="b")))
    kit.edit(CancelTask("x"))
    kit.send(DeviceDetached("a"))
    if gone == "is lost":
        kit.send(DeviceLost("a", "gone"))
    elif gone == "stays away":
        kit.pass_time(60.0)
    else:
        kit.rejoin("a")
    assert kit.on("a") == []
    assert kit.state("x") == "canceled"
    assert kit.facts("requeued") == []
    assert [fact["task"] for fact in kit.facts("finished")] == []


def test_the_timeout_of_an_attempt_goes_on_when_its_device_is_back() -> None:
    kit = Kit(Settings(timeout_slack_s=5.0))
    kit.join("a")
    kit.submit(work("x", timeout_s=10.0))
    kit.pass_time(3.0)
    other = kit.restarted()
    other.rejoin("a", running=["c/x/1"])
    other.pass_time(11.9)
    assert other.state("x") == "working"
    other.pass_time(0.2)
    assert other.error("x")["code"] == "task.timeout"


def test_a_second_session_of_the_same_device_replaces_the_first() -> None:
    kit = Kit()
    kit.join("a", 1)
    kit.submit(work("x"))
    kit.rejoin("a")
    assert kit.on("a") == ["c/x/2"]


def test_a_draining_device_finishes_and_takes_nothing_also_after_an_absence() -> None:
    kit = Kit(GRACE)
    kit.join("a")
    kit.submit(work("x"))
    kit.send(DeviceDraining("a"))
    kit.submit(work("y"), id="d")
    kit.send(DeviceDetached("a"))
    kit.send(DeviceReturned("a"))
    assert kit.on("a") == ["c/x/1"]
    kit.finish("c/x/1")
    assert kit.state("x") == "completed"
    assert kit.on("a") == []
    kit.rejoin("a")
    assert kit.on("a") == ["d/y/1"]
    kit.finish("d/y/1")
    kit.send(DeviceDetached("a"))
    kit.send(DeviceReturned("a"))
    kit.submit(work("z"), id="e")
    assert kit.on("a") == ["e/z/1"], "it drains no more"


def test_an_overdue_attempt_is_heard_first_when_its_device_returns() -> None:
    kit = Kit(Settings(grace_s=30.0, timeout_slack_s=2.0))
    kit.join("a")
    kit.submit(look("x", timeout_s=5.0))
    kit.send(DeviceDetached("a"))
    kit.pass_time(20.0)
    assert kit.state("x") == "working"
    kit.send(DeviceReturned("a"))
    kit.pass_time(1.9)
    assert kit.state("x") == "working"
    kit.pass_time(0.2)
    assert kit.error("x")["code"] == "task.timeout"


def test_devices_that_are_gone_are_shown_for_a_while() -> None:
    kit = Kit(Settings(max_lost_devices=1))
    for name in ("a", "b"):
        kit.join(name)
        kit.send(DeviceLost(name, "gone"))
    assert list(kit.scheduler.devices) == ["b"]
    assert kit.scheduler.devices["b"].presence == "lost"


def test_observers_hear_of_every_change() -> None:
    kit = Kit()
    kit.join("a")
    kit.send(DeviceDetached("a"))
    kit.send(DeviceReturned("a"))
    kit.send(DeviceDraining("a"))
    kit.send(DeviceLost("a", "bye"))
    told = [notice["presence"] for notice in kit.notices("device")]
    assert told == ["connected", "detached", "connected", "draining", "lost"]


def test_an_unknown_device_is_refused() -> None:
    kit = Kit()
    for event in (DeviceDetached("a"), DeviceReturned("a"), ArtifactsHeld("a", ("h",))):
        with pytest.raises(UnknownDeviceError):
            kit.send(event)


def test_so_is_what_the_table_does_not_have() -> None:
    kit = Kit()
    kit.join("a")
    kit.send(DeviceLost("a", "bye"))
    with pytest.raises(InvalidTransition, match="Device a is lost"):
        kit.send(DeviceDetached("a"))


@pytest.mark.parametrize("state", list(TRANSITIONS))
def test_the_table_is_what_a_device_does(state: Presence) -> None:
    for event in ("join", "return", "drain", "detach", "lose"):
        device = Device(DeviceCard(name="a"), Health(Settings()), {})
        device.link = state
        following = TRANSITIONS[state].get(event)
        if following is None:
            with pytest.raises(InvalidTransition):
                device.move(event)
        else:
            device.move(event)
            assert device.link is following


def test_a_device_remembers_a_bounded_number_of_artifacts() -> None:
    device = Device(DeviceCard(name="a"), Health(Settings()), {})
    device.hold(tuple(str(n) for n in range(10_050)))
    device.hold(("60",))
    assert len(device.artifacts) == 10_000
    assert "49" not in device.artifacts
    assert next(reversed(device.artifacts)) == "60"


def test_what_was_taken_over_goes_on_where_it_is_found_and_begins_again_where_it_is_not() -> None:
    kit = Kit(GRACE)
    kit.join("a", 2)
    kit.submit(work("x"), work("y"))
    said = kit.send(
        DeviceAccounted("a", ("c/x/1", "c/y/1", "c/gone/1"), frozenset({"c/x/1", "c/z/1"}))
    )
    assert kit.on("a") == ["c/x/1", "c/y/2"]
    assert kit.assigned(said) == ["c/y/2"]
    assert kit.facts("requeued")[0]["cause"] == "unsent"
    # What runs there and is not known here is not needed any more.
    assert kit.canceled() == [("a", "c/z/1")]
    kit.finish("c/x/1")
    kit.finish("c/y/2")
    assert kit.state("x") == kit.state("y") == "completed"


def test_one_constellation_is_taken_up_beside_others_that_run() -> None:
    """As by a hub that takes over from another; its device has been here all the time."""
    older = Kit(GRACE)
    older.join("a", 2)
    older.submit(work("x"), work("y"), work("z"), id="theirs")
    kit = Kit(GRACE)
    kit.join("a", 4)
    kit.submit(work("w"), id="ours")
    for each in older.said:
        if isinstance(each, Fact):
            kit.scheduler.restore(each)
    begun = kit.scheduler.take_up("theirs", kit.now)
    kit.said += begun
    assert kit.assigned(begun) == ["theirs/z/1"]
    assert sorted(kit.on("a")) == ["ours/w/1", "theirs/x/1", "theirs/y/1", "theirs/z/1"]
    kit.finish("theirs/x/1", device="a")
    kit.finish("ours/w/1", device="a")
    assert kit.state("x", "theirs") == kit.state("w", "ours") == "completed"


def test_a_resource_that_two_hubs_gave_away_does_no_harm_to_whoever_takes_both_over() -> None:
    arm = Requirement(exclusive=("arm",))
    kit = Kit(GRACE)
    kit.join("a", 4)
    for name in ("one", "two"):
        older = Kit(GRACE)
        older.join("a", 4)
        older.submit(work("x", requirement=arm), id=name)
        for each in older.said:
            if isinstance(each, Fact):
                kit.scheduler.restore(each)
        kit.said += kit.scheduler.take_up(name, kit.now)
    for name in ("one", "two"):
        kit.said += kit.scheduler.handle(
            AttemptFinished("a", f"{name}/x/1", Outcome(TaskState.COMPLETED)), kit.now
        )
    assert kit.scheduler.state.resources == {}
    kit.submit(work("y", requirement=arm))
    assert kit.on("a") == ["c/y/1"]
    assert kit.state("x", "one") == kit.state("x", "two") == "completed"
