"""`run` without a hub: one is started for it, works, and is gone afterwards."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest
from cli_terminal import CLI, ECHO, TIMEOUT_S, Terminal, line_with, process

from constellation.cli.embedded import local_device_name
from constellation.config import LocalHub

pytestmark = pytest.mark.full


def children(running: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that a command has started: its hub and its agent."""
    return psutil.Process(running.pid).children()


def test_work_is_done_and_nothing_is_left_running(alone: Terminal) -> None:
    (alone.folder / "note.txt").write_text("buy milk\n")
    for _ in range(2):  # the second finds the state that the first left
        with process(alone, "run", "read the file note.txt") as running:
            out, err = running.communicate(timeout=TIMEOUT_S)
        assert (running.returncode, out) == (0, "buy milk\n"), err
        assert LocalHub.find(alone.state_dir) is None
    identifier = re.search(r"--constellation (c-\w+)", err)
    assert identifier is not None
    told = alone.run("replay", str(alone.state_dir / "journal.db"), "-c", identifier[1]).stdout
    assert "buy milk" in told


def test_the_agent_keeps_to_its_root(alone: Terminal) -> None:
    (alone.folder / "inside").mkdir()
    (alone.folder / "secret.txt").write_text("secret\n")
    with process(alone, "run", "read the file ../secret.txt", "--root", "inside") as running:
        out, err = running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == 1
    assert "secret\n" not in out
    assert "../secret.txt" in err


def test_other_terminals_find_the_embedded_hub(alone: Terminal) -> None:
    with process(alone, "run", ECHO) as running:
        identifier = line_with(running.stderr, "To answer:").split()[-3]
        assert identifier in alone.run("ps").stdout
        alone.run("approve", identifier)
        out, _ = running.communicate(timeout=TIMEOUT_S)
    assert out == "hello from the device\n"


def test_a_second_run_leans_neither_on_the_hub_of_the_first_nor_on_its_root(
    alone: Terminal,
) -> None:
    for name in ("first", "second"):
        (alone.folder / name).mkdir()
        (alone.folder / name / "note.txt").write_text(f"{name}\n")
    with process(alone, "run", ECHO, "--root", "first") as first:
        line_with(first.stderr, "To answer:")
        assert "constellation hub" in alone.run("run", ECHO, "--detach", exits=3).stderr
        with process(alone, "run", "read note.txt", "--root", "second") as second:
            out, err = second.communicate(timeout=TIMEOUT_S)
        assert (second.returncode, out) == (0, "second\n"), err
        told = re.search(r"replay (\S+) --constellation (c-\w+)", err)
        assert told is not None
        assert "second" in alone.run("replay", told[1], "-c", told[2]).stdout
        (row,) = alone.json("ps")["constellations"]
        alone.run("approve", row["id"])
        out, _ = first.communicate(timeout=TIMEOUT_S)
    assert out == "hello from the device\n"


def test_runs_that_start_at_the_same_moment_do_not_meet(alone: Terminal) -> None:
    (alone.folder / "note.txt").write_text("buy milk\n")
    with ExitStack() as stack:
        started = [stack.enter_context(process(alone, "run", "read note.txt")) for _ in range(3)]
        for running in started:
            out, err = running.communicate(timeout=TIMEOUT_S)
            assert (running.returncode, out) == (0, "buy milk\n"), err


def test_detach_needs_a_hub_that_stays(alone: Terminal) -> None:
    done = alone.run("run", ECHO, "--detach", exits=3)
    assert "constellation hub" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_children_too(alone: Terminal, number: int) -> None:
    with process(alone, "run", ECHO) as running:
        line_with(running.stderr, "To answer:")
        started = children(running)
        running.send_signal(number)
        running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == 128 + number
    assert len(started) == 2
    psutil.wait_procs(started, timeout=TIMEOUT_S)
    assert not any(each.is_running() for each in started)


def test_a_dead_hub_ends_the_run_with_its_log(alone: Terminal) -> None:
    with process(alone, "run", ECHO) as running:
        line_with(running.stderr, "To answer:")
        found = LocalHub.find(alone.state_dir)
        assert found is not None
        os.kill(found.pid, signal.SIGKILL)
        _, err = running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == 3
    assert "embedded-hub" in err


