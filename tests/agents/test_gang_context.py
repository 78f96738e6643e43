"""What a skill is told of its gang."""

from __future__ import annotations

import pytest

from agents.context import Context
from agents.gang import Gang, read_gang
from agents.skills import skill
from agents.testing import Trial

pytestmark = pytest.mark.anyio

PLAIN = {"rank": 1, "size": 2, "devices": ["a", "b"], "host": "10.0.0.1", "port": 29_500}


@skill("gang.rank", effect="read")
async def rank(context: Context) -> int | None:
    """Say which member this is."""
    return None if context.gang is None else context.gang.rank


async def test_a_member_knows_its_rank() -> None:
    gang = Gang(1, 2, ("a", "b"), "10.0.0.1", 29_500)
    assert read_gang(PLAIN) == gang
    assert await Trial(gang=gang).run(rank) == 1
    assert gang.environment == {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "10.0.0.1",
        "MASTER_PORT": "29500",
    }


async def test_who_is_alone_is_told_nothing() -> None:
    assert read_gang(None) is None
    assert await Trial().run(rank) is None
