"""Changing what runs: approvals, cancellation, edits, pause and retry."""

from __future__ import annotations

import json

from cli_terminal import Terminal


def test_an_approval_lets_the_task_run(fabric: Terminal) -> None:
    identifier = fabric.submit_question()
    done = fabric.run("approve", identifier)
    assert "echo hello from the device" in done.stdout
    assert "Answered: yes." in done.stdout
    fabric.wait_for(identifier, "ended")
    assert fabric.json("show", identifier)["state"] == "completed"


def test_a_refusal_ends_the_task(fabric: Terminal) -> None:
    identifier = fabric.submit_question()
    fabric.run("approve", identifier, "--deny")
    fabric.wait_for(identifier, "ended")
    assert fabric.json("show", identifier)["state"] == "canceled"


def test_an_approval_that_nobody_asked_for_is_refused(fabric: Terminal) -> None:
    identifier = fabric.submit_question()
    assert "waits for no answer" in fabric.run("approve", identifier, "x", exits=4).stderr
    fabric.run("cancel", identifier)
    assert "Nothing here waits" in fabric.run("approve", identifier, exits=4).stderr


def test_cancel_ends_a_constellation(fabric: Terminal) -> None:
    identifier = fabric.submit_question()
    fabric.run("cancel", identifier, "--reason", "not needed")
    assert "not needed" in fabric.run("logs", identifier).stdout
    assert "canceled" in fabric.run("show", identifier).stdout
    again = fabric.run("cancel", identifier, exits=4)
    assert "has ended" in again.stderr


def test_cancel_of_a_task_leaves_the_others(fabric: Terminal) -> None:
    identifier = fabric.submit_question()
    edits = fabric.folder / "more.yaml"
    edits.write_text("{id: second, skill: system.info}\n")
    fabric.run("edit", identifier, "--add", str(edits))
    fabric.run("cancel", identifier, "shell-run-desk")
    fabric.wait_for(identifier, "ended")
    states = {
        node["task"]["id"]: node["state"]
        for node in fabric.json("show", identifier)["graph"]["nodes"]
    }
    assert states == {"shell-run-desk": "canceled", "second": "completed"}


def test_an_edit_against_an_older_version_is_refused(fabric: Terminal) -> None:
    identifier = fabric.submit_question()
    edits = fabric.folder / "edits.json"
    edits.write_text(json.dumps([{"op": "add_task", "task": {"id": "a", "skill": "x.y"}}]))
    assert fabric.json("edit", identifier, str(edits))["version"] == 2
    update = [{"op": "update_task", "id": "a", "changes": {"priority": 1}}]
    edits.write_text(json.dumps({"edits": update, "base_version": 1}))
    fabric.run("edit", identifier, str(edits), exits=4)
    fabric.run("cancel", identifier)


def test_an_edit_that_contradicts_the_graph_names_the_task(fabric: Terminal) -> None:
    identifier = fabric.submit_question()
    assert "nonsuch" in fabric.run("edit", identifier, "--remove", "nonsuch", exits=4).stderr
    fabric.run("cancel", identifier)


def test_a_paused_constellation_starts_nothing_until_resumed(fabric: Terminal) -> None:
    identifier = fabric.submit_question()
    fabric.run("pause", identifier)
    assert "paused" in fabric.run("ps").stdout
    assert "\npaused, version 1" in fabric.run("show", identifier).stdout
    more = fabric.folder / "more.json"
    more.write_text(json.dumps({"id": "second", "skill": "system.info"}))
    fabric.run("edit", identifier, "--add", str(more))
    fabric.run("approve", identifier)
    fabric.wait_for(identifier, "finished")
    nodes = fabric.json("show", identifier)["graph"]["nodes"]
    assert [node["state"] for node in nodes] == ["completed", "submitted"]
    assert "The constellation is paused." in fabric.run("show", identifier).stdout
    fabric.run("resume", identifier)
    fabric.wait_for(identifier, "ended")
    assert fabric.json("show", identifier)["state"] == "completed"


def test_a_failed_task_is_retried(fabric: Terminal) -> None:
    book = fabric.folder / "retry.yaml"
    book.write_text(
        "title: Retry\nsteps:\n"
        "  - {id: read, skill: files.read, with: {path: later.txt}}\n"
        "  - {id: hold, run: echo hold, needs: []}\n"
    )
    identifier = str(fabric.json("run", str(book), "--detach")["constellation"])
    fabric.wait_for(identifier, "finished")
    (fabric.folder / "later.txt").write_text("now\n")
    fabric.run("retry", identifier, "read")
    fabric.wait_for(identifier, "asked")
    fabric.run("approve", identifier)
    fabric.wait_for(identifier, "ended")
    assert fabric.json("show", identifier)["state"] == "completed"


def test_what_failed_is_retried_after_the_end(fabric: Terminal) -> None:
    fabric.run("run", "read the file late.txt", exits=1)
    identifier = str(fabric.json("ps", "--all")["constellations"][-1]["id"])
    (fabric.folder / "late.txt").write_text("now\n")
    assert "runs again." in fabric.run("retry", identifier).stdout
    story = fabric.run("logs", identifier, "--follow").stdout
    assert "Taken up again." in story
    assert fabric.json("show", identifier)["state"] == "completed"
    told = fabric.run("retry", identifier, exits=4).stderr
    assert "There is nothing to retry." in told
