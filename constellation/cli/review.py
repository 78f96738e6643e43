"""A plan that a person looks at, and may change, before anything of it runs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
import yaml
from rich.console import Console

from constellation.errors import ConfigError, ConstellationError
from constellation.graph.constellation import Constellation
from constellation.graph.plain import batch_from_plain

from .render import notes_text, plan_table

_QUESTION = "Run it? [y]es, [e]dit, [N]o: "
_HEAD = "# The plan, edit by edit, as `constellation edit` takes it. Save and close to go on.\n"


def require_terminal() -> None:
    """Refuse to review where nobody can answer.

    Raises:
        typer.BadParameter: this is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise typer.BadParameter(
            "A plan is reviewed at a terminal. Keep it with `constellation plan … --json`, look at "
            "it, and run the file.",
            param_hint="--review",
        )


def at_terminal(question: str) -> str:
    """The line that a person types; the question is no part of what is printed as a result.

    Raises:
        EOFError: there will be none.
    """
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def in_editor(text: str) -> str | None:
    """A text as a person leaves it in the editor of ``VISUAL`` or ``EDITOR``; None if as it was.

    Raises:
        ConfigError: the editor cannot be started, or failed.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with TemporaryDirectory(prefix="constellation-") as folder:
        file = Path(folder) / "plan.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(command), str(file)], check=True)
            written = file.read_text(encoding="utf-8")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise ConfigError(
                f"The editor {command!r} cannot be used: {error}.",
                remedy="Name another one in EDITOR.",
            ) from None
    return None if written == text else written


def review(
    plan: Mapping[str, Any],
    console: Console,
    check: Callable[[list[Any]], Sequence[str]],
    *,
    ask: Callable[[str], str] = at_terminal,
    change: Callable[[str], str | None] = in_editor,
) -> list[Any] | None:
    """Show a plan until a person takes or refuses it; return its edits, None if it is refused.

    Args:
        plan: what the hub's `plan` answered.
        check: says what speaks against edits that were changed; may raise `ConstellationError`.
        ask: puts a question and returns the line that was typed; raises EOFError at the end.
        change: opens an editor with a text; returns the new one, None if it was left as it was.
    """
    edits: list[Any] = list(plan["edits"])
    console.print(notes_text(plan["title"], plan["notes"]))
    while True:
        console.print(plan_table(_graph(edits)))
        try:
            answer = ask(_QUESTION).strip().lower()
        except EOFError:
            return None
        if answer in ("y", "yes"):
            return edits
        if answer not in ("e", "edit"):
            return None
        edits, notes = _changed(edits, console, change, check)
        console.print(notes_text(plan["title"], notes))


def _changed(
    edits: list[Any],
    console: Console,
    change: Callable[[str], str | None],
    check: Callable[[list[Any]], Sequence[str]],
) -> tuple[list[Any], Sequence[str]]:
    """The plan after the editor, with notes; as it was, with a reason, if it is none any more."""
    text = _HEAD + yaml.safe_dump(edits, sort_keys=False, allow_unicode=True)
    try:
        written = change(text)
        found = edits if written is None else yaml.safe_load(written)
        if not isinstance(found, list):
            raise typer.BadParameter("A plan is a list of edits.")
        _graph(found)
        return found, check(found)
    except (yaml.YAMLError, ConstellationError, typer.BadParameter) as error:
        console.print(f"The plan stays as it was: {error}", markup=False)
        return edits, ()


def _graph(edits: Sequence[Any]) -> Constellation:
    graph = Constellation("plan")
    graph.apply(batch_from_plain({"edits": list(edits)}), 0.0)
    return graph
