"""What tasks put out, on disk: whole lines, in files that are forgotten from the front."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from constellation.errors import JournalError, LimitExceeded
from constellation.orchestrator.spool import Spool, SpoolFolder


def everything(spool: Spool, offset: int = 0) -> bytes:
    found = b""
    while block := spool.read(offset + len(found)):
        found += block
    return found


@given(st.lists(st.binary(max_size=12), max_size=12), st.integers(1, 20))
@example([b"a\r", b"\nb\rc\n\r", b"\n"], 1)
def test_what_comes_in_pieces_is_kept_in_lines(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], segment: int
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"), segment)
    counted = sum(spool.write(piece) for piece in pieces)
    whole, found, _ = b"".join(pieces).rpartition(b"\n")
    kept = whole + found
    assert everything(spool) == kept
    assert spool.items == counted == kept.count(b"\n")
    lines = [line + b"\n" for line in kept.split(b"\n")[:-1]]
    for index in range(len(lines) + 1):
        assert everything(spool, spool.find(index)) == b"".join(lines[index:])
    spool.close()


def test_another_process_goes_on_where_one_was_killed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s", 10)
    spool.write(b"one\ntwo\n")
    spool.write(b"three\nfour\nhal")
    spool.close()
    last = max((tmp_path / "s").iterdir(), key=lambda path: int(path.name.partition("-")[0]))
    with last.open("ab") as file:
        file.write(b"torn")
    again = Spool(tmp_path / "s", 10)
    assert again.items == 4
    again.write(b"five\n")
    assert everything(again) == b"one\ntwo\nthree\nfour\nfive\n"
    assert everything(again, again.find(4)) == b"five\n"
    again.close()


def test_the_front_is_forgotten_file_by_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 4)
    for number in range(6):
        spool.write(f"{number}xx\n".encode())
    spool.trim(3)
    assert spool.begin == (12, 3)
    assert spool.size == 12
    assert everything(spool, spool.find(3)) == b"3xx\n4xx\n5xx\n"
    with pytest.raises(LookupError):
        spool.find(2)
    with pytest.raises(LookupError):
        spool.read(0)
    spool.close()


def test_an_item_without_end_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(LimitExceeded):
        spool.write(b"x" * (1 << 20) + b"x")
    assert spool.write(b"y\n") == 1
    assert everything(spool) == b"y\n"
    spool.close()


def test_what_was_never_written_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        Spool(tmp_path).find(1)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be kept"):
        Spool(tmp_path / "file" / "s")


def test_a_folder_keeps_what_is_wanted(tmp_path: Path) -> None:
    folder = SpoolFolder(tmp_path / "streams")
    folder.keep([])
    for name in ("a", "../b"):
        folder.open(name, "t-1").write(b"x\n")
        assert folder.has(name, "t-1")
    assert [path.name for path in tmp_path.iterdir()] == ["streams"]
    folder.keep(["../b"])
    assert not folder.has("a", "t-1")
    assert folder.has("../b", "t-1")
    folder.forget("../b", "t-1")
    assert not folder.has("../b", "t-1")
