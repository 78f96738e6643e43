"""Plans that a person looks at first."""

from __future__ import annotations

import io
import os
import pty
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_terminal import CLI, Terminal
from rich.console import Console

from constellation.cli.review import review
from constellation.errors import PermissionDenied

TASK = {"id": "read", "skill": "files.read", "arguments": {"path": "a.txt"}}
PLAN: dict[str, Any] = {
    "title": "read a.txt",
    "notes": ["a.txt of desk is meant."],
    "edits": [{"op": "add_task", "task": TASK}],
}


class Person:
    """Types lines, and changes texts."""

    def __init__(self, *lines: str, text: str | None = None) -> None:
        self._lines: Iterator[str] = iter(lines)
        self._text = text
        self.shown = io.StringIO()
        self.edited = ""

    def ask(self, question: str) -> str:
        try:
            return next(self._lines)
        except StopIteration:
            raise EOFError from None

    def change(self, text: str) -> str | None:
        self.edited = text
        return self._text

    def review(self) -> list[Any] | None:
        console = Console(file=self.shown, width=100)
        return review(PLAN, console, self.check, ask=self.ask, change=self.change)

    def check(self, edits: list[Any]) -> list[str]:
        if edits[0]["task"]["arguments"]["path"] == "secret.txt":
            raise PermissionDenied("Not that one.")
        return [f"Nobody has {edits[0]['task']['arguments']['path']}."]


@pytest.mark.parametrize("line", ["y", " YES "])
def test_plan_is_shown_and_taken(line: str) -> None:
    person = Person(line)
    assert person.review() == PLAN["edits"]
    assert "files.read(path: a.txt)" in person.shown.getvalue()
    assert "a.txt of desk is meant." in person.shown.getvalue()


@pytest.mark.parametrize("lines", [[""], ["n"], ["what?"], []])
def test_whatever_is_no_yes_refuses_it(lines: list[str]) -> None:
    assert Person(*lines).review() is None


def test_plan_is_changed_and_shown_again() -> None:
    changed = [{"op": "add_task", "task": {**TASK, "arguments": {"path": "b.txt"}}}]
    person = Person("e", "y", text=yaml.safe_dump(changed))
    assert person.review() == changed
    assert yaml.safe_load(person.edited) == PLAN["edits"]
    assert "files.read(path: b.txt)" in person.shown.getvalue()
    assert "Nobody has b.txt." in person.shown.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "{unclosed",
        "no list",
        "- op: add_task\n  task: {id: x, skil: y}",
        "- op: add_dependency\n  dependency: {source: x, target: y}",
    ],
)
def test_what_is_no_plan_changes_nothing(text: str) -> None:
    person = Person("e", "y", text=text)
    assert person.review() == PLAN["edits"]
    assert "The plan stays as it was" in person.shown.getvalue()


def test_change_that_the_hub_refuses_changes_nothing() -> None:
    changed = [{"op": "add_task", "task": {**TASK, "arguments": {"path": "secret.txt"}}}]
    person = Person("e", "y", text=yaml.safe_dump(changed))
    assert person.review() == PLAN["edits"]
    assert "The plan stays as it was: Not that one." in person.shown.getvalue()


def test_editor_that_was_left_changes_nothing() -> None:
    assert Person("e", "y").review() == PLAN["edits"]


def test_nobody_reviews_without_a_terminal(fabric: Terminal) -> None:
    result = fabric.run("run", "list the files", "--review", exits=2)
    assert "constellation plan" in result.stderr


def test_review_at_a_terminal(fabric: Terminal, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/first/second/ "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    near, far = pty.openpty()
    command = [*CLI, "run", "write 'first' to reviewed.txt then read reviewed.txt", "--review"]
    process = subprocess.Popen(
        command,
        env={**fabric.environment, "VISUAL": str(editor), "TERM": "dumb"},
        stdin=far,
        stdout=subprocess.PIPE,
        stderr=far,
    )
    os.close(far)
    seen = b""
    answers = iter([b"e\n", b"y\n"])
    while True:
        try:
            data = os.read(near, 4096)
        except OSError:
            break
        if not data:
            break
        before = seen.count(b"[N]o: ")
        seen += data
        for _ in range(seen.count(b"[N]o: ") - before):
            os.write(near, next(answers))
    assert process.stdout is not None
    out = process.stdout.read()
    assert process.wait(timeout=100) == 0, seen.decode()
    process.stdout.close()
    os.close(near)
    assert b"first" in seen
    assert b"second" in out
