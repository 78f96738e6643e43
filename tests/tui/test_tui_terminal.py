"""From end to end: the command in a real terminal, with a hub and an agent as processes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]

TIMEOUT_S = 100
CLI = [sys.executable, "-m", "constellation.cli"]


class Tmux:
    """One window of a tmux server of its own, with the interface in it."""

    def __init__(self, state: Path, folder: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CONSTELLATION", "TMUX"))}
        self.environment = {
            **kept,
            "CONSTELLATION_STATE_DIR": str(state),
            "XDG_CONFIG_HOME": str(state / "none"),
            "LC_ALL": "C.UTF-8",
        }
        self._folder = folder
        self._socket = str(folder / "tmux")

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        )
        return done.stdout

    def open(self) -> None:
        command = shlex.join([*CLI, "tui"])
        self.run("new-session", "-d", "-x", "80", "-y", "24", "-c", str(self._folder), command)

    def keys(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def write(self, text: str) -> None:
        self.run("send-keys", "-l", text)

    def text(self) -> str:
        return self.run("capture-pane", "-p")

    def sees(self, *words: str) -> None:
        """Wait until all these words stand in the window."""
        end = time.monotonic() + TIMEOUT_S
        while not all(word in self.text() for word in words):
            assert time.monotonic() < end, f"{words} not all in:\n{self.text()}"


@contextmanager
def process(terminal: Tmux, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that is running and has said its first line."""
    running = subprocess.Popen(
        [*CLI, *arguments], env=terminal.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield running
    finally:
        running.terminate()
        running.communicate(timeout=100)


def first_line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline()


def test_a_person_asks_approves_and_sees_the_result(tmp_path: Path) -> None:
    state, folder = tmp_path / "state", tmp_path / "desk"
    state.mkdir(mode=0o700)
    folder.mkdir()
    terminal = Tmux(state, folder)
    with ExitStack() as stack:
        hub = stack.enter_context(process(terminal, "hub", "--port", "0", "--json"))
        url = json.loads(first_line(hub))["url"]
        offer = subprocess.run(
            [*CLI, "pair", "--name", "desk", "--json"],
            env=terminal.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        )
        code = json.loads(offer.stdout)["code"]
        joining = ["--hub", url, "--name", "desk", "--pair", code, "--root", str(folder)]
        agent = stack.enter_context(process(terminal, "agent", *joining))
        first_line(agent)
        terminal.open()
        stack.callback(terminal.run, "kill-server")
        terminal.sees("● connected", "desk", "Nothing yet.")
        terminal.keys("/")
        terminal.sees("What is to be done?")
        terminal.write("run `echo the answer is 42` on desk")
        terminal.keys("Enter")
        terminal.sees("1 task, not running", "r Run")
        terminal.keys("r")
        terminal.sees("? 1 for you")
        terminal.keys("a")
        terminal.sees("1 question")
        terminal.keys("y")
        terminal.sees("Nothing waits for you.")
        terminal.keys("Escape")
        terminal.sees("✓ completed")
        terminal.keys("Enter")
        terminal.sees("Result", "the answer is 42")
