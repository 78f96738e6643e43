from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.errors import JournalError
from constellation.orchestrator.audit import (
    ASIDE,
    ASIDE_FILES,
    AUDIT_FILE,
    EMPTY,
    HEAD_FILE,
    AuditLog,
    Head,
    entries,
    verify,
)

COUNT = 8


def write(folder: Path, count: int = COUNT, first: int = 0) -> Head:
    log = AuditLog(folder, 0.0)
    for number in range(first, first + count):
        log.note(1000.0 + number, "submit", "ada", constellation=f"c-{number}", why="é \u2028 x")
    log.close()
    return log.head


def lines(folder: Path) -> list[bytes]:
    return (folder / AUDIT_FILE).read_bytes().splitlines(keepends=True)


def rewrite(folder: Path, changed: list[bytes]) -> None:
    (folder / AUDIT_FILE).write_bytes(b"".join(changed))


def test_what_was_written_is_found_whole(tmp_path: Path) -> None:
    head = write(tmp_path)
    assert verify(tmp_path) == (COUNT, head, ())
    assert verify(tmp_path, Head.read(str(head))).findings == ()
    (*_, last) = entries(tmp_path)
    assert (last["who"], last["constellation"], last["number"]) == ("ada", "c-7", COUNT)
    for name in (AUDIT_FILE, HEAD_FILE):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    first = write(tmp_path, 3)
    head = write(tmp_path, 3, first=3)
    assert head.number == 6
    assert verify(tmp_path, first) == (6, head, ())


def test_nothing_is_whole_too(tmp_path: Path) -> None:
    AuditLog(tmp_path, 0.0).close()
    assert verify(tmp_path) == (0, EMPTY, ())
    with pytest.raises(JournalError, match="cannot be read"):
        verify(tmp_path / "elsewhere")


@given(data=st.data())
def test_every_change_of_a_byte_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("audit")
    write(folder, 4)
    content = bytearray((folder / AUDIT_FILE).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    (folder / AUDIT_FILE).write_bytes(content)
    assert verify(folder).findings


Tamper = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda found: found[:3] + found[4:], id="one left out"),
        pytest.param(lambda found: found[1:], id="the first left out"),
        pytest.param(lambda found: found[:-1], id="the last cut off"),
        pytest.param(lambda found: found[:2], id="most cut off"),
        pytest.param(lambda found: [], id="all cut off"),
        pytest.param(lambda found: [found[1], found[0], *found[2:]], id="two swapped"),
        pytest.param(lambda found: found[:4] + found[3:], id="one twice"),
        pytest.param(lambda found: [*found[:-1], found[-1][:-1]], id="the last line's end"),
    ],
)
def test_what_was_removed_or_moved_is_found(tmp_path: Path, tamper: Tamper) -> None:
    write(tmp_path)
    rewrite(tmp_path, tamper(lines(tmp_path)))
    assert verify(tmp_path).findings


def test_an_entry_that_was_made_up_with_its_hash_is_found(tmp_path: Path) -> None:
    from constellation.orchestrator.audit import hash_of

    write(tmp_path)
    found = lines(tmp_path)
    entry = json.loads(found[2])
    entry["who"] = "eve"
    entry["hash"] = hash_of(entry)
    found[2] = json.dumps(entry).encode() + b"\n"
    rewrite(tmp_path, found)
    assert verify(tmp_path).findings == ("Entry 4 does not follow entry 3.",)


def test_a_log_that_was_forged_as_a_whole_is_found_with_a_head_that_is_known(
    tmp_path: Path,
) -> None:
    head = write(tmp_path)
    for name in (AUDIT_FILE, HEAD_FILE):
        (tmp_path / name).unlink()
    write(tmp_path, COUNT + 1, first=100)
    assert verify(tmp_path).findings == ()
    (finding,) = verify(tmp_path, head).findings
    assert "The head that you know" in finding


def test_cutting_off_is_not_hidden_by_the_next_start(tmp_path: Path) -> None:
    write(tmp_path)
    rewrite(tmp_path, lines(tmp_path)[:5])
    write(tmp_path, 2)
    (finding,) = verify(tmp_path).findings
    assert "the log ended with 5:" in finding
    assert f"the head said {COUNT}:" in finding


def test_a_head_that_was_removed_is_not_hidden_either(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / HEAD_FILE).unlink()
    assert verify(tmp_path).findings == ()
    write(tmp_path, 1)
    assert "the head said 0:" in verify(tmp_path).findings[0]


