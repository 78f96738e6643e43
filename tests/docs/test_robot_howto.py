"""The robot of docs/howto/robot.md plays, and its table of strategies is complete."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from agents.robot.command import app
from agents.robot.strategies import FUTURE_STATE, STRATEGIES

HOWTO = (Path(__file__).parents[2] / "docs" / "howto" / "robot.md").read_text(encoding="utf-8")


def test_its_robot_plays(tmp_path: Path) -> None:
    block = re.search(r"^```python\n(.*?)^```", HOWTO, re.MULTILINE | re.DOTALL)
    assert block is not None
    file = tmp_path / "arm.py"
    file.write_text(block[1], encoding="utf-8")
    done = CliRunner().invoke(app, ["--robot", str(file), "--play", "0.3"])

    assert done.exit_code == 0, done.output
    assert "control steps" in done.output


def test_its_strategies_are_those_there_are() -> None:
    named = set(re.findall(r"^\| `(\w[\w-]*)` \|", HOWTO, re.MULTILINE))
    plain = {name for name in STRATEGIES if not name.startswith(FUTURE_STATE)}

    assert named == plain | {FUTURE_STATE}
