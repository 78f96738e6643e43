"""`runbook extract` and `runbook run`: from a guide for people to its results."""

from __future__ import annotations

import json

from cli_terminal import Terminal

from constellation.testing.chat_server import says, scripted_server

GUIDE = """\
# Check the desk

1. On host desk, run `echo looked`.
2. If the output contains "looked", run `touch touched.txt && echo touched`.
3. Tell somebody.
"""


def test_a_guide_is_drafted_linted_and_run(fabric: Terminal) -> None:
    guide, draft = fabric.folder / "guide.md", fabric.folder / "draft.yaml"
    guide.write_text(GUIDE)
    told = fabric.run("runbook", "extract", str(guide), "-o", str(draft), "--devices").stderr
    assert f"{guide}:5:4: warning: 'Tell somebody.' names no command" in told
    assert "0 errors" in fabric.run("runbook", "lint", str(draft), "--devices").stdout

    run = ("runbook", "run", str(draft), "--yes")
    assert fabric.run(*run).stdout == "looked\n"
    assert not (fabric.folder / "touched.txt").exists()
    allowed = "allow_touch_touched_txt_echo_touched=true"
    assert "touched" in fabric.run(*run, "--input", allowed).stdout
    assert (fabric.folder / "touched.txt").exists()


def test_a_draft_goes_to_stdout_or_into_json_but_over_no_file(alone: Terminal) -> None:
    guide = alone.folder / "guide.md"
    guide.write_text(GUIDE)
    assert alone.run("runbook", "extract", str(guide), "--on", "x").stdout.startswith("title:")
    plain = json.loads(alone.run("runbook", "extract", str(guide), "--json").stdout)
    assert plain["runbook"].startswith("title: Check the desk")
    assert {"prose.writes", "prose.no-command"} <= {each["code"] for each in plain["findings"]}
    told = alone.run("runbook", "extract", str(guide), "-o", str(guide), exits=2).stderr
    assert "There is a file" in told
    assert guide.read_text() == GUIDE


def test_a_guide_without_commands_exits_with_4(alone: Terminal) -> None:
    guide = alone.folder / "guide.md"
    guide.write_text("# Be kind\n")
    assert "names no command" in alone.run("runbook", "extract", str(guide), exits=4).stderr


def test_a_model_reads_the_guide(alone: Terminal) -> None:
    guide = alone.folder / "guide.md"
    guide.write_text(GUIDE)
    assert (
        "No model is named"
        in alone.run("runbook", "extract", str(guide), "--model", exits=2).stderr
    )
    step = {"line": 3, "command": "echo looked", "device": "desk"}
    with scripted_server(says({"title": "Look", "steps": [step]})) as server:
        planner = {"MODEL": "m", "BASE_URL": server.url, "API_KEY": "k"}
        named = {f"CONSTELLATION_PLANNER__{key}": value for key, value in planner.items()}
        terminal = Terminal({**alone.environment, **named}, alone.folder)
        told = terminal.run("runbook", "extract", str(guide), "--model")
    assert told.stdout.startswith("title: Look")
    assert "run: echo looked" in told.stdout
