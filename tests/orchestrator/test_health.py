"""Devices that fail or drag are found out, spared for a while, and tried again."""

from __future__ import annotations

import pytest
from scheduling_kit import Kit, look, work

from constellation.errors import InvalidTransition
from constellation.orchestrator.events import DeviceLost
from constellation.orchestrator.health import TRANSITIONS, Condition, Health, is_blamed
from constellation.orchestrator.placement import EarliestFinish
from constellation.orchestrator.settings import Settings

SETTINGS = Settings(quarantine_after=4, quarantine_s=10.0, quarantine_max_s=25.0)


def failing(times: int, code: str = "agent.skill") -> Kit:
    kit = Kit(SETTINGS)
    kit.join("a")
    kit.submit(*(work(f"t{n}") for n in range(20)), id="before")
    for _ in range(times):
        kit.fail(kit.on("a")[0], code)
    return kit


def presence(kit: Kit) -> str:
    return str(kit.scheduler.devices["a"].presence)


def test_failures_of_its_own_mark_a_device_and_then_take_it_out() -> None:
    kit = failing(2)
    assert kit.notices("device")[-1]["health"] == "degraded"
    assert presence(kit) == "connected"
    kit.fail(kit.on("a")[0], "agent.skill")
    kit.fail(kit.on("a")[0], "agent.skill")
    assert presence(kit) == "quarantined"
    assert "4 times in a row" in kit.notices("device")[-1]["reason"]
    assert len(kit.on("a")) == 3


def test_failures_of_the_task_do_not() -> None:
    kit = failing(10, "task.failed.exit")
    assert presence(kit) == "connected"
    assert is_blamed("task.timeout.deadline")
    assert not is_blamed("agents")


def test_a_success_between_them_starts_the_count_anew() -> None:
    kit = failing(3)
    kit.finish(kit.on("a")[0])
    kit.fail(kit.on("a")[0], "agent.skill")
    assert presence(kit) == "connected"


def test_after_a_time_one_task_shows_whether_it_is_well_again() -> None:
    kit = failing(4)
    while kit.on("a"):
        kit.finish(kit.on("a")[0])
    kit.pass_time(9.9)
    assert kit.on("a") == []
    kit.pass_time(0.2)
    assert len(kit.on("a")) == 1
    kit.finish(kit.on("a")[0])
    assert kit.notices("device")[-1]["health"] == "well"
    assert len(kit.on("a")) == 4


def test_if_it_is_not_the_next_quarantine_is_longer_up_to_a_bound() -> None:
    kit = failing(4)
    while kit.on("a"):
        kit.finish(kit.on("a")[0])
    for wait in (10.0, 20.0, 25.0, 25.0):
        kit.pass_time(wait - 0.1)
        assert kit.on("a") == []
        kit.pass_time(0.1)
        kit.fail(kit.on("a")[0], "agent.skill")


def test_losing_its_link_with_work_counts_once() -> None:
    kit = Kit(Settings(quarantine_after=2))
    kit.join("a")
    kit.submit(*(work(f"t{n}") for n in range(4)))
    kit.send(DeviceLost("a", "gone"))
    assert kit.scheduler.devices["a"].health.failures == 1


def test_a_device_that_drags_is_degraded_and_recovers() -> None:
    kit = Kit(placement=EarliestFinish(patient=False))
    kit.join("fast", 1)
    kit.join("slow", 1)
    kit.submit(*(look(f"t{n}") for n in range(400)), id="before")
    now = 0.0
    for _ in range(80):
        now += 0.1
        kit.now = now
        kit.finish(kit.on("fast")[0])
    slow = kit.scheduler.devices["slow"]
    for _ in range(70):
        kit.now += 2.0
        kit.finish(kit.on("slow")[0])
    assert slow.health.condition is Condition.DEGRADED
    assert "times slower than others" in slow.health.reason
    for _ in range(200):
        kit.now += 0.1
        kit.finish(kit.on("slow")[0])
    assert slow.health.condition is Condition.WELL


@pytest.mark.parametrize("state", list(TRANSITIONS))
def test_the_table_is_what_a_device_does(state: Condition) -> None:
    for event in ("doubt", "recover", "condemn", "probe"):
        health = Health(SETTINGS)
        health.condition = state
        following = TRANSITIONS[state].get(event)
        if following is None:
            with pytest.raises(InvalidTransition):
                health.move("a", event, "")
        else:
            health.move("a", event, "")
            assert health.condition is following


def test_what_was_learned_survives_a_restart() -> None:
    kit = failing(0)
    kit.now = 2.0
    kit.finish(kit.on("a")[0])
    kit.scheduler.devices["a"].health.slowness = 1.5
    other = Kit()
    other.scheduler.restore_learned(kit.scheduler.snapshot_learned())
    other.join("a")
    assert other.scheduler.devices["a"].health.slowness == 1.5
    assert other.scheduler.devices["a"].durations["work"].mean == 2.0
