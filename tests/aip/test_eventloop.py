"""The collector of a process that has started."""

import gc
from collections.abc import Iterator

import pytest

from constellation.aip.eventloop import calm_collector


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_there_is_left_alone() -> None:
    gc.unfreeze()
    calm_collector()
    assert gc.get_freeze_count() > 1_000


def test_whoever_runs_the_code_of_others_collects_as_often_as_ever() -> None:
    before = gc.get_threshold()
    calm_collector()
    assert gc.get_threshold() == before


def test_small_numbers_of_new_objects_are_no_reason_to_collect() -> None:
    before = gc.get_threshold()[0]
    calm_collector(rarely=True)
    assert gc.get_threshold()[0] > before


def test_cycles_that_are_made_later_are_still_found() -> None:
    calm_collector(rarely=True)
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() >= 1
