"""A hub and a local agent as processes, and the command line to use them with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CLI = [sys.executable, "-m", "constellation.cli"]
TIMEOUT_S = 60


def clean_environment(state_dir: Path) -> dict[str, str]:
    """This process's environment without settings of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CONSTELLATION")}
    return {
        **kept,
        "CONSTELLATION_STATE_DIR": str(state_dir),
        "XDG_CONFIG_HOME": str(state_dir / "no-config"),
        "COLUMNS": "120",
    }


@dataclass(frozen=True, slots=True)
class Terminal:
    """Runs commands as a script would: no terminal, settings from the environment.

    Attributes:
        environment: for the commands.
        folder: their working directory.
    """

    environment: Mapping[str, str]
    folder: Path

    def run(self, *arguments: str, exits: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and check its exit code."""
        done = subprocess.run(
            [*CLI, *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == exits, f"{arguments}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str, exits: int = 0) -> Any:
        """Run a command with ``--json`` and read what it prints."""
        return json.loads(self.run(*arguments, "--json", exits=exits).stdout)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            [*CLI, *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@contextmanager
def process(terminal: Terminal, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that serves until the context ends."""
    started = terminal.start(*arguments)
    try:
        yield started
    finally:
        started.terminate()
        started.communicate(timeout=TIMEOUT_S)


@pytest.fixture
def alone(tmp_path: Path) -> Terminal:
    """A machine on which nothing runs."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    folder = tmp_path / "work"
    folder.mkdir()
    return Terminal(clean_environment(state), folder)


@pytest.fixture(scope="session")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A machine with a hub and one device, ``desk``, that may use the working directory."""
    state = tmp_path_factory.mktemp("hub-state")
    state.chmod(0o700)
    folder = tmp_path_factory.mktemp("desk")
    terminal = Terminal(clean_environment(state), folder)
    with process(terminal, "hub", "--port", "0", "--json") as hub:
        assert hub.stdout is not None
        url = json.loads(hub.stdout.readline())["url"]
        code = terminal.json("pair", "--name", "desk")["code"]
        joining = ["--hub", url, "--name", "desk", "--pair", code, "--root", str(folder)]
        with process(terminal, "agent", *joining) as agent:
            assert agent.stdout is not None
            agent.stdout.readline()
            yield terminal
