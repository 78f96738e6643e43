"""Every command of the README runs as it is printed, from a fresh home, and says what it should."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
TIMEOUT_S = 100
SERVES = ("constellation hub", "constellation agent")
EXAMPLE_CODE = "K7QX-93FM"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[str]:
    """The lines of a block as a person copies them, without remarks."""
    return [line.split("  #")[0].strip() for line in block.splitlines()]


def table_commands() -> list[str]:
    """The commands in the second column of tables."""
    rows = [line for line in README.splitlines() if line.startswith("| ") and "`" in line]
    return [command for row in rows for command in re.findall(r"`(constellation [^`]+)`", row)]


class Person:
    """Somebody at a terminal, with a home that holds nothing yet."""

    def __init__(self, home: Path) -> None:
        programs = home / "bin"
        programs.mkdir(parents=True)
        command = shlex.join([sys.executable, "-m", "constellation.cli"])
        (programs / "constellation").write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (programs / "constellation").chmod(0o755)
        kept = {name: os.environ[name] for name in ("PYTHONPATH", "LANG") if name in os.environ}
        self.environment: Mapping[str, str] = {
            **kept,
            "HOME": str(home),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CONSTELLATION_HUB__PORT": "0",  # the usual one may be in use here
        }
        self.code = EXAMPLE_CODE
        self.id = "ID"

    def run(self, command: str, folder: Path = PROJECT) -> str:
        """Run a command to its end and return what it prints."""
        typed = command.replace(EXAMPLE_CODE, self.code).replace(" ID", f" {self.id}")
        ended = subprocess.run(
            ["sh", "-c", typed],
            env=self.environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert ended.returncode == 0, f"{typed}\n{ended.stdout}\n{ended.stderr}"
        found = re.search(r"^Code: (\S+)", ended.stdout)
        self.code = found[1] if found else self.code
        return ended.stdout

    def submit_question(self) -> str:
        """Submit a command, which waits to be approved; return the constellation's id."""
        identifier = self.run("constellation run \"run 'echo yes' on desk\" --detach").strip()
        told = ["sh", "-c", f"constellation logs {identifier} --follow --json"]
        with subprocess.Popen(
            told, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None
            for line in running.stdout:
                if json.loads(line)["kind"] == "asked":
                    break
            running.terminate()
        return identifier

    @contextmanager
    def serving(self, command: str, folder: Path) -> Iterator[None]:
        """A command that stays, from the line in which it says that it is ready."""
        typed = command.replace(EXAMPLE_CODE, self.code)
        with subprocess.Popen(
            ["sh", "-c", f"exec {typed}"],
            env=self.environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as running:
            try:
                assert running.stdout is not None
                said = running.stdout.readline()
                assert "ready" in said or "connected" in said, f"{typed}\n{said}"
                yield
            finally:
                running.terminate()


def test_what_is_shown_of_the_demonstration_is_what_it_says() -> None:
    (shown,) = blocks("text")
    source = (PROJECT / "constellation" / "cli" / "demo.py").read_text(encoding="utf-8")
    for line in shown.splitlines():
        words = max(re.split(r"\b(?:server|laptop|[12])\b", line), key=len)
        assert words.strip(" :.") in source


@pytest.mark.full
def test_the_first_steps_and_the_table_of_commands(tmp_path: Path) -> None:
    person = Person(tmp_path)
    alone, fabric, lamp = blocks("sh")
    assert "total:" in person.run(alone)
    with ExitStack() as serving:
        for command in commands(fabric):
            if command.startswith(SERVES):
                serving.enter_context(person.serving(command, tmp_path))
            elif "uname" in command:
                person.run(f"{command} --yes", tmp_path)  # as a person says when asked
            else:
                person.run(command, tmp_path)
        assert "## list the files on desk" in (tmp_path / "shared" / "report.md").read_text()

        (tmp_path / "lamp.py").write_text(blocks("python")[1])
        for command in commands(lamp):
            if command.startswith(SERVES):
                serving.enter_context(person.serving(command, tmp_path))
            else:
                person.run(command, tmp_path)

        listed = table_commands()
        assert len(listed) >= 10
        for command in listed:
            person.id = person.submit_question() if " ID" in command else "ID"
            if "--follow" in command or "retry" in command:  # these want the end
                person.run("constellation cancel ID")
            person.run(command.replace(" TASK", " shell-run-desk"))
