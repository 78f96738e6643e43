"""What ended long ago is forgotten, and only that; a listing costs what it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cluster_kit import chain, cluster_of, ended, new_fabric

from constellation.cluster import streams
from constellation.cluster.bus import connected
from constellation.cluster.claims import Claims
from constellation.cluster.journal import JetStreamJournal
from constellation.cluster.names import Names
from constellation.cluster.retention import Retention
from constellation.errors import UnknownConstellationError
from constellation.orchestrator.events import Fact

pytestmark = pytest.mark.anyio


@pytest.fixture
def names() -> Names:
    return Names(new_fabric("retention"))


@pytest.fixture
def journal(nats_url: str, names: Names) -> Iterator[JetStreamJournal]:
    made = JetStreamJournal([nats_url], names, writer="one")
    yield made
    made.close()


@pytest.fixture
async def claims(nats_url: str, names: Names, journal: JetStreamJournal) -> AsyncIterator[Claims]:
    async with connected([nats_url], "tester") as nats:
        found = Claims(nats, names, "tester-1", 2.0)
        await found.open()
        yield found


def end(journal: JetStreamJournal, name: str, at: float, owner: str = "ada") -> None:
    """A constellation that ended at a time."""
    journal.commit([Fact(at, name, "created", {"owner": owner})])
    journal.commit(
        [Fact(at, name, "ended", {})], {name: {"id": name, "owner": owner, "ended_at": at}}
    )
    journal.save_snapshot(name, {"a": 1}, journal.seq)


async def test_what_ended_long_ago_is_forgotten_whole(
    journal: JetStreamJournal, claims: Claims
) -> None:
    for n in range(3):
        end(journal, f"old{n}", 100.0 + n)
    end(journal, "young", 500.0)
    journal.commit([Fact(1.0, "open", "created", {})])
    retention = Retention(journal, claims, keep_s=300.0)
    assert await retention.step(now=600.0) == 3
    for n in range(3):
        assert not journal.known(f"old{n}")
        assert not list(journal.facts(f"old{n}"))
        assert journal.saved(f"old{n}").state is None
        assert await claims.owner(f"old{n}") is None
    assert journal.open_constellations() == ["open"]
    assert [row["id"] for row in journal.summaries(10)] == ["young"]
    assert len(list(journal.facts("young"))) == 2
    assert await retention.step(now=600.0) == 0


async def test_what_somebody_owns_or_has_gone_on_stays(
    journal: JetStreamJournal, claims: Claims
) -> None:
    end(journal, "owned", 100.0)
    end(journal, "reopened", 101.0)
    epoch = await claims.make("owned")
    assert epoch is not None
    retention = Retention(journal, claims, keep_s=300.0)
    due = journal.ended_before(300.0, 10)
    assert due == ["owned", "reopened"]
    # It is read as one that has ended, and goes on before it is claimed.
    journal.commit([Fact(200.0, "reopened", "edited", {})], {"reopened": None})
    assert not journal.purge("reopened")
    assert await retention.step(now=600.0) == 0
    assert len(list(journal.facts("owned"))) == 2
    assert len(list(journal.facts("reopened"))) == 3
    await claims.release("owned", epoch)
    assert await retention.step(now=600.0) == 1


async def test_a_page_of_a_listing_reads_little_more_than_it_shows(
    journal: JetStreamJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(300):
        row = {"id": f"c{n}", "owner": "ada" if n % 50 else "eve", "ended_at": float(n)}
        journal.end(f"c{n}", row)
    read = 0
    messages = streams.Streams._messages

    async def counted(*arguments: object, **more: object) -> AsyncIterator[object]:
        nonlocal read
        async for each in messages(*arguments, **more):  # type: ignore[arg-type]
            read += 1
            yield each

    monkeypatch.setattr(streams.Streams, "_messages", counted)
    assert [row["id"] for row in journal.summaries(5)] == [f"c{n}" for n in range(295, 300)]
    assert read == 5
    read = 0
    assert [row["id"] for row in journal.summaries(2, "eve")] == ["c200", "c250"]
    assert read < 200
    assert len(journal.summaries(1_000)) == 300
    assert len(journal.summaries(1_000, "eve")) == 6
    assert journal.summaries(3, "nobody") == []


async def test_a_fabric_forgets_by_itself(nats_url: str, tmp_path: Path) -> None:
    async with (
        cluster_of(nats_url, "forgets", tmp_path, orchestrators=1, gateways=1) as cluster,
        cluster.device("desk", "g1"),
        cluster.client("g1") as client,
    ):
        name = (await client.request("submit", {"edits": chain(2)}))["constellation"]
        await ended(client, name)
        life = cluster.lives["o1"]
        retention = Retention(life._journal, life._claims, keep_s=0.0)
        rows = (await client.request("list", {"all": True}))["constellations"]
        while not await retention.step(now=rows[0]["ended_at"] + 1.0):
            pass  # its owner lets go of it just now
        assert (await client.request("list", {"all": True}))["constellations"] == []
        with pytest.raises(UnknownConstellationError):
            await client.request("show", {"constellation": name})
        again = await client.request("submit", {"edits": chain(1), "id": name})
        assert again["constellation"] == name
        await ended(client, name)
