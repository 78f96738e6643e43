"""The programs in examples/ that use a hub: short, and they do what they say."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

from constellation.cli.embedded import embedded_hub, local_device_name
from constellation.config import load_settings

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "examples"


async def printed(state_dir: Path, program: str, *arguments: str) -> list[str]:
    """The lines that a program prints beside a hub with one device."""
    path = EXAMPLES / program
    assert len((await anyio.Path(path).read_text()).splitlines()) < 60
    environment = os.environ | {"CONSTELLATION_STATE_DIR": str(state_dir)}
    async with embedded_hub(load_settings({"state_dir": state_dir}), state_dir):
        done = await anyio.run_process([sys.executable, str(path), *arguments], env=environment)
    return done.stdout.decode().splitlines()


async def test_disk_watch(tmp_path: Path) -> None:
    lines = await printed(tmp_path, "disk_watch.py")
    assert lines[-1].startswith("The fullest disk is /")


async def test_memory_hogs_looks_closer_where_it_is_wanted(tmp_path: Path) -> None:
    machine = local_device_name()
    uses, looked = await printed(tmp_path, "memory_hogs.py", "0")
    assert uses.startswith(f"{machine} uses ")
    assert looked.startswith(f"{machine}-processes: ")


async def test_memory_hogs_looks_no_closer_where_memory_is_free(tmp_path: Path) -> None:
    (uses,) = await printed(tmp_path, "memory_hogs.py", "101")
    assert uses.endswith(" % of its memory.")
