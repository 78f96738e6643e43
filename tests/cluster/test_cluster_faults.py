"""A cluster of real processes whose parts are stopped and killed in mid-run."""

from __future__ import annotations

import pytest

from bench.cluster import stop_owners

pytestmark = [pytest.mark.anyio, pytest.mark.full]


async def test_an_owner_that_stood_still_changes_nothing_any_more() -> None:
    toll = await stop_owners(2)
    assert toll.stopped == 2
    assert toll.refused >= 2
    assert toll.accepted == 0
    assert toll.lost == 0
    assert toll.repeated == 0
