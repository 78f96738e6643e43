"""Credentials of several gateways: what one of them issues or revokes, all of them know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cluster_kit import new_fabric

from constellation.cluster.access import SharedCredentials
from constellation.cluster.bus import connected, prepare
from constellation.cluster.names import Names
from constellation.errors import AuthenticationError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def two(nats_url: str, tmp_path: Path) -> AsyncIterator[list[SharedCredentials]]:
    names = Names(new_fabric("access"))
    async with connected([nats_url], "test") as nats:
        await prepare(nats.jetstream(), names, 1)
        bucket = await nats.jetstream().key_value(names.access)
        yield [SharedCredentials(tmp_path / name / "c.json", bucket) for name in ("a", "b")]


async def test_what_is_issued_at_one_is_taken_at_the_other(two: list[SharedCredentials]) -> None:
    a, b = two
    _, token = a.issue("desk", "device", 0.0)
    await a.step()
    await b.step()
    assert b.verify(token, 1.0).name == "desk"


async def test_what_is_revoked_at_one_ends_its_sessions_at_the_other(
    two: list[SharedCredentials],
) -> None:
    a, b = two
    identity, token = a.issue("desk", "device", 0.0)
    await a.step()
    await b.step()
    gone: list[str] = []
    a.on_revoked(gone.append)
    assert b.revoke("desk")
    await b.step()
    await a.step()
    assert gone == [identity.credential]
    with pytest.raises(AuthenticationError):
        a.verify(token, 1.0)


async def test_changes_at_both_at_once_are_both_kept(two: list[SharedCredentials]) -> None:
    a, b = two
    _, first = a.issue("first", "device", 0.0)
    await a.step()
    await b.step()
    _, second = a.issue("second", "device", 0.0)
    _, third = b.issue("third", "device", 0.0)
    assert b.revoke("first")
    await a.step()
    for _ in range(2):  # the one that was slower tells the others at its next step
        await b.step()
        await a.step()
    for each in (a, b):
        assert each.verify(second, 1.0).name == "second"
        assert each.verify(third, 1.0).name == "third"
        with pytest.raises(AuthenticationError):
            each.verify(first, 1.0)


async def test_a_gateway_starts_with_its_copy(two: list[SharedCredentials]) -> None:
    a, b = two
    _, token = a.issue("desk", "device", 0.0)
    await a.step()
    await b.step()
    again = SharedCredentials(b._path, b._bucket)
    assert again.verify(token, 1.0).name == "desk"
    await again.step()
    assert [each.name for each in again.list()] == ["desk"]
