"""What every journal does, whatever keeps it: the same tests on each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from constellation.cluster.journal import JetStreamJournal
from constellation.cluster.names import Names
from constellation.orchestrator.archive import read_back, save_snapshot
from constellation.orchestrator.events import Fact
from constellation.orchestrator.journal import Journal
from constellation.orchestrator.ports import JournalPort

# Opens the journal that this test keeps, again if it was open before, to write the constellations
# that are named beside new ones.
Opening = Callable[..., JournalPort]

_FABRICS = count(1)


@pytest.fixture(params=["sqlite", "jetstream"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opening]:
    opened: list[JournalPort] = []
    fabric = f"f{next(_FABRICS)}"

    def open_sqlite(*written: str) -> JournalPort:
        return Journal(tmp_path / "journal.db")

    def open_jetstream(*written: str) -> JournalPort:
        url = request.getfixturevalue("nats_url")
        journal = JetStreamJournal([url], Names(fabric), writer=f"w{next(_FABRICS)}")
        for name in written:
            journal.take(name, next(_FABRICS))
        return journal

    def again(*written: str) -> JournalPort:
        while opened:
            opened.pop().close()
        make = open_sqlite if request.param == "sqlite" else open_jetstream
        opened.append(make(*written))
        return opened[0]

    yield again
    for each in opened:
        each.close()


def created(constellation: str, n: int) -> Fact:
    return Fact(float(n), constellation, "created", {"name": f"{constellation}{n}"})


def started(constellation: str, n: int) -> Fact:
    return Fact(float(n), constellation, "started", {"task": f"t{n}", "attempt": 1})


def before_and_after(
    journal: JournalPort, opening: Opening, *written: str
) -> Iterator[JournalPort]:
    """The same journal, as it is and opened anew."""
    yield journal
    yield opening(*written)


def of(journal: JournalPort, constellation: str | None = None, after: int = 0) -> list[Fact]:
    return [fact for _, fact in journal.facts(constellation, after)]


def test_facts_are_read_back_as_they_were_written(opening: Opening) -> None:
    journal = opening()
    first = [created("a", 1), started("a", 2), created("b", 3), started("a", 4)]
    body = {"output": {"text": "ä\n", "bytes": b"\x00\xff", "list": [1, 2.5, None, True]}}
    second = [started("b", 5), Fact(6.0, "a", "finished", body)]
    journal.commit(first)
    journal.commit(second)
    for each in before_and_after(journal, opening, "a", "b"):
        for name in "ab":
            assert of(each, name) == [fact for fact in first + second if fact.constellation == name]
        assert sorted(of(each)) == sorted(first + second)
        assert of(each, "c") == []


def test_numbers_rise_and_one_reads_on_from_any_of_them(opening: Opening) -> None:
    journal = opening()
    returned = [
        journal.commit([created("a", 1), created("b", 1)]),
        journal.commit([started("a", n) for n in range(2, 9)]),
        journal.commit([started("b", 2), started("a", 9)]),
    ]
    everything = list(journal.facts())
    numbers = [seq for seq, _ in everything]
    assert numbers == sorted(set(numbers))
    assert returned == sorted(set(returned))
    assert journal.seq == returned[-1] == numbers[-1]
    for place, after in enumerate([0, *numbers]):
        assert list(journal.facts(after=after)) == everything[place:]
        assert list(journal.facts("a", after)) == [
            (seq, fact) for seq, fact in everything[place:] if fact.constellation == "a"
        ]
    assert opening("a").seq >= returned[-1]


def test_a_large_wake_up_is_read_back_whole(opening: Opening) -> None:
    journal = opening()
    many = [created("a", 0), *(started("a", n) for n in range(1, 3_000))]
    large = [Fact(float(n), "a", "finished", {"output": "x" * 900_000}) for n in range(3)]
    journal.commit(many)
    journal.commit(large)
    assert of(journal, "a") == many + large
    numbers = [seq for seq, _ in journal.facts("a")]
    assert list(journal.facts("a", numbers[1_500])) == list(journal.facts("a"))[1_501:]


def test_what_has_ended_is_listed_and_what_has_not_is_taken_up(opening: Opening) -> None:
    journal = opening()
    assert journal.summaries(10) == journal.summaries(10, "me") == []
    journal.commit([created("a", 1)])
    journal.commit([created("b", 2), started("b", 3)])
    journal.commit([created("c", 4)])
    b, c = {"id": "b", "owner": "me"}, {"id": "c", "owner": "you"}
    journal.commit([Fact(5.0, "b", "ended", {})], {"b": b})
    journal.commit([Fact(6.0, "c", "ended", {})], {"c": c})
    assert journal.open_constellations() == ["a"]
    assert journal.summaries(10) == [b, c]
    assert journal.summaries(1) == [c]
    assert journal.summaries(1, "me") == [b]
    journal.commit([Fact(7.0, "b", "reopened", {})], {"b": None})
    for each in before_and_after(journal, opening, "a", "b"):
        assert each.open_constellations() == ["a", "b"]
        assert each.summaries(10) == [c]


def test_it_knows_what_it_was_told_of(opening: Opening) -> None:
    journal = opening()
    journal.commit([created("a", 1), started("a", 2)])
    last = journal.commit([created("b", 3)])
    assert journal.known("a")
    assert not journal.known("c")
    assert journal.last("b") == last
    assert journal.last("a") == list(journal.facts("a"))[-1][0]
    assert journal.last("c") == 0
    again = opening("a", "b")
    assert again.last("b") == last
    assert again.last("a") == list(again.facts("a"))[-1][0]


def test_a_snapshot_stands_for_what_it_includes(opening: Opening) -> None:
    journal = opening()
    middle = journal.commit([created("a", 1), started("a", 2)])
    assert journal.saved("a") == ("a", None, 0)
    journal.save_snapshot("a", {"tasks": {"t": "x" * 200_000}}, middle - 1)
    journal.save_snapshot("a", {"tasks": {"t": 1}}, middle)
    for each in before_and_after(journal, opening, "a"):
        assert each.saved("a") == ("a", {"tasks": {"t": 1}}, middle)
        assert each.saved("b") == ("b", None, 0)


def test_what_was_learned_is_kept(opening: Opening) -> None:
    journal = opening()
    assert journal.learned() is None
    journal.maintain({"durations": {"echo": 1.5}})
    journal.maintain({"durations": {"echo": 2.5}})
    assert opening().learned() == {"durations": {"echo": 2.5}}


@pytest.mark.anyio
async def test_to_secure_is_to_commit_without_blocking(opening: Opening) -> None:
    journal = opening()
    last = await journal.secure([created("a", 1), started("a", 2)])
    assert journal.seq == last
    assert await journal.secure([Fact(3.0, "a", "ended", {})], {"a": {"id": "a"}}) > last
    assert journal.open_constellations() == []
    assert len(of(journal, "a")) == 3


def test_a_constellation_is_rebuilt_from_it(opening: Opening) -> None:
    journal = opening()
    task = {"id": "t", "skill": "echo", "arguments": {}}
    batch = {"edits": [{"op": "add_task", "task": task}], "author": "", "note": ""}
    body = {
        "name": "n",
        "request": "",
        "owner": "me",
        "priority": 0,
        "weight": 1.0,
        "revise_on": [],
        "revise_within_s": 30.0,
        "paused": False,
        "max_tasks": 10,
    }
    journal.commit([Fact(1.0, "a", "created", body)])
    journal.commit([Fact(1.0, "a", "edited", {"batch": batch, "version": 1})])
    save_snapshot(journal, "a")
    begun = {"task": "t", "attempt": 1, "device": "desk", "idempotent": True}
    journal.commit([Fact(2.0, "a", "started", begun)])
    for each in before_and_after(journal, opening, "a"):
        run = read_back(each, "a")
        assert run is not None
        assert [attempt.id for attempt in run.attempts("t")] == ["a/t/1"]
        assert read_back(each, "never") is None
        assert each.saved("a").state is not None
