"""Plain words on real computer agents: commands, files, artifacts, approvals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.processes import Processes

pytestmark = [pytest.mark.anyio, pytest.mark.full, pytest.mark.timeout(600)]


async def start(processes: Processes, tmp_path: Path, *names: str) -> None:
    for name in names:
        root = tmp_path / name
        root.mkdir()
        await processes.start_agent(name, "--kind", "computer", "--root", str(root))


async def run(processes: Processes, request: str) -> dict[str, Any]:
    async with processes.client() as client:
        submitted = await client.ask("submit", request=request)
    return await processes.ended(submitted["constellation"])


async def test_a_file_moves_between_devices_as_an_artifact(fabric: Any, tmp_path: Path) -> None:
    async with fabric() as processes:
        await start(processes, tmp_path, "desk", "laptop")
        data = bytes(range(256)) * 4096
        (tmp_path / "laptop" / "photo.raw").write_bytes(data)
        shown = await run(processes, "copy photo.raw from laptop to desk")
        assert shown["state"] == "completed"
        assert (tmp_path / "desk" / "photo.raw").read_bytes() == data


async def test_a_condition_on_a_result_decides_what_follows(fabric: Any, tmp_path: Path) -> None:
    async with fabric() as processes:
        await start(processes, tmp_path, "desk")
        request = (
            "check the disks on desk, and if the disk is over {n} % full, "
            "write 'tidy up' into todo.txt on desk"
        )
        shown = await run(processes, request.format(n=100))
        assert shown["state"] == "completed"
        assert not (tmp_path / "desk" / "todo.txt").exists()
        await run(processes, request.format(n=0))
        assert (tmp_path / "desk" / "todo.txt").read_text().strip() == "tidy up"


async def test_a_dangerous_step_waits_for_a_person(fabric: Any, tmp_path: Path) -> None:
    async with fabric() as processes:
        await start(processes, tmp_path, "desk")
        async with processes.client() as client:
            submitted = await client.ask("submit", request="run `touch made` on desk")
            name = submitted["constellation"]
            events = await client.watch(name, after=0)
            async for event in events:
                if event["kind"] == "asked":
                    break
            assert "touch made" in event["body"]["question"]["prompt"]
            assert not (tmp_path / "desk" / "made").exists()
            await client.ask("answer", constellation=name, task=event["body"]["task"], answer=True)
            assert (await processes.ended(name))["state"] == "completed"
            assert (tmp_path / "desk" / "made").exists()


async def test_a_refused_step_does_nothing(fabric: Any, tmp_path: Path) -> None:
    async with fabric() as processes:
        await start(processes, tmp_path, "desk")
        async with processes.client() as client:
            submitted = await client.ask("submit", request="run `touch made` on desk")
            name = submitted["constellation"]
            events = await client.watch(name, after=0)
            async for event in events:
                if event["kind"] == "asked":
                    break
            await client.ask("answer", constellation=name, task=event["body"]["task"], answer=False)
            shown = await processes.ended(name)
        assert shown["state"] in ("canceled", "failed")
        assert not (tmp_path / "desk" / "made").exists()
