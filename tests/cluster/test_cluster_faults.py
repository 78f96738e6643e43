"""A cluster of real processes whose parts are stopped and killed in mid-run."""

from __future__ import annotations

import pytest

from bench.cluster import stop_owners
from bench.exclusive import harm_owners

pytestmark = [pytest.mark.anyio, pytest.mark.full]


async def test_an_owner_that_stood_still_changes_nothing_any_more() -> None:
    toll = await stop_owners(2)
    assert toll.stopped == 2
    assert toll.refused >= 2
    assert toll.accepted == 0
    assert toll.lost == 0
    assert toll.repeated == 0


async def test_no_resource_is_used_by_two_while_owners_are_killed_and_stopped() -> None:
    toll = await harm_owners(4)
    assert toll.killed == toll.stopped == 2
    assert toll.tasks > 0
    assert toll.lost == toll.twice == toll.together == 0
