"""What skills use while they run, beyond what the runtime's tests see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WRITES_AND_READS = r"""
import asyncio
from pathlib import Path
from agents.skills import skill
from agents.testing import Trial
from agents.context import Context

@skill("note", effect="write")
def note(context: Context) -> str:
    with context.open("note.txt", "w") as file:
        file.write("b\u00fcy")
    with context.open("note.txt") as file:
        return file.read()

assert asyncio.run(Trial(roots=[Path(".")]).run(note)) == "b\u00fcy"
"""


def test_text_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", WRITES_AND_READS], cwd=tmp_path, env=plain, check=True)
    assert (tmp_path / "note.txt").read_bytes() == "büy".encode()
