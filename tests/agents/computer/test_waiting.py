"""`wait.*`, `notify.send` and `artifacts.*`."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import anyio
import pytest

from agents.computer import artifacts, notify, skills, wait
from agents.testing import Trial
from constellation.errors import (
    PermissionDenied,
    SkillError,
    TaskTimedOut,
    UnknownArtifactError,
)

pytestmark = pytest.mark.anyio


async def test_waiting_for_some_time(trial: Trial) -> None:
    waited = await trial.run(wait.wait_seconds, seconds=0.05)
    assert waited["waited_s"] >= 0.05
    with pytest.raises(SkillError, match="seconds"):
        await trial.run(wait.wait_seconds, seconds=-1)


async def test_waiting_for_a_file(trial: Trial, root: Path) -> None:
    with anyio.fail_after(100):
        waiting = asyncio.create_task(trial.run(wait.wait_file, path="flag"))
        await asyncio.sleep(0)
        assert not waiting.done()
        (root / "flag").write_text("up")
        found = await waiting
        assert (found["exists"], found["size_bytes"]) == (True, 2)
        waiting = asyncio.create_task(trial.run(wait.wait_file, path="flag", exists=False))
        await asyncio.sleep(0)
        (root / "flag").unlink()
        assert (await waiting)["exists"] is False


async def test_waiting_in_vain(trial: Trial) -> None:
    with pytest.raises(TaskTimedOut, match="did not appear"):
        await trial.run(wait.wait_file, path="sub/flag", timeout_s=0.01)
    with pytest.raises(PermissionDenied):
        await trial.run(wait.wait_file, path="/etc/passwd")


async def test_without_a_desktop_a_notification_is_a_line(
    trial: Trial, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    sent = await trial.run(notify.send, message="The backup\x1b is done", title="Backup")
    assert sent["via"] == "terminal"
    assert capsys.readouterr().err == "Backup: The backup  is done\n"
    assert trial.outputs == [("notification", "The backup\x1b is done")]


async def test_on_a_desktop_it_is_shown(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {tmp_path}/shown\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
    sent = await trial.run(notify.send, message="--done", title="Backup")
    assert sent["via"] == "desktop"
    assert (tmp_path / "shown").read_text() == "--|Backup|--done|"


async def test_artifacts_move_files(trial: Trial, root: Path) -> None:
    (root / "a.bin").write_bytes(b"\0\1")
    stored = await trial.run(artifacts.put, path="a.bin")
    digest = hashlib.sha256(b"\0\1").hexdigest()
    assert stored == {"hash": digest, "size_bytes": 2, "name": "a.bin"}
    fetched = await trial.run(artifacts.get, hash=stored["hash"], path="copy/b.bin")
    assert fetched == {"path": str(root / "copy" / "b.bin"), "size_bytes": 2}
    assert (root / "copy" / "b.bin").read_bytes() == b"\0\1"
    with pytest.raises(UnknownArtifactError):
        await trial.run(artifacts.get, hash="0" * 64, path="c.bin")
    assert not (root / "c.bin").exists()
    with pytest.raises(PermissionDenied):
        await trial.run(artifacts.put, path="/etc/passwd")


def test_every_skill_of_a_computer_can_be_found_by_its_words() -> None:
    published = skills()
    assert [skill.name for skill in published] == [
        "shell.run",
        "python.run",
        "files.read",
        "files.write",
        "files.list",
        "files.search",
        "files.patch",
        "files.delete",
        "http.get",
        "http.request",
        "system.info",
        "system.disks",
        "system.memory",
        "system.processes",
        "system.network",
        "system.battery",
        "report.write",
        "notify.send",
        "wait.seconds",
        "wait.file",
        "watch.process",
        "artifacts.put",
        "artifacts.get",
    ]
    for skill in published:
        assert skill.card.description
        assert 2 <= len(skill.card.examples) <= 4
        described = skill.card.input["properties"].values()
        assert all(each.get("description") for each in described), skill.name
        assert skill.card.output["properties"]
    dangerous = {skill.name for skill in published if skill.card.effect == "dangerous"}
    assert dangerous == {"shell.run", "python.run", "files.delete"}


async def test_a_program_is_waited_for(trial: Trial, tmp_path: Path) -> None:
    program = tmp_path / "brew-coffee"
    program.write_text("#!/bin/sh\nread line\n")
    program.chmod(0o755)
    process = await anyio.open_process([str(program)])
    began = await trial.run(wait.watch_process, name="brew-coffee", until="start", timeout_s=10)
    assert began["running"]
    with pytest.raises(TaskTimedOut, match="'brew-coffee' did not exit within"):
        await trial.run(wait.watch_process, name="brew-coffee", timeout_s=0.1)
    async with process:
        assert process.stdin is not None
        await process.stdin.send(b"\n")
        ended = await trial.run(wait.watch_process, name="brew-coffee", timeout_s=10)
    assert not ended["running"]
