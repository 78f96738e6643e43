from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("supply_chain.py")


def run(script: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def copy(folder: Path, lock: str) -> Path:
    """The script in a project of its own, with another lock file."""
    (folder / "tests").mkdir()
    for name in ("pyproject.toml", "Makefile"):
        (folder / name).write_text((SCRIPT.parents[1] / name).read_text())
    (folder / "requirements.lock").write_text(lock)
    script = folder / "tests" / SCRIPT.name
    script.write_text(SCRIPT.read_text())
    return script


def test_what_is_locked_here_is_sound() -> None:
    done = run(SCRIPT)
    assert done.returncode == 0, done.stdout
    assert "locked with hashes, nothing found" in done.stdout


def test_what_is_wrong_with_a_lock_is_named(tmp_path: Path) -> None:
    lock = (SCRIPT.parents[1] / "requirements.lock").read_text()
    start = lock.index("\nanyio==") + 1
    end = lock.index("\nast-serialize", start)
    spoilt = lock[:start] + "openai-agents==1.0\nmsgpack==0.1 \\\n" + lock[end:]
    done = run(copy(tmp_path, spoilt))
    assert done.returncode == 1
    for finding in (
        "openai-agents must not be there",
        "openai-agents has no hash",
        "anyio>=4.4 is not in requirements.lock",
        "a msgpack that does not fit msgpack>=1.0.8",
    ):
        assert finding in done.stdout
