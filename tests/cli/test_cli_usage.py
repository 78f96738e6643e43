"""Wrong arguments and nonsense: a clear message with a remedy, the right exit code."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.computer import skills
from constellation.aip.cards import DeviceCard
from constellation.cli.app import app
from constellation.planner.offline.planner import plan_request

COMMANDS = {
    "agent",
    "approve",
    "cancel",
    "devices",
    "doctor",
    "edit",
    "hub",
    "logs",
    "pair",
    "pause",
    "plan",
    "ps",
    "replay",
    "resume",
    "retry",
    "revoke",
    "run",
    "runbook",
    "show",
}


@pytest.fixture(autouse=True)
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("CONSTELLATION_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CONSTELLATION_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_help_lists_every_command() -> None:
    words = set(call("--help").output.split())
    assert words >= COMMANDS


def test_help_documents_the_exit_codes() -> None:
    assert "Exit codes" in call("--help").output


@pytest.mark.parametrize("name", sorted(COMMANDS - {"runbook"}))
def test_every_command_has_help_with_an_example(name: str) -> None:
    output = call(name, "--help").output
    assert "Example" in output
    assert f"constellation {name}" in output


@pytest.mark.parametrize("name", ["run", "plan"])
def test_the_requests_in_the_help_can_be_planned(name: str) -> None:
    published = tuple(skill.card for skill in skills())
    cards = [DeviceCard(name=device, skills=published) for device in ("desk", "laptop")]
    requests = re.findall(rf'constellation {name} "([^"]+)"', call(name, "--help").output)
    assert requests
    for request in requests:
        assert plan_request(request, cards).edits


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "No such command"),
        (["run"], "Missing argument"),
        (["run", "  "], "Say what to do"),
        (["run", "missing.md"], "There is no file missing.md"),
        (["run", "do it", "--input", "a=1"], "Inputs are for runbooks"),
        (["run", "plan.json"], "There is no file plan.json"),
        (["show"], "Missing argument"),
        (["show", "c-1", "--dot", "--mermaid"], "Choose one"),
        (["edit", "c-1"], "Nothing to change"),
        (["edit", "c-1", "missing.json"], "does not exist"),
        (["cancel", "c-1", "--subtree"], "--subtree needs a task"),
        (["approve", "c-1", "--deny", "--answer", "x"], "not both"),
        (["hub", "--tls-cert", __file__], "go together"),
        (["hub", "--journal-sync", "sometimes"], "normal"),
        (["replay", "nowhere.db"], "'nowhere.db' does not exist"),
        (["runbook", "lint", "missing.md"], "There is no file missing.md"),
        (["pair", "--ttl", "0"], "greater than or equal to 1"),
    ],
)
def test_wrong_arguments_exit_with_2(arguments: list[str], says: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize("arguments", [["run", "read \udcff.txt"], ["show", "\udcff", "--json"]])
def test_arguments_that_are_no_text_are_refused(arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert "is not text in UTF-8" in result.output


def test_a_wrong_input_is_named(no_hub: Path) -> None:
    (no_hub / "book.md").write_text("# Book\n")
    result = call("run", "book.md", "--input", "target")
    assert result.exit_code == 2
    assert "'target' is not KEY=VALUE" in result.output


def test_a_plan_file_must_be_one(no_hub: Path) -> None:
    (no_hub / "plan.json").write_text("[]")
    result = call("run", "plan.json")
    assert result.exit_code == 2
    assert "is not a plan" in result.output


@pytest.mark.parametrize("arguments", [["run", "deep.json"], ["edit", "c-1", "deep.json"]])
def test_a_file_that_nests_without_end_is_refused(arguments: list[str], no_hub: Path) -> None:
    (no_hub / "deep.json").write_text("[" * 200_000)
    result = call(*arguments)
    assert result.exit_code in (2, 4)
    assert "deep.json" in result.output


@pytest.mark.parametrize(
    "arguments", [["run", "book.md"], ["runbook", "lint", "book.md"], ["edit", "c-1", "book.md"]]
)
def test_a_file_that_is_no_text_is_named(arguments: list[str], no_hub: Path) -> None:
    (no_hub / "book.md").write_bytes(b"\xff\xfe")
    result = call(*arguments)
    assert result.exit_code == 2
    assert "book.md is not text in UTF-8" in result.output


def test_an_edit_file_must_hold_edits(no_hub: Path) -> None:
    (no_hub / "edits.yaml").write_text("{note: nothing}\n")
    result = call("edit", "c-1", "edits.yaml")
    assert result.exit_code == 2
    assert "holds no list of edits" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["ps"],
        ["devices"],
        ["show", "c-1"],
        ["logs", "c-1"],
        ["cancel", "c-1"],
        ["pause", "c-1"],
        ["approve", "c-1"],
        ["revoke", "desk"],
        ["pair"],
    ],
)
def test_without_a_hub_commands_exit_with_3_and_say_how_to_start_one(arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 3
    assert "No hub is running here" in result.stderr
    assert "constellation hub" in result.stderr


def test_with_json_an_error_is_json() -> None:
    result = call("ps", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"]["code"] == "session.unreachable"
    assert result.stderr == ""


def test_a_wrong_setting_exits_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSTELLATION_HUB__PORT", "high")
    result = call("ps")
    assert result.exit_code == 2
    assert "CONSTELLATION_HUB__PORT" in result.stderr


def test_a_hub_elsewhere_needs_a_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSTELLATION_CLIENT__URL", "ws://127.0.0.1:9/aip")
    result = call("ps")
    assert result.exit_code == 2
    assert "CONSTELLATION_CLIENT__TOKEN" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "check the disk", "--state-dir", "FILE/state"],
        ["hub", "--state-dir", "FILE/state"],
        ["demo", "--out", "FILE/out"],
    ],
)
def test_a_folder_that_cannot_be_made_is_named(arguments: list[str], no_hub: Path) -> None:
    (no_hub / "file").touch()
    result = call(*(argument.replace("FILE", str(no_hub / "file")) for argument in arguments))
    assert result.exit_code == 2
    assert arguments[-1].replace("FILE", str(no_hub / "file")) in result.stderr
    assert "Name another" in result.stderr


def test_a_journal_must_be_one(no_hub: Path) -> None:
    (no_hub / "notes.db").write_text("no journal")
    result = call("replay", "notes.db")
    assert result.exit_code == 1
    assert "file is not a database" in result.stderr


def test_the_version_is_printed() -> None:
    assert call("--version").output.startswith("constellation 0.")


def test_lint_points_at_errors_with_place_and_exit_code(no_hub: Path) -> None:
    (no_hub / "book.yaml").write_text("steps: nonsense\n")
    result = call("runbook", "lint", "book.yaml")
    assert result.exit_code == 4
    assert "book.yaml:1:" in result.output
