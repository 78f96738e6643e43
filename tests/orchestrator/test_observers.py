"""Subscriptions: nobody misses a fact, nobody slows the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from constellation.errors import LimitExceeded, ProtocolError
from constellation.orchestrator.events import Fact, Notify
from constellation.orchestrator.journal import Journal
from constellation.orchestrator.observers import CATCH_UP_FACTS, HIGH_WATER_BYTES, Observers


class Reader:
    """A reader whose backlog the test sets."""

    def __init__(self) -> None:
        self.pending = 0
        self.events: list[Mapping[str, Any]] = []

    def send(self, type: str, body: Mapping[str, Any]) -> None:
        assert type == "event"
        self.events.append(body)

    def give_up(self, error: ProtocolError) -> None:
        raise error

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db", sync="off") as journal:
        yield journal


def commit(journal: Journal, observers: Observers, *names: str) -> None:
    facts = [Fact(1.0, name, "started", {"task": "t"}) for name in names]
    observers.publish(facts, journal.commit(facts))


def test_facts_are_pushed_with_their_numbers_to_those_who_want_them(journal: Journal) -> None:
    observers = Observers(journal)
    everything, only_b = Reader(), Reader()
    observers.subscribe(everything)
    observers.subscribe(only_b, "b")
    commit(journal, observers, "a", "b", "a")
    assert everything.seqs == [1, 2, 3]
    assert only_b.seqs == [2]
    assert only_b.events[0]["body"] == {"task": "t"}


def test_what_came_before_is_served_from_the_journal(journal: Journal) -> None:
    observers = Observers(journal)
    commit(journal, observers, "a", "b", "a")
    reader = Reader()
    observers.subscribe(reader, "a", after=1)
    observers.catch_up()
    assert reader.seqs == [3]
    assert not observers.behind
    commit(journal, observers, "a")
    assert reader.seqs == [3, 4]


def test_without_after_only_news_come(journal: Journal) -> None:
    observers = Observers(journal)
    commit(journal, observers, "a")
    reader = Reader()
    observers.subscribe(reader)
    observers.catch_up()
    assert reader.events == []


def test_a_slow_reader_misses_no_fact_and_gets_no_flood(journal: Journal) -> None:
    observers = Observers(journal)
    slow, quick = Reader(), Reader()
    observers.subscribe(slow)
    observers.subscribe(quick)
    commit(journal, observers, "a")
    slow.pending = HIGH_WATER_BYTES + 1
    for _ in range(2 * CATCH_UP_FACTS):
        commit(journal, observers, "a")
    observers.catch_up()
    assert slow.seqs == [1]
    assert len(quick.seqs) == 2 * CATCH_UP_FACTS + 1
    slow.pending = 0
    observers.catch_up()
    assert len(slow.seqs) == CATCH_UP_FACTS + 1
    commit(journal, observers, "a")
    while observers.behind:
        observers.catch_up()
    assert slow.seqs == list(range(1, 2 * CATCH_UP_FACTS + 3))


class Small(Reader):
    """Takes events of a kilobyte."""

    def send(self, type: str, body: Mapping[str, Any]) -> None:
        if len(str(body)) > 1024:
            raise LimitExceeded("too large")
        super().send(type, body)


def test_a_fact_too_large_for_a_reader_is_told_as_omitted(journal: Journal) -> None:
    observers = Observers(journal)
    small, late, wide = Small(), Small(), Reader()
    for reader in (small, wide):
        observers.subscribe(reader)
    large = Fact(1.0, "a", "finished", {"task": "t", "settle": True, "output": "x" * 2_000})
    facts = [large, Fact(1.0, "a", "edited", {"batch": "x" * 2_000})]
    observers.publish(facts, journal.commit(facts))
    observers.subscribe(late, after=0)
    while observers.behind:
        observers.catch_up()
    for reader in (small, late):
        assert [event["body"] for event in reader.events] == [
            {"kind": "finished", "reason": "too large", "rest": {"task": "t", "settle": True}},
            {"kind": "edited", "reason": "too large", "rest": {}},
        ]
        assert [event["kind"] for event in reader.events] == ["omitted", "omitted"]
        assert reader.seqs == wide.seqs


def test_a_notice_too_large_for_a_reader_is_dropped(journal: Journal) -> None:
    observers = Observers(journal)
    observers.subscribe(small := Small())
    observers.notify(Notify(1.0, "a", "output", {"data": "x" * 2_000}))
    observers.notify(Notify(1.0, "a", "output", {"data": "y"}))
    assert [event["body"] for event in small.events] == [{"data": "y"}]


class Growing(Reader):
    """Each event is as large as a reader may have waiting."""

    def send(self, type: str, body: Mapping[str, Any]) -> None:
        super().send(type, body)
        self.pending += HIGH_WATER_BYTES


def test_facts_of_one_commit_do_not_flood_a_reader(journal: Journal) -> None:
    observers = Observers(journal)
    observers.subscribe(reader := Growing())
    commit(journal, observers, *"abcd")
    assert reader.seqs == [1, 2]
    while observers.behind:
        reader.pending = 0
        observers.catch_up()
    assert reader.seqs == [1, 2, 3, 4]


class Narrow(Reader):
    """Takes no event at all, and is forgotten at the first."""

    def __init__(self, observers: Observers) -> None:
        super().__init__()
        self._observers = observers

    def send(self, type: str, body: Mapping[str, Any]) -> None:
        raise LimitExceeded("too large")

    def give_up(self, error: ProtocolError) -> None:
        self._observers.forget(self)


def test_a_reader_that_cannot_take_an_event_is_given_up_and_others_hear_it(
    journal: Journal,
) -> None:
    observers = Observers(journal)
    for reader in (Narrow(observers), wide := Reader(), Narrow(observers)):
        observers.subscribe(reader)
    commit(journal, observers, "a")
    observers.notify(Notify(1.0, "a", "waiting", {"task": "t"}))
    assert [event["kind"] for event in wide.events] == ["started", "waiting"]
    assert len(observers) == 1


def test_notices_reach_those_who_keep_up_and_carry_no_number(journal: Journal) -> None:
    observers = Observers(journal)
    reader = Reader()
    observers.subscribe(reader, "a")
    observers.notify(Notify(1.0, "a", "waiting", {"task": "t"}))
    observers.notify(Notify(1.0, "b", "waiting", {"task": "t"}))
    assert [event["constellation"] for event in reader.events] == ["a"]
    assert "seq" not in reader.events[0]


def test_unsubscribed_and_forgotten_readers_hear_nothing(journal: Journal) -> None:
    observers = Observers(journal)
    first, second = Reader(), Reader()
    subscription = observers.subscribe(first)
    observers.subscribe(second)
    assert not observers.unsubscribe(second, subscription.id)
    assert observers.unsubscribe(first, subscription.id)
    observers.forget(second)
    assert len(observers) == 0
    commit(journal, observers, "a")
    assert first.events == second.events == []


def test_what_was_read_before_it_was_published_is_told_once(journal: Journal) -> None:
    observers = Observers(journal)
    reader = Reader()
    commit(journal, observers, "a")
    observers.subscribe(reader, after=0)
    facts = [Fact(2.0, "a", "started", {})]
    last = journal.commit(facts)
    observers.catch_up()
    observers.publish(facts, last)
    commit(journal, observers, "a")
    assert reader.seqs == [1, 2, 3]


def test_catching_up_stops_where_the_reader_is_full(journal: Journal) -> None:
    class Filling(Reader):
        def send(self, type: str, body: Mapping[str, Any]) -> None:
            super().send(type, body)
            self.pending += HIGH_WATER_BYTES // 2

    observers = Observers(journal)
    for _ in range(9):
        commit(journal, observers, "a")
    reader = Filling()
    observers.subscribe(reader, after=0)
    assert observers.catch_up()
    assert reader.seqs == [1, 2, 3]
    assert not observers.catch_up()
    while observers.behind:
        reader.pending = 0
        assert observers.catch_up()
    assert reader.seqs == list(range(1, 10))
