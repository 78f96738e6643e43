"""Leases and claims in real buckets: what was changed by another is not changed again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from cluster_kit import new_fabric
from nats.aio.client import Client

from constellation.cluster.bus import connected, prepare
from constellation.cluster.claims import Claims
from constellation.cluster.names import Names
from constellation.cluster.tenure import Claimed

pytestmark = pytest.mark.anyio


@pytest.fixture
async def nats(nats_url: str) -> AsyncIterator[Client]:
    async with connected([nats_url], "test") as client:
        yield client


@pytest.fixture
async def opened(nats: Client) -> Callable[[str], Awaitable[Claims]]:
    names = Names(new_fabric("claims"))
    await prepare(nats.jetstream(), names, 1)

    async def opened(me: str) -> Claims:
        claims = Claims(nats, names, me, 2.0)
        await claims.open()
        return claims

    return opened


Opened = Callable[[str], Awaitable[Claims]]


async def test_a_constellation_has_one_owner_and_each_owner_a_higher_epoch(opened: Opened) -> None:
    a, b, c = await opened("a"), await opened("b"), await opened("c")
    first = await a.make("x")
    assert first is not None
    assert await b.make("x") is None
    assert await b.owner("x") == Claimed("a", first)
    second = await b.replace("x", first)
    assert second is not None
    assert second > first
    assert await c.replace("x", first) is None
    await a.release("x", first)
    assert await c.owner("x") == Claimed("b", second)
    await b.release("x", second)
    assert await c.owner("x") is None
    third = await c.make("x")
    assert third is not None
    assert third > second


async def test_all_claims_are_read_at_once_without_those_that_were_released(opened: Opened) -> None:
    a = await opened("a")
    assert await a.all() == {}
    made = {f"c{n}": await a.make(f"c{n}") for n in range(20)}
    await a.release("c3", made.pop("c3") or 0)
    assert await a.all() == {name: Claimed("a", epoch or 0) for name, epoch in made.items()}


async def test_a_claim_whose_answer_was_lost_is_ours(opened: Opened) -> None:
    a = await opened("a")
    epoch = await a.make("x")
    assert await a.make("x") == epoch


async def test_an_entry_that_was_buried_is_not_renewed(opened: Opened) -> None:
    a, b = await opened("a"), await opened("b")
    assert await a.renew()
    (first,) = (await b.leases()).values()
    assert await a.renew()
    assert not await b.bury("a", first)
    assert await a.renew()
    now = await b.leases()
    assert await b.bury("a", now["a"])
    assert await b.leases() == {}
    assert not await a.renew()


async def test_a_renewal_that_nobody_confirmed_does_not_end_the_lease(opened: Opened) -> None:
    a, b = await opened("a"), await opened("b")
    assert await a.renew()
    a._revision -= 1
    assert await a.renew()
    assert await a.renew()
    await a.leave()
    assert await b.leases() == {}
