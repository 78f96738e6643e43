"""The demonstration with two robots plays to its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.mark.full
def test_both_robots_play_and_one_holds_while_its_cable_is_out() -> None:
    command = [sys.executable, "examples/robot_demo.py", "10"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=200)

    assert done.returncode == 0, done.stderr
    assert "quick: holds: the hub is out of reach" in done.stdout
    assert "quick      future-state" in done.stdout
    assert "patient    synchronous" in done.stdout