def test_work_that_was_cut_short_is_said_to_be(alone: Terminal) -> None:
    begun = alone.folder / "begun"
    os.mkfifo(begun)
    with process(alone, "run", "run `echo yes > begun; sleep 60`", "--yes") as running:
        assert begun.read_text() == "yes\n"  # once the command runs
        (row,) = alone.json("ps")["constellations"]
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=TIMEOUT_S)
    told = alone.run("replay", str(alone.state_dir / "journal.db"), "-c", row["id"]).stdout
    assert "stopped" in told
    assert "Failed in" in told


def test_work_that_only_asked_waits_for_the_next_hub(alone: Terminal) -> None:
    with process(alone, "run", ECHO) as running:
        identifier = line_with(running.stderr, "To answer:").split()[-3]
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=TIMEOUT_S)
    told = alone.run("replay", str(alone.state_dir / "journal.db"), "-c", identifier).stdout
    assert "It had not ended." in told


@contextmanager
def on_a_terminal(
    terminal: Terminal, *arguments: str
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A command with a terminal as stdin, stdout and stderr; yields our side of it."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*CLI, *arguments],
        env={**terminal.environment, "TERM": "xterm-256color", "LINES": "40"},
        cwd=terminal.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield ours, running
    finally:
        running.terminate()
        running.wait(timeout=TIMEOUT_S)
        os.close(ours)


def read_until(terminal: int, words: str) -> str:
    """What appears on a terminal up to some words."""
    seen = b""
    while words.encode() not in seen:
        seen += os.read(terminal, 4096)
    return seen.decode(errors="replace")


def read_to_end(terminal: int) -> str:
    seen = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            return seen.decode(errors="replace")
        if not chunk:
            return seen.decode(errors="replace")
        seen += chunk


class TestTerminal:
    def test_a_person_is_asked_and_may_say_yes(self, alone: Terminal) -> None:
        with on_a_terminal(alone, "run", ECHO) as (screen, running):
            asked = read_until(screen, "[y/N]")
            assert "echo hello from the device" in asked
            os.write(screen, b"maybe\n")
            assert "neither yes nor no" in read_until(screen, "[y/N]")
            os.write(screen, b"y\n")
            rest = read_to_end(screen)
            assert running.wait(timeout=TIMEOUT_S) == 0
        assert "hello from the device" in rest
        assert "Completed in" in rest

    def test_an_empty_answer_is_no(self, alone: Terminal) -> None:
        with on_a_terminal(alone, "run", ECHO) as (screen, running):
            read_until(screen, "[y/N]")
            os.write(screen, b"\n")
            read_to_end(screen)
            assert running.wait(timeout=TIMEOUT_S) == 1

    def test_ctrl_c_while_asked_cancels(self, alone: Terminal) -> None:
        with on_a_terminal(alone, "run", ECHO) as (screen, running):
            read_until(screen, "[y/N]")
            running.send_signal(signal.SIGINT)
            assert "Canceling. Ctrl-C again stops waiting." in read_to_end(screen)
            assert running.wait(timeout=TIMEOUT_S) == 130

    def test_the_end_of_input_answers_nothing(self, alone: Terminal) -> None:
        with on_a_terminal(alone, "run", ECHO) as (screen, running):
            read_until(screen, "[y/N]")
            os.write(screen, b"\x04")  # Ctrl-D
            assert "constellation approve" in read_until(screen, "[--deny]")
            (row,) = alone.json("ps")["constellations"]
            alone.run("approve", row["id"])
            read_to_end(screen)
            assert running.wait(timeout=TIMEOUT_S) == 0

    def test_an_answer_from_elsewhere_ends_the_question(self, alone: Terminal) -> None:
        with on_a_terminal(alone, "run", ECHO) as (screen, running):
            read_until(screen, "[y/N]")
            (row,) = alone.json("ps")["constellations"]
            alone.run("approve", row["id"])
            assert "hello from the device" in read_to_end(screen)
            assert running.wait(timeout=TIMEOUT_S) == 0


def test_the_device_is_named_after_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for host, name in {
        "desk.example.org": "desk",
        "my desk": "my-desk",
        "-x": "x",
        "": "local",
        "a" * 99: "a" * 64,
    }.items():
        monkeypatch.setattr("platform.node", lambda host=host: host)
        assert local_device_name() == name
