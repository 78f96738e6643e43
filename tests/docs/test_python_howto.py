"""Every program of docs/howto/python.md runs as it is printed."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import anyio
import pytest

from constellation.cli.embedded import embedded_hub
from constellation.config import load_settings

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "python.md"
SAYS = (
    r"system\.memory.*\nsystem-memory\S* [\d.]+\n",
    r"[\d.]+ % of the fullest disk",
    r"echo hello\n(.*\n)*say hello\n(.*\n)*completed \{'completed': 3\}\n",
    r"b'a few bytes'\n(.*\n)*ended \n\{.*'fullest'",
)


async def test_its_programs_do_what_it_says(tmp_path: Path) -> None:
    programs = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    environment = os.environ | {"CONSTELLATION_STATE_DIR": str(tmp_path)}
    async with embedded_hub(load_settings({"state_dir": tmp_path}), tmp_path):
        for program, says in zip(programs, SAYS, strict=True):
            command = [sys.executable, "-W", "error", "-c", program]
            done = await anyio.run_process(command, env=environment)
            assert re.search(says, done.stdout.decode()), program
