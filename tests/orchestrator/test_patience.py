"""Tasks that wait for a better device rather than start on a worse one."""

from __future__ import annotations

from scheduling_kit import SKILLS, Kit, look, work

from constellation.aip.cards import SkillCard
from constellation.graph.task import Task
from constellation.orchestrator.events import DeviceDetached, DeviceLost
from constellation.orchestrator.patience import MAX_WAITING
from constellation.orchestrator.placement import EarliestFinish


def teach(kit: Kit, device: str, seconds: float, skill: str = "look") -> None:
    estimates = kit.scheduler.estimates
    for _ in range(5):
        estimates.observe(estimates.of(device), skill, seconds)


def uneven(fast_s: float = 1.0, slow_s: float = 10.0, capacity: int = 1) -> Kit:
    """A quick device that is busy with ``t0``, and a slow one that is free."""
    kit = Kit()
    kit.join("fast", capacity)
    kit.join("slow", capacity)
    teach(kit, "fast", fast_s)
    teach(kit, "slow", slow_s)
    kit.submit(*(look(f"t{n}") for n in range(capacity)))
    assert kit.on("slow") == []
    return kit


def test_a_task_waits_for_the_quick_device_and_gets_it() -> None:
    kit = uneven()
    kit.submit(look("x"), id="d")
    assert kit.on("slow") == []
    kit.now = 1.0
    kit.finish("c/t0/1")
    assert kit.on("fast") == ["d/x/1"]


def test_not_if_the_slow_one_is_done_before_its_turn_would_come() -> None:
    kit = uneven()
    kit.submit(*(look(f"x{n}") for n in range(12)), id="d")
    # Eight are done by the quick one within 9 s and are worth the wait; the ninth is not.
    assert kit.on("slow") == ["d/x8/1"]


def test_what_comes_first_is_not_what_the_slow_one_gets() -> None:
    kit = uneven()
    kit.submit(look("x", priority=5), *(look(f"y{n}") for n in range(12)), id="d")
    assert kit.on("slow") == ["d/y7/1"]


def test_little_is_gained_by_little_waits() -> None:
    kit = uneven(fast_s=0.001, slow_s=0.04)
    kit.submit(look("x"), id="d")
    assert kit.on("slow") == ["d/x/1"]


def test_a_straggler_is_not_waited_for_without_end() -> None:
    kit = uneven()
    kit.submit(look("x"), id="d")
    kit.pass_time(5.0)
    assert kit.on("slow") == []
    kit.pass_time(10.0)
    assert kit.on("slow")[0] in ("d/x/1", "c/t0/1b"), "by then it may be raced as well"


def test_nor_is_a_device_that_is_gone_or_cannot_be_reached() -> None:
    for gone in (DeviceLost("fast", "bye"), DeviceDetached("fast")):
        kit = uneven()
        kit.submit(look("x"), id="d")
        assert kit.on("slow") == []
        kit.send(gone)
        assert "d/x/1" in kit.on("slow") or "c/t0/2" in kit.on("slow")


def test_a_device_that_never_did_it_is_judged_by_what_it_did() -> None:
    kit = uneven()
    teach(kit, "fast", 1.0, "work")
    kit.now = 0.5
    kit.submit(work("x"), id="d")
    assert kit.on("slow") == []


def test_a_skill_with_places_of_its_own_is_waited_for() -> None:
    lens = (*SKILLS[:2], SkillCard(name="lens", capacity=1, idempotent=True))
    kit = Kit()
    kit.join("fast", 4, skills=lens)
    kit.join("slow", 4, skills=lens)
    teach(kit, "fast", 1.0, "lens")
    teach(kit, "slow", 10.0, "lens")
    kit.submit(*(Task(f"t{n}", "lens") for n in range(2)))
    assert kit.on("fast") == ["c/t0/1"]
    assert kit.on("slow") == []


def test_a_person_is_told_what_it_waits_for() -> None:
    kit = uneven()
    kit.submit(look("x"), id="d")
    said = kit.scheduler.why_waiting(kit.run("d"), ["x"], kit.now)
    assert said == {
        "x": "A device that is busy is expected to be done with it sooner than slow, now free."
    }


def test_a_round_looks_at_so_many_and_no_more() -> None:
    kit = uneven(slow_s=1_000.0)
    kit.submit(*(look(f"x{n}") for n in range(3 * MAX_WAITING)), id="d")
    assert kit.on("slow") == []


def test_the_impatient_start_at_once() -> None:
    kit = Kit(placement=EarliestFinish(patient=False))
    kit.join("fast", 1)
    kit.join("slow", 1)
    teach(kit, "fast", 1.0)
    teach(kit, "slow", 10.0)
    kit.submit(look("x"), look("y"))
    assert kit.on("slow") == ["c/y/1"]
