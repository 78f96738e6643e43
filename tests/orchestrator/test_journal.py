"""The journal on real SQLite files: what is written is read back, whatever happens in between."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from disk_kit import full_disk
from hypothesis import given, settings
from hypothesis import strategies as st

from constellation.errors import JournalError
from constellation.orchestrator.events import Fact
from constellation.orchestrator.journal import Journal


def fact(constellation: str, n: int) -> Fact:
    return Fact(float(n), constellation, "started", {"task": f"t{n}", "attempt": 1})


def created(constellation: str, n: int) -> Fact:
    return Fact(float(n), constellation, "created", {})


def test_facts_come_back_in_order_with_their_numbers(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        assert journal.commit([fact("a", 1), fact("b", 2), fact("b", 3)]) == 3
        assert journal.commit([fact("a", 4)]) == 4
    with Journal.open(tmp_path / "journal.db") as journal:
        assert list(journal.facts()) == [
            (1, fact("a", 1)),
            (2, fact("b", 2)),
            (3, fact("b", 3)),
            (4, fact("a", 4)),
        ]
        assert list(journal.facts("a")) == [(1, fact("a", 1)), (4, fact("a", 4))]
        assert list(journal.facts(after=2)) == [(3, fact("b", 3)), (4, fact("a", 4))]
        assert list(journal.facts("b", after=2)) == [(3, fact("b", 3))]
        assert journal.seq == 4


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), max_size=6), st.data())
def test_any_commits_read_back_from_any_number(
    tmp_path_factory: pytest.TempPathFactory, commits: list[list[str]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    written: list[Fact] = []
    with Journal(path, sync="off") as journal:
        for names in commits:
            batch = [fact(name, len(written) + i) for i, name in enumerate(names)]
            written += batch
            journal.commit(batch)
        after = data.draw(st.integers(0, len(written)))
        expected = list(enumerate(written, 1))[after:]
        assert list(journal.facts(after=after)) == expected
        assert list(journal.facts("b", after=after)) == [
            (seq, each) for seq, each in expected if each.constellation == "b"
        ]


def test_a_commit_of_one_task_writes_little(tmp_path: Path) -> None:
    with Journal(tmp_path / "hub.db") as journal:
        log = tmp_path / "hub.db-wal"
        journal.commit([Fact(1.0, "c", "created", {})])
        before = log.stat().st_size
        journal.commit([Fact(2.0, "c", "started", {"task": "t", "device": "d"})])
        # A page of the table and one of its index, each with a header.
        assert log.stat().st_size - before <= 2 * (1024 + 24)


def test_a_second_writer_is_refused_and_a_reader_is_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        with pytest.raises(JournalError, match="Another hub"):
            Journal(path)
        journal.commit([fact("a", 1)])
        with Journal.open(path) as reader:
            assert reader.seq == 1
    with Journal(path) as journal:
        assert journal.seq == 1


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"not a database at all, but long enough to look like one" * 100)
    with pytest.raises(JournalError, match="cannot be opened: file is not a database"):
        Journal(path)
    with pytest.raises(JournalError, match="no journal"):
        Journal.open(tmp_path / "missing.db")


@pytest.mark.parametrize("change", ["facts = x'c1'", "facts = x'90'", "crc = crc + 1"])
def test_a_damaged_row_is_reported(tmp_path: Path, change: str) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.commit([fact("a", 1)])
        journal.commit([fact("b", 2)])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE events SET {change} WHERE seq = 2")
    with Journal(path) as journal:
        assert list(journal.facts("a")) == [(1, fact("a", 1))]
        with pytest.raises(JournalError, match="damaged: the row of fact 2"):
            list(journal.facts())


def test_a_truncated_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        for n in range(50):
            journal.commit([Fact(float(n), "a", "finished", {"output": "x" * 10_000})])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JournalError, match="cannot be opened: database disk image") as caught:
        Journal(path)
    assert "backup" in caught.value.remedy
    assert path.read_bytes() == whole[: len(whole) // 2]


@pytest.mark.parametrize("place", ["file/journal.db", "folder", "/proc/nowhere/journal.db"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(JournalError, match=f"{place} cannot be opened") as caught:
        Journal(tmp_path / place)
    assert "--state-dir" in caught.value.remedy


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    Journal(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE meta SET value = x'63' WHERE key = 'version'")
    for opening in (Journal, Journal.open):
        with pytest.raises(JournalError, match="version 99; this program reads"):
            opening(path)


def test_a_failed_commit_writes_nothing_and_says_so(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        journal.commit([fact("a", 1)])
        with full_disk(tmp_path), pytest.raises(JournalError, match="cannot be written") as caught:
            journal.commit([Fact(2.0, "a", "finished", {"output": "x" * 1_000_000})])
        assert "disk space" in caught.value.remedy
        assert journal.commit([fact("a", 3)]) == 2
        assert [each.time for _, each in journal.facts()] == [1.0, 3.0]


def test_the_file_is_private(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db"):
        assert (tmp_path / "journal.db").stat().st_mode & 0o077 == 0


def test_what_has_ended_is_listed_and_what_has_not_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.commit([created("a", 1), created("b", 2), fact("b", 3), created("c", 4)])
        journal.commit([fact("c", 5)], {"c": {"id": "c"}})
        journal.commit([fact("b", 6)], {"b": {"id": "b"}})
        assert journal.open_constellations() == ["a"]
        assert journal.summaries(10) == [{"id": "b"}, {"id": "c"}]
        assert journal.summaries(1) == [{"id": "c"}]
        assert all(journal.known(name) for name in "abc")
        assert not journal.known("d")
    with Journal(path) as journal:
        assert journal.open_constellations() == ["a"]


def test_a_snapshot_stands_for_the_facts_up_to_its_number(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        journal.commit([created("a", 1), fact("a", 2)])
        assert journal.saved("a") == ("a", None, 0)
        journal.save_snapshot("a", {"v": 1}, 1)
        journal.save_snapshot("a", {"v": 2}, 2)
        assert journal.saved("a") == ("a", {"v": 2}, 2)
        assert journal.saved("b") == ("b", None, 0)


def test_a_reader_sees_only_what_is_committed(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        journal.commit([created("a", 1)])
        begun = journal.facts()
        assert next(begun) == (1, created("a", 1))
        journal.commit([fact("a", 2)])
        assert list(begun) == []
        assert [seq for seq, _ in journal.facts()] == [1, 2]


def test_maintenance_folds_the_log_in_while_the_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        for n in range(20):
            journal.commit([Fact(float(n), "a", "finished", {"output": "x" * 1_000_000})])
        assert journal.wants_maintenance
        before = path.stat().st_size
        journal.maintain({"durations": {}})
        assert path.stat().st_size > before
        assert not journal.wants_maintenance
        journal.commit([fact("a", 99)])
        assert journal.seq == 21
        assert journal.learned() == {"durations": {}}


_WRITER = """
import sys
from threading import Thread
from pathlib import Path
from constellation.orchestrator.events import Fact
from constellation.orchestrator.journal import Journal

journal = Journal(Path(sys.argv[1]), sync=sys.argv[2])
n = 0

def keep_house():
    while True:
        journal.maintain({})
        journal.save_snapshot("a", {"output": "x" * 100_000}, journal.seq)

Thread(target=keep_house, daemon=True).start()
while True:
    batch = [Fact(float(n + i), "a", "started", {"task": str(n + i)}) for i in range(3)]
    n += 3
    print(journal.commit(batch), flush=True)
"""


@pytest.mark.parametrize("sync", ["normal", "full"])
def test_sigkill_amid_commits_and_housekeeping_loses_no_commit_that_was_reported(
    tmp_path: Path, sync: str
) -> None:
    path = tmp_path / "journal.db"
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), sync], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        reported = 0
        for line in writer.stdout:
            reported = int(line)
            if reported >= 300:
                os.kill(writer.pid, signal.SIGKILL)
                break
    with Journal(path) as journal:
        assert journal.saved("a").seq <= journal.seq
        assert journal.seq >= reported
        assert [each.body["task"] for _, each in journal.facts()] == [
            str(n) for n in range(journal.seq)
        ]
