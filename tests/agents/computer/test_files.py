"""`files.*` on real files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents.computer import files, finding
from agents.testing import Trial
from constellation.errors import PermissionDenied, SkillError, TaskFailed

pytestmark = pytest.mark.anyio


async def test_what_was_written_is_read(trial: Trial, root: Path) -> None:
    written = await trial.run(files.write, path="notes/todo.txt", content="büy milk\n")
    assert written == {"path": str(root / "notes" / "todo.txt"), "size_bytes": 10}
    assert (root / "notes" / "todo.txt").read_text() == "büy milk\n"
    assert await trial.run(files.read, path="notes/todo.txt") == {
        "path": "notes/todo.txt",
        "content": "büy milk\n",
        "size_bytes": 10,
        "truncated": False,
    }


async def test_data_is_written_as_json(trial: Trial, root: Path) -> None:
    await trial.run(files.write, path="data.json", content={"a": [1, None]})
    assert (root / "data.json").read_text() == '{\n  "a": [\n    1,\n    null\n  ]\n}\n'


async def test_appending(trial: Trial, root: Path) -> None:
    for word in ("one\n", "two\n"):
        last = await trial.run(files.write, path="log", content=word, append=True)
    assert last["size_bytes"] == 8
    assert (root / "log").read_text() == "one\ntwo\n"


async def test_bytes_travel_in_base64(trial: Trial, root: Path) -> None:
    await trial.run(files.write, path="blob", content="AP8=", encoding="base64")
    assert (root / "blob").read_bytes() == b"\x00\xff"
    assert (await trial.run(files.read, path="blob", encoding="base64"))["content"] == "AP8="
    with pytest.raises(TaskFailed, match="not text in UTF-8"):
        await trial.run(files.read, path="blob")
    with pytest.raises(SkillError, match="not base64"):
        await trial.run(files.write, path="blob", content="?", encoding="base64")


async def test_reading_a_part(trial: Trial, root: Path) -> None:
    (root / "file").write_text("aäb")
    part = await trial.run(files.read, path="file", max_bytes=2)
    assert part["content"] == "a", "a character that was cut is left to the next part"
    assert part["truncated"]
    assert (await trial.run(files.read, path="file", offset=3))["content"] == "b"


async def test_listing(trial: Trial, root: Path) -> None:
    (root / "b.log").write_text("bb")
    (root / "a.txt").write_text("a")
    (root / "sub").mkdir()
    (root / "sub" / "c.log").write_text("ccc")
    (root / "link").symlink_to(root / "a.txt")
    listing = await trial.run(finding.list_files)
    assert listing["names"] == ["a.txt", "b.log", "link", "sub"]
    assert [entry["kind"] for entry in listing["entries"]] == ["file", "file", "link", "folder"]
    assert listing["total_bytes"] == 3
    logs = await trial.run(finding.list_files, pattern="*.log", recursive=True)
    assert logs["names"] == ["b.log", "sub/c.log"]
    few = await trial.run(finding.list_files, max_entries=1)
    assert (few["count"], few["truncated"]) == (1, True)
    with pytest.raises(TaskFailed, match="no folder"):
        await trial.run(finding.list_files, path="a.txt")


async def test_links_are_not_followed_when_walking(trial: Trial, root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("needle")
    (root / "door").symlink_to(outside)
    (root / "leak.txt").symlink_to(outside / "secret.txt")
    listing = await trial.run(finding.list_files, recursive=True)
    assert listing["names"] == ["door", "leak.txt"]
    assert (await trial.run(finding.search, text="needle"))["count"] == 0


async def test_searching(trial: Trial, root: Path) -> None:
    (root / "sub").mkdir()
    (root / "a.txt").write_text("one\ntwo needle\n")
    (root / "sub" / "b.log").write_text("Needle\n")
    (root / "blob").write_bytes(b"\0needle")
    (root / "locked").write_text("needle")
    (root / "pipe.txt").symlink_to("/dev/null")
    os.mkfifo(root / "fifo")
    (root / "locked").unlink()
    found = await trial.run(finding.search, text="needle")
    assert found["matches"] == [{"path": "a.txt", "line": 2, "text": "two needle"}]
    both = await trial.run(finding.search, text="NEEDLE", ignore_case=True)
    assert both["files"] == ["a.txt", "sub/b.log"]
    logs = await trial.run(finding.search, text="e", pattern="*.log")
    assert (logs["count"], logs["searched"]) == (1, 1)
    one = await trial.run(finding.search, text="o", max_matches=1)
    assert (one["count"], one["truncated"]) == (1, True)
    single = await trial.run(finding.search, text="needle", path="a.txt")
    assert (single["count"], single["searched"]) == (1, 1)


async def test_patching(trial: Trial, root: Path) -> None:
    file = root / "app.toml"
    file.write_text("level = debug\nother = debug\n")
    for wrong, message in (("debug", "is 2 times in"), ("trace", "is not in")):
        with pytest.raises(TaskFailed, match=message):
            await trial.run(files.patch, path="app.toml", old=wrong, new="info")
    assert file.read_text() == "level = debug\nother = debug\n"
    patched = await trial.run(files.patch, path="app.toml", old="level = debug", new="level = info")
    assert patched["replaced"] == 1
    assert await trial.run(files.patch, path="app.toml", old="o", new="0", all=True)
    assert file.read_text() == "level = inf0\n0ther = debug\n"


async def test_deleting(trial: Trial, root: Path) -> None:
    outside = root.parent / "kept"
    outside.mkdir()
    (outside / "file").write_text("kept")
    (root / "file").write_text("")
    (root / "tree" / "sub").mkdir(parents=True)
    (root / "tree" / "sub" / "file").write_text("")
    (root / "tree" / "door").symlink_to(outside)
    assert (await trial.run(files.delete, path="file"))["deleted"] == 1
    assert (await trial.run(files.delete, path="file"))["deleted"] == 0
    with pytest.raises(TaskFailed, match="not deleted"):
        await trial.run(files.delete, path="tree")
    assert (await trial.run(files.delete, path="tree", recursive=True))["deleted"] == 4
    assert (await trial.run(finding.list_files))["names"] == []
    assert (outside / "file").read_text() == "kept"
    with pytest.raises(PermissionDenied, match="itself"):
        await trial.run(files.delete, path=".", recursive=True)
    assert files.delete.card.effect == "dangerous"


async def test_a_canceled_listing_ends(trial: Trial, root: Path) -> None:
    (root / "a").touch()
    assert (await trial.run(finding.list_files))["count"] == 1
    assert trial.context is not None
    trial.context.canceled = True
    assert finding.list_files(trial.context)["count"] == 0
