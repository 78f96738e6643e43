"""`run` and `plan` against a hub and a device that are processes of their own."""

from __future__ import annotations

import signal

from cli_terminal import ECHO, TIMEOUT_S, Terminal, line_with, process

RUNBOOK = """\
title: Greet
inputs:
  name: {default: world}
steps:
  - id: write
    skill: files.write
    with: {path: greeting.txt, content: "hello ${inputs.name}"}
  - id: read
    skill: files.read
    with: {path: greeting.txt}
    needs: write
"""


def test_the_result_is_on_stdout_and_the_progress_on_stderr(fabric: Terminal) -> None:
    (fabric.folder / "note.txt").write_text("buy milk\n")
    done = fabric.run("run", "read the file note.txt")
    assert done.stdout == "buy milk\n"
    assert "Planned 1 task." in done.stderr
    assert "started" in done.stderr
    assert "completed" in done.stderr
    assert "on desk" in done.stderr
    assert "constellation show c-" in done.stderr


def test_json_reports_state_tasks_and_outputs(fabric: Terminal) -> None:
    (fabric.folder / "note.txt").write_text("buy milk\n")
    report = fabric.json("run", "read the file note.txt")
    assert report["state"] == "completed"
    (task,) = report["tasks"]
    assert (task["state"], task["device"], task["attempt"]) == ("completed", "desk", 1)
    assert report["outputs"][task["id"]]["content"] == "buy milk\n"
    assert report["duration_s"] > 0


def test_a_failure_exits_with_1_and_says_why(fabric: Terminal) -> None:
    done = fabric.run("run", "read the file missing.txt", exits=1)
    assert "missing.txt" in done.stderr
    assert "Failed in" in done.stderr
    assert done.stdout == ""


def test_nonsense_exits_with_4_and_says_what_was_not_understood(fabric: Terminal) -> None:
    before = fabric.json("ps", "--all")["constellations"]
    done = fabric.run("run", "make me a sandwich", exits=4)
    assert "make me a sandwich" in done.stderr
    assert fabric.json("ps", "--all")["constellations"] == before


def test_each_part_that_was_not_understood_is_told_with_its_reason(fabric: Terminal) -> None:
    told = fabric.run("run", "open the door. delete *.log on desk. don't worry", exits=4).stderr
    first, *others = told.splitlines()
    assert first.startswith("Error: I cannot place “open the door”")
    assert "“delete *.log on desk”: *.log may stand for several files: name each." in others
    assert any(line.startswith("“don't worry”: It says what not to do.") for line in others)


def test_every_input_that_is_missing_is_told(fabric: Terminal) -> None:
    book = fabric.folder / "inputs.yaml"
    book.write_text("inputs: {a: , b: }\nsteps:\n  - {run: 'echo ${inputs.a} ${inputs.b}'}\n")
    told = fabric.run("run", str(book), exits=4).stderr
    assert "--input a=VALUE" in told
    assert "Input 'b' is missing. Give it a value, as in --input b=VALUE." in told


def test_a_runbook_runs_with_its_inputs(fabric: Terminal) -> None:
    book = fabric.folder / "greet.yaml"
    book.write_text(RUNBOOK)
    assert fabric.run("run", str(book), "-i", "name=Ada").stdout == "hello Ada\n"


def test_a_broken_runbook_exits_with_4_and_names_the_place(fabric: Terminal) -> None:
    book = fabric.folder / "broken.yaml"
    book.write_text(RUNBOOK.replace("needs:", "requires:"))
    done = fabric.run("run", str(book), exits=4)
    assert f"{book}:11:" in done.stderr


def test_a_plan_can_be_kept_and_run(fabric: Terminal) -> None:
    book = fabric.folder / "greet.yaml"
    book.write_text(RUNBOOK)
    plan = fabric.folder / "plan.json"
    plan.write_text(fabric.run("plan", str(book), "--json").stdout)
    assert fabric.run("run", str(plan)).stdout == "hello world\n"


def test_what_speaks_against_a_plan_is_said_and_does_not_keep_it_from_running(
    fabric: Terminal,
) -> None:
    plan = fabric.folder / "plan.json"
    text = fabric.run("plan", "write 'yes' to doubted.txt", "--json").stdout
    plan.write_text(text.replace('"path"', '"path": "x", "paths"'))
    doubt = "files.write takes no argument 'paths'. Did you mean 'path'?"
    assert doubt in fabric.run("plan", str(plan)).stdout
    assert doubt in fabric.run("run", str(plan), exits=1).stderr


def test_a_plan_is_shown_and_not_run(fabric: Terminal) -> None:
    done = fabric.run("plan", "write 'secret' to planned.txt")
    assert "files.write(" in done.stdout
    assert "desk" in done.stdout
    assert not (fabric.folder / "planned.txt").exists()


def test_yes_approves_and_says_so(fabric: Terminal) -> None:
    done = fabric.run("run", ECHO, "--yes")
    assert done.stdout == "hello from the device\n"
    assert "Approved, as --yes says" in done.stderr
    assert "echo hello from the device" in done.stderr


def test_without_a_terminal_it_says_how_to_approve_and_waits(fabric: Terminal) -> None:
    with process(fabric, "run", ECHO) as running:
        command = line_with(running.stderr, "To answer:").split()
        identifier = command[command.index("approve") + 1]
        assert "hello from the device" in fabric.run("show", identifier).stdout
        fabric.run("approve", identifier)
        out, _ = running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == 0
    assert out == "hello from the device\n"


def test_ctrl_c_cancels_what_runs(fabric: Terminal) -> None:
    with process(fabric, "run", ECHO) as running:
        command = line_with(running.stderr, "To answer:").split()
        identifier = command[command.index("approve") + 1]
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == 130
    assert "Canceling." in err
    assert fabric.json("show", identifier)["state"] == "canceled"
