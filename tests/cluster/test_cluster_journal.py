"""The journal in JetStream: an owner that was deposed can write no more, whatever it believes."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from cluster_kit import new_fabric

from constellation.cluster import bus
from constellation.cluster.journal import JetStreamJournal
from constellation.cluster.log import EXPECTED_LAST
from constellation.cluster.names import Names
from constellation.errors import ConfigError, Deposed, HubUnreachable, JournalError
from constellation.orchestrator.events import Fact
from constellation.testing.nats import nats_servers


@pytest.fixture
def names() -> Names:
    return Names(new_fabric("journal"))


def fact(n: int, kind: str = "started", constellation: str = "a") -> Fact:
    return Fact(float(n), constellation, kind, {"n": n})


def test_whoever_was_deposed_is_refused_by_the_log(nats_url: str, names: Names) -> None:
    older = JetStreamJournal([nats_url], names, writer="older")
    newer = JetStreamJournal([nats_url], names, writer="newer")
    try:
        older.begin("a", 1)
        older.commit([fact(1, "created")])
        older.commit([fact(2)])
        newer.take("a", 2)
        with pytest.raises(Deposed):
            older.commit([fact(3)])
        newer.commit([fact(4)])
        with pytest.raises(Deposed):
            older.commit([fact(5)])
        with pytest.raises(Deposed):
            older.take("a", 1)
        assert [each.body["n"] for _, each in newer.facts("a")] == [1, 2, 4]
    finally:
        older.close()
        newer.close()


def test_a_constellation_is_begun_once(nats_url: str, names: Names) -> None:
    first = JetStreamJournal([nats_url], names, writer="first")
    second = JetStreamJournal([nats_url], names, writer="second")
    try:
        first.commit([fact(1, "created")])
        with pytest.raises(Deposed):
            second.commit([fact(2, "created")])
        assert second.commit([fact(3, "created", "b")]) > first.seq
    finally:
        first.close()
        second.close()


def test_what_was_begun_and_not_brought_to_its_end_does_not_count(
    nats_url: str, names: Names
) -> None:
    older = JetStreamJournal([nats_url], names, writer="older")
    newer = JetStreamJournal([nats_url], names, writer="newer")
    try:
        older.commit([fact(1, "created")])
        older._call(older._log._append, "a", 0, True, [b"\x93\x02\xa1x\x80"])
        newer.take("a", 2)
        newer.commit([fact(3)])
        assert [each.time for _, each in newer.facts("a")] == [1.0, 3.0]
        assert newer.last("a") == newer.seq
    finally:
        older.close()
        newer.close()


def test_an_append_whose_acknowledgement_was_lost_is_not_made_twice(
    nats_url: str, names: Names
) -> None:
    """The first try arrives and its answer does not: the second is refused, and recognised."""
    journal = JetStreamJournal([nats_url], names, writer="w")
    try:
        journal.commit([fact(1, "created")])
        publish = journal._log._jetstream.publish
        tries: list[str] = []

        async def deaf(subject: str, data: bytes, **options: object) -> object:
            ack = await publish(subject, data, **options)  # type: ignore[arg-type]
            tries.append(options["headers"][EXPECTED_LAST])  # type: ignore[index]
            if len(tries) == 1:
                raise TimeoutError
            return ack

        journal._log._jetstream.publish = deaf  # type: ignore[method-assign, assignment]
        journal.commit([fact(2)])
        assert tries == ["1"]
        journal.commit([fact(3)])
        assert [each.body["n"] for _, each in journal.facts("a")] == [1, 2, 3]
    finally:
        journal.close()


def test_servers_that_do_not_answer_or_take_too_little_are_named(
    tmp_path: Path, nats_url: str, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "CONNECT_S", 0.5)
    with pytest.raises(HubUnreachable, match=r"answers at nats://127\.0\.0\.1:1\.") as error:
        JetStreamJournal(["nats://me:secret@127.0.0.1:1"], names, writer="w")
    assert "secret" not in str(error.value)
    with (
        nats_servers(tmp_path, max_payload=1024 * 1024) as servers,
        pytest.raises(ConfigError, match="1,048,576 bytes at most"),
    ):
        JetStreamJournal(servers.urls, names, writer="w")
    with pytest.raises(ConfigError, match="replicas"):
        JetStreamJournal([nats_url], names, writer="w", replicas=3)


def test_an_owner_reads_all_that_it_wrote_or_says_that_it_cannot(
    nats_url: str, names: Names
) -> None:
    """A node may lag behind: half a history would have its reader do again what was done."""
    owner = JetStreamJournal([nats_url], names, writer="owner", patience_s=0.3)
    onlooker = JetStreamJournal([nats_url], names, writer="onlooker", patience_s=0.3)

    async def forget_the_last() -> None:
        async with bus.connected([nats_url], "node") as nats:
            jetstream = nats.jetstream()
            last = await jetstream.get_last_msg(names.journal, names.facts_of("a"))
            assert last.seq is not None
            await jetstream.delete_msg(names.journal, last.seq)

    try:
        owner.begin("a", 1)
        owner.commit([fact(1, "created")])
        owner.commit([fact(2)])
        assert [each.body["n"] for _, each in owner.facts("a")] == [1, 2]
        anyio.run(forget_the_last)
        with pytest.raises(JournalError, match="missing"):
            list(owner.facts("a"))
        assert [each.body["n"] for _, each in onlooker.facts("a")] == [1]
    finally:
        owner.close()
        onlooker.close()
