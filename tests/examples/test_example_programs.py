"""The programs in examples/ that use a hub: short, and they do what they say."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

from constellation.cli.embedded import embedded_hub
from constellation.config import load_settings

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "examples"


async def test_disk_watch(tmp_path: Path) -> None:
    program = EXAMPLES / "disk_watch.py"
    assert len((await anyio.Path(program).read_text()).splitlines()) < 60
    environment = os.environ | {"CONSTELLATION_STATE_DIR": str(tmp_path)}
    async with embedded_hub(load_settings({"state_dir": tmp_path}), tmp_path):
        done = await anyio.run_process([sys.executable, str(program)], env=environment)
    assert done.stdout.decode().splitlines()[-1].startswith("The fullest disk is /")
