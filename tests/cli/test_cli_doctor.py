"""`doctor`: it sees what is wrong with a machine, and says what to do."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_terminal import CLI, TIMEOUT_S, Terminal


def findings(terminal: Terminal, exits: int = 0) -> dict[str, dict[str, Any]]:
    answer = terminal.json("doctor", exits=exits)
    return {finding["subject"]: finding for finding in answer["findings"]}


def test_a_sound_machine_without_a_hub_is_no_problem(alone: Terminal) -> None:
    found = findings(alone)
    assert found["Python"]["status"] == "ok"
    assert found["SQLite"]["status"] == "ok"
    assert found["State directory"]["status"] == "ok"
    assert found["Commands of packages"]["detail"].find("agent") >= 0
    assert found["Hub"]["status"] == "note"
    assert "constellation hub" in found["Hub"]["remedy"]


def test_findings_are_lines_for_people(alone: Terminal) -> None:
    lines = alone.run("doctor").stdout.splitlines()
    assert any(line.startswith("ok      Python: 3.") for line in lines)


@pytest.mark.parametrize("name", ["", "hub.json"])
def test_state_that_others_may_read_is_a_problem(alone: Terminal, name: str) -> None:
    path = alone.state_dir / name
    if name:
        path.write_text(json.dumps({"url": "ws://127.0.0.1:9", "token": "t", "pid": 1}))
    path.chmod(0o755)
    hasty = {**alone.environment, "CONSTELLATION_CLIENT__TIMEOUT_S": "0.1"}
    found = findings(replace(alone, environment=hasty), exits=1)
    assert found["State directory"]["status"] == "problem"
    assert f"chmod {'600' if name else '700'} {path}" in found["State directory"]["remedy"]


def test_a_state_directory_that_is_a_file_is_a_problem(alone: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    elsewhere = {**alone.environment, "CONSTELLATION_STATE_DIR": str(file)}
    found = findings(replace(alone, environment=elsewhere), exits=1)
    assert "CONSTELLATION_STATE_DIR" in found["State directory"]["remedy"]


def test_wrong_settings_are_a_problem(alone: Terminal) -> None:
    wrong = {**alone.environment, "CONSTELLATION_HUB__PORT": "high"}
    found = findings(replace(alone, environment=wrong), exits=1)
    assert "CONSTELLATION_HUB__PORT" in found["Settings"]["detail"]


def test_variables_that_are_no_settings_are_pointed_at(alone: Terminal) -> None:
    misspelt = {**alone.environment, "CONSTELLATION_STATEDIR": "x"}
    found = findings(replace(alone, environment=misspelt))
    assert found["Environment"]["status"] == "note"
    assert "CONSTELLATION_STATEDIR" in found["Environment"]["detail"]


def test_a_hub_that_does_not_answer_is_a_note(alone: Terminal) -> None:
    gone = {
        "CONSTELLATION_CLIENT__URL": "ws://127.0.0.1:9/aip",
        "CONSTELLATION_CLIENT__TOKEN": "t",
        "CONSTELLATION_CLIENT__TIMEOUT_S": "0.2",
    }
    found = findings(replace(alone, environment={**alone.environment, **gone}))
    assert "ws://127.0.0.1:9/aip" in found["Hub"]["detail"]


def test_somebody_else_s_package_agents_is_a_problem(alone: Terminal, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "__init__.py").touch()
    done = subprocess.run(
        [*CLI, "doctor", "--json"],
        env={**alone.environment, "PYTHONPATH": str(tmp_path)},
        cwd=alone.folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    found = {each["subject"]: each for each in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert str(tmp_path / "agents") in found["Package agents"]["detail"]
    assert "Uninstall the other" in found["Package agents"]["remedy"]
