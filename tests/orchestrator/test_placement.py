"""Where a task goes when several devices could take it."""

from __future__ import annotations

import pytest
from scheduling_kit import Kit, look

from constellation.graph.task import Requirement
from constellation.orchestrator.events import ArtifactsHeld, DeviceReturned
from constellation.orchestrator.health import Condition
from constellation.orchestrator.placement import EarliestFinish, Fifo, Placement, RoundRobin


def two(placement: Placement | None = None) -> Kit:
    kit = Kit(placement=placement)
    kit.join("a")
    kit.join("b")
    return kit


def teach(kit: Kit, device: str, seconds: float) -> None:
    estimates = kit.scheduler.estimates
    for _ in range(5):
        estimates.observe(estimates.of(device), "look", seconds)


def test_the_device_that_was_quicker_is_chosen_and_the_other_once_it_is_full() -> None:
    kit = two(EarliestFinish(patient=False))
    teach(kit, "a", 5.0)
    teach(kit, "b", 1.0)
    kit.submit(*(look(f"t{n}") for n in range(5)))
    assert len(kit.on("b")) == 4
    assert len(kit.on("a")) == 1


def test_equal_devices_share_the_load() -> None:
    kit = two()
    kit.submit(*(look(f"t{n}") for n in range(4)))
    assert len(kit.on("a")) == len(kit.on("b")) == 2


def test_a_device_that_holds_the_data_is_preferred() -> None:
    kit = two()
    kit.send(ArtifactsHeld("b", ("h1",)))
    kit.submit(look("x", requirement=Requirement(near=("h1",))))
    assert kit.on("b") == ["c/x/1"]


def test_so_is_the_one_with_the_shorter_link() -> None:
    kit = two()
    kit.send(DeviceReturned("a", rtt_s=0.2))
    kit.submit(look("x"))
    assert kit.on("b") == ["c/x/1"]


def test_and_the_one_whose_health_is_beyond_doubt() -> None:
    kit = two()
    kit.scheduler.devices["a"].health.condition = Condition.DEGRADED
    kit.submit(look("x"))
    assert kit.on("b") == ["c/x/1"]


def test_round_robin_takes_turns() -> None:
    kit = two(RoundRobin())
    teach(kit, "a", 5.0)
    kit.submit(*(look(f"t{n}") for n in range(4)))
    assert [kit.where(f"c/t{n}/1") for n in range(4)] == ["a", "b", "a", "b"]


def test_fifo_takes_the_first_that_has_room() -> None:
    kit = two(Fifo())
    kit.submit(*(look(f"t{n}") for n in range(5)))
    assert [kit.where(f"c/t{n}/1") for n in range(5)] == ["a", "a", "a", "a", "b"]


@pytest.mark.parametrize("placement", [Fifo(), RoundRobin()])
def test_the_baselines_keep_the_order_of_arrival(placement: Placement) -> None:
    assert placement.urgency(5, 2.0) == placement.urgency(0, 9.0)
    assert EarliestFinish().urgency(5, 2.0) < EarliestFinish().urgency(0, 9.0)
