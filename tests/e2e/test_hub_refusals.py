"""What a hub process says when it cannot start or go on; nothing that it confirmed is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from constellation.client import open_hub
from constellation.config import Settings
from constellation.errors import ConstellationError

pytestmark = pytest.mark.full

HUB = [sys.executable, "-m", "constellation.cli", "hub", "--port", "0", "--json", "--state-dir"]
# The administrator may write anywhere: then it is done without that privilege.
AS_OTHERS = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []


def settings(state: Path) -> Settings:
    return Settings.model_validate({"state_dir": state})


@contextmanager
def hub(state: Path, limit_kib: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """A hub that is ready; none of its files may grow beyond a limit, if there is one."""
    command = [*HUB, str(state)]
    if limit_kib is not None:
        # In blocks of 512 bytes.
        command = ["sh", "-c", f'ulimit -f {2 * limit_kib}; exec "$@"', "sh", *command]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["url"]
            yield process
        finally:
            process.terminate()


async def submit(state: Path, name: str, size: int = 0) -> None:
    task = {"id": "a", "skill": "nobody.has.it", "arguments": {"x": "x" * size}}
    async with open_hub(settings(state)) as client:
        await client.ask("submit", id=name, edits=[{"op": "add_task", "task": task}])


async def listed(state: Path) -> set[str]:
    async with open_hub(settings(state)) as client:
        return {row["id"] for row in (await client.ask("list"))["constellations"]}


async def submit_for_ever(state: Path, confirmed: list[str]) -> None:
    with suppress(ConstellationError):
        while True:
            name = f"c-{len(confirmed)}"
            await submit(state, name, size=50_000)
            confirmed.append(name)


async def submit_until_ended(state: Path, process: subprocess.Popen[str]) -> list[str]:
    """Submit until the hub has ended; return what it confirmed."""
    confirmed: list[str] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(submit_for_ever, state, confirmed)
        await to_thread.run_sync(process.wait)
        tasks.cancel_scope.cancel()
    return confirmed


def test_a_disk_that_fills_up_stops_the_hub_and_takes_nothing(tmp_path: Path) -> None:
    with hub(tmp_path, limit_kib=1_024) as process:
        confirmed = anyio.run(submit_until_ended, tmp_path, process)
        stdout, stderr = process.communicate(timeout=100)
    assert (process.returncode, stderr) == (1, "")
    error = json.loads(stdout)["error"]
    assert "cannot be written" in error["message"]
    assert "Free disk space" in error["remedy"]
    assert len(confirmed) > 3
    with hub(tmp_path):
        # The last one was refused or never answered: it may be there, but need not.
        kept = anyio.run(listed, tmp_path)
    assert set(confirmed) <= kept <= {*confirmed, f"c-{len(confirmed)}"}


def test_a_state_that_may_only_be_read_is_named_and_left_alone(tmp_path: Path) -> None:
    with hub(tmp_path):
        anyio.run(submit, tmp_path, "c-kept")
    tmp_path.chmod(0o555)
    refused = subprocess.run(
        [*AS_OTHERS, *HUB, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    tmp_path.chmod(0o755)
    assert (refused.returncode, refused.stderr) == (1, "")
    error = json.loads(refused.stdout)["error"]
    assert f"{tmp_path}/journal.db cannot be opened" in error["message"]
    assert "Let the hub's user write there" in error["remedy"]
    with hub(tmp_path):
        assert anyio.run(listed, tmp_path) == {"c-kept"}
