"""The command `replay`: tell what a journal holds, without a hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from constellation.errors import UnknownConstellationError
from constellation.graph.export import to_json, to_mermaid
from constellation.orchestrator.journal import Journal
from constellation.telling.text import clean, clock, date
from constellation.telling.watched import Line, Watched

from .output import Json, console, emit_json
from .render import ending, result_texts, task_table


def replay(
    journal: Annotated[
        Path, typer.Argument(help="The journal file of a hub.", exists=True, dir_okay=False)
    ],
    constellation: Annotated[
        str | None, typer.Option("--constellation", "-c", help="Only this one.")
    ] = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="The final DAGs alone.")] = False,
    as_json: Json = False,
) -> None:
    """Rebuild constellations from a journal and tell what happened, fact by fact.

    A journal may be read while a hub writes it.

    \b
    Examples:
      constellation replay ~/.local/state/constellation/journal.db
      constellation replay journal.db --constellation c-7f3k9q
      constellation replay journal.db -c c-7f3k9q --json | jq .graph
    """
    if mermaid and as_json:
        raise typer.BadParameter("Choose one of --mermaid and --json.")
    stories = read_stories(journal, constellation)
    if constellation is not None and not stories:
        raise UnknownConstellationError(
            f"{journal} says nothing of {constellation!r}.",
            remedy="See what it holds with `constellation replay JOURNAL`.",
            constellation=constellation,
        )
    if not stories and not as_json:
        console().print(f"{journal} holds no constellation.", markup=False)
    for watched, lines in stories.values():
        if as_json:
            emit_json(
                {
                    "constellation": watched.constellation.id,
                    "name": watched.name,
                    "state": str(watched.state),
                    "ended": watched.ended_at is not None,
                    "story": [{"time": line.time, "text": line.text} for line in lines],
                    "graph": to_json(watched.constellation),
                }
            )
        elif mermaid:
            print(to_mermaid(watched.constellation), end="")
        else:
            _tell(watched, lines)


def read_stories(
    path: Path, constellation: str | None = None
) -> dict[str, tuple[Watched, list[Line]]]:
    """Rebuild the constellations of a journal, each with the lines that tell of it.

    Raises:
        JournalError: there is no journal, or it is damaged.
    """
    stories: dict[str, tuple[Watched, list[Line]]] = {}
    with Journal.open(path) as journal:
        for _, fact in journal.facts(constellation):
            found = stories.get(fact.constellation)
            if found is None:
                found = stories[fact.constellation] = Watched(fact.constellation), []
            watched, lines = found
            lines += watched.take({"time": fact.time, "kind": fact.kind, "body": fact.body})
    return stories


def _tell(watched: Watched, lines: list[Line]) -> None:
    out = console()
    created = "" if watched.created_at is None else f" of {date(watched.created_at)}"
    heading = f"{watched.constellation.id}{created}: {clean(watched.name or watched.request)}"
    out.print(Text(heading, style="bold"))
    for line in lines:
        out.print(Text.assemble("  ", (clock(line.time), "dim"), " ", (line.text, line.style)))
    last = lines[-1].time if lines else 0.0
    out.print(task_table(watched.constellation, last))
    for block in result_texts(watched.constellation):
        out.print(block)
    out.print(ending(watched) if watched.ended_at is not None else Text("It had not ended."))
    out.print()


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Look")(replay)
