"""Looking at constellations and devices, and who may."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from cli_terminal import CLI, TIMEOUT_S, Terminal, line_with, process

from constellation.cli.options import complete_constellation, complete_device


@pytest.fixture(scope="module")
def ended(fabric: Terminal) -> str:
    """A constellation that has ended."""
    (fabric.folder / "note.txt").write_text("buy milk\n")
    identifier = fabric.submit("read the file note.txt")
    fabric.wait_for(identifier, "ended")
    return identifier


def without_ranks(graph: dict[str, Any]) -> dict[str, Any]:
    """A graph without what rests on durations that only the hub has learned."""
    nodes = [
        {key: value for key, value in node.items() if key != "rank"} for node in graph["nodes"]
    ]
    return {**graph, "nodes": nodes}


class TestLook:
    def test_ps_lists_what_runs_and_with_all_what_ended(self, fabric: Terminal, ended: str) -> None:
        assert ended not in fabric.run("ps").stdout
        assert ended in fabric.run("ps", "--all").stdout

    def test_show_tells_state_device_and_result(self, fabric: Terminal, ended: str) -> None:
        shown = fabric.run("show", ended).stdout
        assert "completed" in shown
        assert "desk" in shown
        assert "buy milk" in shown

    def test_show_exports_diagrams(self, fabric: Terminal, ended: str) -> None:
        assert fabric.run("show", ended, "--mermaid").stdout.startswith("flowchart TD")
        assert fabric.run("show", ended, "--dot").stdout.startswith("digraph")

    def test_show_tells_where_the_time_went(self, fabric: Terminal, ended: str) -> None:
        figures = fabric.json("show", ended, "--metrics")
        assert [step["device"] for step in figures["critical_path"]] == ["desk"]
        assert figures["max_width"] == 1
        rows = [line.split() for line in fabric.run("show", ended, "--metrics").stdout.splitlines()]
        assert ["At", "once,", "on", "average", "1.00"] in rows
        (step,) = figures["critical_path"]
        assert [step["task"], "desk", "+0", "ms"] in [row[:4] for row in rows]
        assert [row[-1] for row in rows if row[:1] == ["desk"]] == ["100%"]

    def test_logs_tell_the_story(self, fabric: Terminal, ended: str) -> None:
        lines = fabric.run("logs", ended).stdout.splitlines()
        assert "Planned 1 task." in lines[0]
        assert "completed" in lines[-1]
        assert fabric.run("logs", ended, "--follow").stdout.splitlines() == lines

    def test_logs_in_json_are_facts_and_can_be_continued(
        self, fabric: Terminal, ended: str
    ) -> None:
        def facts(*options: str) -> list[dict[str, object]]:
            out = fabric.run("logs", ended, "--json", *options).stdout
            return [json.loads(line) for line in out.splitlines()]

        every = facts()
        assert [fact["kind"] for fact in every] == [
            "created",
            "edited",
            "started",
            "finished",
            "ended",
        ]
        assert facts("--after", str(every[2]["seq"])) == every[3:]

    def test_a_reader_that_has_seen_enough_is_no_mistake(
        self, fabric: Terminal, ended: str
    ) -> None:
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "w") as nobody:
            told = subprocess.run(
                [*CLI, "logs", ended, "--json"],
                env=fabric.environment,
                stdout=nobody,
                stderr=subprocess.PIPE,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        assert told.returncode == 1
        assert told.stderr == ""

    def test_an_unknown_constellation_exits_with_4(self, fabric: Terminal) -> None:
        for command in ("show", "logs", "cancel", "pause", "approve"):
            assert "c-nonsuch" in fabric.run(command, "c-nonsuch", exits=4).stderr

    def test_replay_reads_the_journal_of_a_hub_that_runs(
        self, fabric: Terminal, ended: str
    ) -> None:
        journal = str(fabric.state_dir / "journal.db")
        told = fabric.run("replay", journal, "--constellation", ended).stdout
        assert "Planned 1 task." in told
        assert "buy milk" in told
        assert "Completed in" in told
        story = fabric.json("replay", journal, "-c", ended)
        assert without_ranks(story["graph"]) == without_ranks(fabric.json("show", ended)["graph"])
        diagram = fabric.run("replay", journal, "-c", ended, "--mermaid").stdout
        assert diagram.startswith("flowchart TD")
        assert ended in fabric.run("replay", journal).stdout
        fabric.run("replay", journal, "-c", "c-nonsuch", exits=4)


class TestDevices:
    def test_devices_are_listed(self, fabric: Terminal) -> None:
        assert "desk" in fabric.run("devices").stdout
        elsewhere = ["--state-dir", str(fabric.folder / "elsewhere")]
        for command in ("devices", "camera"):
            fabric.run(command, "--state-dir", str(fabric.state_dir))
            fabric.run(command, *elsewhere, exits=3)
        (desk,) = fabric.json("devices")["devices"]
        assert desk["presence"] == "connected"

    def test_a_device_pairs_with_a_code_and_is_revoked(self, fabric: Terminal) -> None:
        offer = fabric.json("pair", "--name", "lap")
        joining = ["--hub", offer["url"], "--name", "lap", "--pair", offer["code"]]
        with process(fabric, "agent", *joining, "--root", str(fabric.folder)) as agent:
            line_with(agent.stdout, "lap")
            assert "lap" in fabric.run("devices").stdout
            fabric.run("revoke", "lap")
            agent.communicate(timeout=TIMEOUT_S)
        assert agent.returncode == 5
        assert "lap" not in [each["name"] for each in fabric.json("devices")["devices"]]
        (gone,) = [d for d in fabric.json("devices", "--all")["devices"] if d["name"] == "lap"]
        assert gone["presence"] == "revoked"

    def test_pair_prints_the_command_for_the_other_machine(self, fabric: Terminal) -> None:
        shown = fabric.run("pair", "--name", "phone").stdout
        assert "Code: " in shown
        assert "constellation agent --hub ws://127.0.0.1:" in shown
        assert "--name phone --pair " in shown
        assert "Only this machine reaches that address" in shown

    def test_lint_checks_against_the_devices_of_the_hub(self, fabric: Terminal) -> None:
        book = fabric.folder / "lint.yaml"
        book.write_text("title: Lint\nsteps:\n  - {id: a, skill: no.such.skill}\n")
        fabric.run("runbook", "lint", str(book))
        assert "no.such.skill" in fabric.run("runbook", "lint", str(book), "--devices").stdout

    def test_doctor_finds_the_hub_well(self, fabric: Terminal) -> None:
        found = {finding["subject"]: finding for finding in fabric.json("doctor")["findings"]}
        assert found["Hub"]["status"] == "ok"
        assert found["Clock"]["status"] == "ok"
        assert found["Package agents"]["status"] == "ok"


class TestCredentials:
    def test_a_wrong_credential_exits_with_5(self, fabric: Terminal) -> None:
        url = fabric.json("pair")["url"]
        wrong = {"CONSTELLATION_CLIENT__URL": url, "CONSTELLATION_CLIENT__TOKEN": "cst_no_no"}
        stranger = replace(fabric, environment={**fabric.environment, **wrong})
        assert stranger.json("ps", exits=5)["error"]["code"] == "session.authentication"

    def test_completion_offers_constellations_and_devices(
        self, fabric: Terminal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in fabric.environment.items():
            monkeypatch.setenv(name, value)
        identifier = fabric.submit_question()
        assert identifier in dict(complete_constellation("c-"))
        assert dict(complete_device("de")) == {"desk": "connected"}
        assert dict(complete_device("x")) == {}
        fabric.run("cancel", identifier)
