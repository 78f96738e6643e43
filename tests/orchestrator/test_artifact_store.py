"""The artifact store on real files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from disk_kit import full_disk

from constellation.errors import (
    ConfigError,
    LimitExceeded,
    RemoteProtocolError,
    UnknownArtifactError,
)
from constellation.orchestrator.artifacts import ArtifactStore


def put(store: ArtifactStore, data: bytes, holder: str = "") -> str:
    digest = hashlib.sha256(data).hexdigest()
    writer = store.receive(digest, len(data), holder)
    writer.write(data[:3])
    writer.write(data[3:])
    writer.finish()
    return digest


def test_bytes_come_back_under_their_hash(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    digest = put(store, b"hello, world")
    assert digest in store
    assert store.path(digest).read_bytes() == b"hello, world"
    assert ArtifactStore(tmp_path / "artifacts").path(digest).is_file()


def test_wrong_bytes_are_dropped(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = hashlib.sha256(b"right").hexdigest()
    writer = store.receive(digest, 5)
    writer.write(b"wrong")
    with pytest.raises(RemoteProtocolError, match="not the artifact"):
        writer.finish()
    assert digest not in store
    assert list(tmp_path.iterdir()) == []


def test_more_bytes_than_announced_are_refused(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    writer = store.receive(hashlib.sha256(b"abc").hexdigest(), 3)
    with pytest.raises(RemoteProtocolError, match="More than"):
        writer.write(b"abcd")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_what_is_no_hash_never_becomes_a_path(tmp_path: Path, digest: str) -> None:
    store = ArtifactStore(tmp_path)
    assert digest not in store
    with pytest.raises(UnknownArtifactError):
        store.path(digest)
    with pytest.raises(RemoteProtocolError):
        store.receive(digest, 1)


def test_the_least_recently_used_leave_first(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, max_bytes=10)
    first, second = put(store, b"aaaa"), put(store, b"bbbb")
    store.path(first)
    third = put(store, b"cccc")
    assert (first in store, second in store, third in store) == (True, False, True)


def test_which_was_used_last_is_known_after_a_restart(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    first, second = put(store, b"aaaa"), put(store, b"bbbb")
    os.utime(store.path(second), (1, 1))
    store = ArtifactStore(tmp_path, max_bytes=10)
    third = put(store, b"cccc")
    assert (first in store, second in store, third in store) == (True, False, True)


def test_what_was_deleted_by_hand_is_not_there(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = put(store, b"aaaa")
    store.path(digest).unlink()
    assert digest not in store
    assert put(store, b"aaaa") == digest
    assert digest in store


def test_what_is_on_its_way_takes_room(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, max_bytes=10)
    first = store.receive("0" * 64, 6)
    with pytest.raises(LimitExceeded, match="6 are for others"):
        store.receive("1" * 64, 6)
    first.abort()
    put(store, b"aaaaaa")
    store.receive("1" * 64, 6).abort()


def test_a_full_disk_refuses_the_artifact_and_leaves_nothing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    put(store, b"x" * 2_000_000)
    data = b"y" * 4_000_000
    writer = store.receive(hashlib.sha256(data).hexdigest(), len(data))
    with full_disk(tmp_path), pytest.raises(LimitExceeded, match="cannot be kept"):
        writer.write(data)
    assert not list(tmp_path.glob("*.part"))
    digest = put(store, data)
    assert digest in store


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file/artifacts cannot be kept"):
        ArtifactStore(tmp_path / "file" / "artifacts")


def test_what_cannot_fit_is_refused_before_a_byte_is_taken(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="11 bytes"):
        ArtifactStore(tmp_path, max_bytes=10).receive("0" * 64, 11)


def test_leftovers_of_a_crash_are_swept(tmp_path: Path) -> None:
    (tmp_path / "half.part").write_bytes(b"half")
    ArtifactStore(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_same_bytes_twice_are_kept_once(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, max_bytes=10)
    assert put(store, b"aaaaa") == put(store, b"aaaaa")
    other = put(store, b"bbbbb")
    assert other in store
    assert hashlib.sha256(b"aaaaa").hexdigest() in store


def test_of_each_holder_the_least_recently_used_leave_first(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, max_bytes_each=10)
    other = put(store, b"oooo", "bob")
    first, second = put(store, b"aaaa", "ada"), put(store, b"bbbb", "ada")
    store.path(first)
    third = put(store, b"cccc", "ada")
    assert [each in store for each in (first, second, third, other)] == [True, False, True, True]
    assert store.holders.bytes_of("ada") == 8
    assert sorted(path.name for path in tmp_path.glob("??/*.who")) == sorted(
        f"{each}.who" for each in (first, third, other)
    )


def test_what_two_hold_goes_with_the_last_of_them(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, max_bytes_each=10)
    both = put(store, b"same", "ada")
    assert put(store, b"same", "bob") == both
    put(store, b"12345678", "ada")
    assert both in store
    assert (store.holders.has(both, "ada"), store.holders.has(both, "bob")) == (False, True)
    put(store, b"87654321", "bob")
    assert both not in store


def test_one_that_is_larger_than_a_holder_may_fill_is_refused(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, max_bytes_each=3)
    with pytest.raises(LimitExceeded, match="one credential may fill 3"):
        store.receive(hashlib.sha256(b"aaaa").hexdigest(), 4, "ada")
    assert put(store, b"aaaa") in store


def test_who_holds_what_is_known_after_a_restart(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = put(store, b"aaaa", "ada")
    store.hold(digest, "bob")
    with (tmp_path / digest[:2] / f"{digest}.who").open("a") as file:
        file.write("ev")  # a crash: it may have been anybody's name
    store = ArtifactStore(tmp_path, max_bytes_each=6)
    assert [store.holders.has(digest, who) for who in ("ada", "bob", "ev")] == [True, True, False]
    put(store, b"bbbb", "ada")
    put(store, b"cccc", "bob")
    assert digest not in store
    assert not list(tmp_path.glob(f"??/{digest}*"))
