"""The command line as a script uses it, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from typer.testing import CliRunner, Result

from constellation.cli.app import app

CLI = [sys.executable, "-m", "constellation.cli"]
TIMEOUT_S = 100
# Commands ask before they run, so this waits for an approval.
ECHO = "run `echo hello from the device`"


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

    @property
    def state_dir(self) -> Path:
        return Path(self.environment["CONSTELLATION_STATE_DIR"])

    def run(self, *arguments: str, exits: int = 0) -> Result:
        """Run a command in this process and check its exit code."""
        result = CliRunner().invoke(app, arguments, env=self.environment)
        assert result.exit_code == exits, f"{arguments}\n{result.output}\n{result.exception!r}"
        return result

    def json(self, *arguments: str, exits: int = 0) -> Any:
        """Run a command with ``--json`` and read what it prints."""
        return json.loads(self.run(*arguments, "--json", exits=exits).stdout)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command as a process and leave it running."""
        return subprocess.Popen(
            [*CLI, *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def submit(self, request: str) -> str:
        """Submit a request and leave it to the hub; return its id."""
        return str(self.json("run", request, "--detach")["constellation"])

    def submit_question(self) -> str:
        """Submit a constellation whose only task waits for an approval; return its id."""
        identifier = self.submit(ECHO)
        self.wait_for(identifier, "asked")
        return identifier

    def wait_for(self, constellation: str, kind: str) -> dict[str, Any]:
        """Wait until a constellation has a fact of that kind; return its body."""
        with process(self, "logs", constellation, "--follow", "--json") as log:
            assert log.stdout is not None
            for line in log.stdout:
                event = json.loads(line)
                if event["kind"] == kind:
                    return dict(event["body"])
        raise AssertionError(f"{constellation} ended without a fact {kind!r}")


def line_with(stream: IO[str] | None, words: str) -> str:
    """Read lines up to the one with those words, and return it."""
    assert stream is not None
    seen = []
    for line in stream:
        seen.append(line)
        if words in line:
            return line
    raise AssertionError(f"{words!r} was not said in {seen}")


@contextmanager
def process(terminal: Terminal, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until the context ends."""
    started = terminal.start(*arguments)
    try:
        yield started
    finally:
        started.terminate()
        started.communicate(timeout=TIMEOUT_S)