@pytest.mark.parametrize("torn", [b'{"numb', b'{"number": 9, "time": 1.0, "what"'])
def test_a_crash_in_the_middle_of_an_entry_is_mended(tmp_path: Path, torn: bytes) -> None:
    write(tmp_path)
    with (tmp_path / AUDIT_FILE).open("ab") as file:
        file.write(torn)
    head = write(tmp_path, 2)
    assert verify(tmp_path) == (COUNT + 2, head, ())


def test_a_crash_between_entry_and_head_is_no_finding(tmp_path: Path) -> None:
    write(tmp_path, COUNT - 1)
    before = (tmp_path / HEAD_FILE).read_bytes()
    write(tmp_path, 1, first=COUNT - 1)
    (tmp_path / HEAD_FILE).write_bytes(before)
    assert verify(tmp_path).findings == ()
    write(tmp_path, 1)
    assert verify(tmp_path).findings == ()


def test_entries_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, 0.0)
    for _ in range(3):
        log.note(0.0, "submit", "x" * 100_000)
    log.close()
    assert AuditLog(tmp_path, 0.0).head == log.head


def test_a_log_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, 0.0)
    null = os.open("/dev/full", os.O_WRONLY)
    log._log = null
    with pytest.raises(JournalError, match="No space left"):
        log.note(0.0, "submit", "ada")
    os.close(null)


def rotating(folder: Path, count: int, first: int = 0) -> Head:
    log = AuditLog(folder, 0.0, file_bytes=600)
    for number in range(first, first + count):
        log.note(1000.0 + number, "submit", "ada", constellation=f"c-{number}")
    log.close()
    return log.head


def aside(folder: Path) -> list[Path]:
    return sorted(folder.glob(ASIDE_FILES))


def test_the_chain_goes_on_across_files(tmp_path: Path) -> None:
    first = rotating(tmp_path, 10)
    head = rotating(tmp_path, 11, first=10)
    files = aside(tmp_path)
    assert len(files) > 3
    assert all(600 <= file.stat().st_size < 1_200 for file in files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert verify(tmp_path, first) == (21, head, ())
    assert [entry["number"] for entry in entries(tmp_path)] == list(range(1, 22))


def test_a_crash_right_after_a_file_was_put_aside_is_mended(tmp_path: Path) -> None:
    head = rotating(tmp_path, 3)
    (tmp_path / AUDIT_FILE).rename(tmp_path / ASIDE.format(3))
    assert AuditLog(tmp_path, 0.0).head == head
    assert verify(tmp_path) == (3, head, ())
    assert verify(tmp_path, rotating(tmp_path, 1, first=3)).findings == ()


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_file_that_is_missing_is_found(tmp_path: Path, which: int) -> None:
    rotating(tmp_path, 20)
    aside(tmp_path)[which].unlink()
    (finding,) = verify(tmp_path).findings
    assert ("begins with entry" in finding) == (which == 0)


def test_old_files_may_be_kept_elsewhere_with_the_head_of_the_last(tmp_path: Path) -> None:
    head = rotating(tmp_path, 20)
    oldest = aside(tmp_path)[0]
    last = json.loads(oldest.read_bytes().splitlines()[-1])
    oldest.rename(tmp_path / "elsewhere.jsonl")
    moved = Head(last["number"], last["hash"])
    assert oldest.name == ASIDE.format(moved.number)
    assert verify(tmp_path, after=moved) == (20 - moved.number, head, ())
    assert verify(tmp_path, after=Head(moved.number, "0" * 64)).findings


def test_it_is_read_while_a_hub_puts_files_aside(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, 0.0, file_bytes=600)
    for _ in range(4):
        log.note(0.0, "submit", "ada")
    reading = entries(tmp_path)
    read = [next(reading)["number"]]
    for _ in range(6):
        log.note(0.0, "submit", "ada")
    read += [entry["number"] for entry in reading]
    # What was there when it began to read is there, each once.
    assert read[:4] == [1, 2, 3, 4]
    assert read == list(range(1, len(read) + 1))
    log.close()


def test_nothing_that_was_put_aside_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ASIDE.format(4)).write_text("mine\n")
    rotating(tmp_path, 20)
    assert (tmp_path / ASIDE.format(4)).read_text() == "mine\n"


def test_what_is_no_head_is_refused() -> None:
    for wrong in ("", "1", "1:abc", f"x:{'0' * 64}"):
        with pytest.raises(ValueError, match="no head"):
            Head.read(wrong)
