"""Files inside the roots, and no way out of them."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from agents.roots import Place, Roots
from constellation.errors import PermissionDenied, TaskFailed


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


def read(roots: Roots, path: str) -> str:
    with roots.open_file(path) as file:
        return os.pread(file, 1000, 0).decode()


def write(roots: Roots, path: str, text: str) -> None:
    with roots.replace_file(path) as file:
        os.write(file, text.encode())


def test_paths_are_relative_to_the_first_root_or_absolute(root: Path, outside: Path) -> None:
    (root / "a").mkdir()
    (root / "a" / "b.txt").write_text("b")
    roots = Roots([root, outside])
    assert read(roots, "a/b.txt") == read(roots, f"{root}/a/b.txt") == "b"
    assert read(roots, f"{outside}/secret") == "secret"
    assert roots.resolve("a/new.txt").path == root / "a" / "new.txt"


@pytest.mark.parametrize("path", ["../outside/secret", "a/../../outside/secret", "a/.."])
def test_going_up_is_refused(root: Path, outside: Path, path: str) -> None:
    (root / "a").mkdir()
    with pytest.raises(PermissionDenied, match=r"must not hold '\.\.'") as caught:
        read(Roots([root]), path)
    assert caught.value.remedy


def test_other_places_are_refused(root: Path, outside: Path) -> None:
    roots = Roots([root])
    for path in (f"{outside}/secret", "/etc/passwd", f"{root}-more/x", "~/x", "~"):
        with pytest.raises(PermissionDenied, match="outside the folders") as caught:
            read(roots, path)
        assert "--root" in caught.value.remedy
    with pytest.raises(PermissionDenied):
        read(roots, "a\0b")


def test_without_roots_nothing_is_allowed() -> None:
    with pytest.raises(PermissionDenied, match="no folder that tasks may use"):
        Roots([]).resolve("x")


def test_links_out_are_refused_and_links_within_followed(root: Path, outside: Path) -> None:
    (root / "real").mkdir()
    (root / "real" / "file").write_text("inside")
    (root / "way").symlink_to(root / "real")
    (root / "leak").symlink_to(outside / "secret")
    (root / "door").symlink_to(outside)
    roots = Roots([root])
    assert read(roots, "way/file") == "inside"
    for path in ("leak", "door/secret", "door"):
        with pytest.raises(PermissionDenied, match="outside"):
            roots.resolve(path)
    for path in ("leak", "door/new"):
        with pytest.raises(PermissionDenied, match="outside"):
            write(roots, path, "overwritten")
    assert (outside / "secret").read_text() == "secret"


def test_a_link_put_in_after_the_check_leads_nowhere(root: Path, outside: Path) -> None:
    (root / "a").mkdir()
    (root / "a" / "secret").write_text("mine")

    class Swapped(Roots):
        """Changes the folder into a link just after a path was resolved."""

        def resolve(self, path: str) -> Place:
            place = super().resolve(path)
            (root / "a").rename(root / "moved")
            (root / "a").symlink_to(outside)
            return place

    with pytest.raises((PermissionDenied, TaskFailed)):
        read(Swapped([root]), "a/secret")


def test_only_plain_files_are_opened(root: Path) -> None:
    os.mkfifo(root / "pipe")
    roots = Roots([root, Path("/dev")])
    for path in ("pipe", "/dev/null"):
        with pytest.raises(PermissionDenied, match="a device, a socket or a pipe"):
            read(roots, path)
        with pytest.raises(PermissionDenied, match="a device, a socket or a pipe"):
            write(roots, path, "x")
    with pytest.raises(TaskFailed, match="is a folder"):
        read(Roots([root.parent]), "root")


def test_what_is_missing_is_said_plainly(root: Path) -> None:
    (root / "file").write_text("")
    roots = Roots([root])
    with pytest.raises(TaskFailed, match="There is no 'none'"):
        read(roots, "none")
    with pytest.raises(TaskFailed, match="no folder"):
        read(roots, "file/x")
    with pytest.raises(PermissionDenied, match="itself cannot be replaced"):
        write(roots, ".", "x")


def test_a_file_is_replaced_whole_or_not_at_all(root: Path) -> None:
    target = root / "file"
    target.write_text("old")
    target.chmod(0o640)
    roots = Roots([root])
    with suppress(ZeroDivisionError), roots.replace_file("file") as file:
        os.write(file, b"half")
        _ = 1 / 0
    assert target.read_text() == "old"
    assert [path.name for path in root.iterdir()] == ["file"]
    write(roots, "file", "new")
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_folders_are_made(root: Path) -> None:
    write(Roots([root]), "a/b/c.txt", "deep")
    assert (root / "a" / "b" / "c.txt").read_text() == "deep"


@contextmanager
def swapping(link: Path, first: Path, second: Path) -> Iterator[None]:
    """A thread that keeps changing what a name stands for."""
    stop = threading.Event()

    def swap() -> None:
        spare = link.with_name("spare")
        while not stop.is_set():
            for target in (first, second):
                spare.symlink_to(target)
                spare.replace(link)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_race_of_links_never_leads_out(root: Path, outside: Path) -> None:
    inside = root / "inside"
    inside.mkdir()
    (inside / "secret").write_text("mine")
    (root / "door").symlink_to(inside)
    roots = Roots([root])
    seen = set()
    with swapping(root / "door", inside, outside):
        for _ in range(500):
            try:
                seen.add(read(roots, "door/secret"))
            except (PermissionDenied, TaskFailed):
                seen.add("refused")
    assert "secret" not in seen
