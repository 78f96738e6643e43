"""Commands on a hub's audit log, read from its state directory: show, verify."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from constellation.config import load_settings
from constellation.orchestrator.audit import EMPTY, Head, entries
from constellation.orchestrator.audit import verify as verify_log
from constellation.telling.text import clean, date

from .exits import ExitCode
from .output import Json, emit
from .render import plain_table

audit = typer.Typer(no_args_is_help=True, help="Who did what on this hub, and when.")
_TOLD = frozenset({"number", "time", "what", "who", "before", "hash"})

StateDir = Annotated[Path | None, typer.Option(help="The hub's state directory.", file_okay=False)]


@audit.command()
def show(
    last: Annotated[int, typer.Option(help="How many entries.", min=1)] = 50,
    who: Annotated[str | None, typer.Option(help="Of one credential.")] = None,
    what: Annotated[str | None, typer.Option(help="Of one kind, such as refused.")] = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show the latest entries.

    \b
    Examples:
      constellation audit show
      constellation audit show --what refused --last 10
      constellation audit show --who ada --json
    """
    folder = load_settings({"state_dir": state_dir}).state_dir
    found = deque(
        (
            each
            for each in entries(folder)
            if (who is None or each.get("who") == who) and what in (None, each.get("what"))
        ),
        maxlen=last,
    )
    table = plain_table("Time", "What", "Who", "")
    for each in found:
        table.add_row(
            date(float(each["time"])), *map(_text, (each["what"], each["who"])), _rest(each)
        )
    emit({"entries": list(found)}, table, as_json=as_json)


@audit.command()
def verify(
    head: Annotated[
        str | None,
        typer.Option(help="What an earlier verify printed as the head: it must still be there."),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(help="The head of what was moved elsewhere; the log begins behind it."),
    ] = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Check that no entry was changed, left out, moved or cut off; exits with 1 if one was.

    Note the head that it prints where nobody can reach it who can reach the hub's files: with it,
    not even they can forge what was before.

    \b
    Examples:
      constellation audit verify
      constellation audit verify --head "$(cat noted-elsewhere)"
    """
    folder = load_settings({"state_dir": state_dir}).state_dir
    known, begin = _head(head, "--head"), _head(after, "--after")
    verdict = verify_log(folder, known, begin or EMPTY)
    said = [Text(each, style="bold red") for each in verdict.findings] or [
        Text(f"Entries: {verdict.number:,}, as they were written.")
    ]
    emit(
        {
            "count": verdict.number,
            "head": str(verdict.head),
            "findings": list(verdict.findings),
        },
        *said,
        f"Head: {verdict.head}",
        as_json=as_json,
    )
    if verdict.findings:
        raise typer.Exit(ExitCode.FAILED)


def _head(text: str | None, option: str) -> Head | None:
    try:
        return None if text is None else Head.read(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint=option) from None


def _text(value: Any) -> Text:
    return Text(clean(str(value)))


def _rest(entry: dict[str, Any]) -> Text:
    return _text(", ".join(f"{key} {value}" for key, value in entry.items() if key not in _TOLD))


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(audit, name="audit", rich_help_panel="This machine")
