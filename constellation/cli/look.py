"""Commands that look at constellations: ps, show, logs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from constellation.client import HubClient, open_hub
from constellation.config import load_settings
from constellation.graph.export import from_json, to_dot, to_mermaid
from constellation.graph.metrics import measure
from constellation.telling.text import clock
from constellation.telling.watched import Watched

from .connection import ask_for_run, ask_hub, run_async
from .figures import figures
from .options import ConstellationId
from .output import Json, console, emit, emit_json
from .render import result_texts, run_heading, runs_table, task_table


def ps(
    every: Annotated[bool, typer.Option("--all", "-a", help="Also those that have ended.")] = False,
    as_json: Json = False,
) -> None:
    """List the constellations of the hub.

    \b
    Examples:
      constellation ps
      constellation ps --all --json | jq -r '.constellations[].id'
    """
    answer = ask_hub("list", all=every)
    rows = answer["constellations"]
    nothing = "No constellation yet." if every else "Nothing runs. With --all: what has ended."
    emit(answer, runs_table(rows) if rows else nothing, as_json=as_json)


def show(
    constellation: ConstellationId,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid diagram.")] = False,
    dot: Annotated[bool, typer.Option("--dot", help="As a Graphviz graph.")] = False,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Where the time went: critical path, width, devices.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one constellation: its tasks, where they ran, what came out.

    \b
    Examples:
      constellation show c-7f3k9q
      constellation show c-7f3k9q --mermaid > plan.mmd
      constellation show c-7f3k9q --dot | dot -Tsvg > plan.svg
      constellation show c-7f3k9q --metrics
    """
    if mermaid + dot + (as_json or metrics) > 1:
        raise typer.BadParameter("Choose one of --mermaid, --dot, --metrics and --json.")
    answer = ask_for_run(constellation)
    graph = from_json(answer["graph"])
    if metrics:
        found = measure(graph, time.time())
        emit(asdict(found), *figures(found), as_json=as_json)
        return
    if as_json:
        emit_json(answer)
        return
    if mermaid or dot:
        print(to_mermaid(graph) if mermaid else to_dot(graph), end="")
        return
    emit(
        answer,
        run_heading(answer),
        task_table(graph, time.time(), answer["waiting"]),
        *result_texts(graph),
        as_json=False,
    )


def logs(
    constellation: ConstellationId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the constellation ends.")
    ] = False,
    after: Annotated[int, typer.Option(help="Only facts with a higher number.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Tell what happened in a constellation, one line for each fact; JSON lines with --json.

    \b
    Examples:
      constellation logs c-7f3k9q
      constellation logs c-7f3k9q --follow
      constellation logs c-7f3k9q --json | jq .kind
    """
    settings = load_settings()

    async def main() -> None:
        async with open_hub(settings) as hub:
            watched = Watched(constellation)
            events = await hub.follow(constellation) if follow else _logged(hub, constellation)
            async for event in events:
                _tell(watched, event, after=after, as_json=as_json)

    run_async(main)


async def _logged(hub: HubClient, constellation: str) -> AsyncIterator[Mapping[str, Any]]:
    """The facts so far."""
    after, more = 0, True
    while more:
        answer = await hub.ask("logs", constellation=constellation, after=after)
        for fact in answer["facts"]:
            after = fact["seq"]
            yield fact
        more = answer["more"]


def _tell(watched: Watched, event: Mapping[str, Any], *, after: int, as_json: bool) -> None:
    # Earlier facts are taken in without being told: later ones are understood through them.
    lines = watched.take(event)
    if event.get("seq", after + 1) <= after:
        return
    if as_json:
        emit_json({key: value for key, value in event.items() if key != "subscription"})
        return
    for line in lines:
        console().print(Text.assemble((clock(line.time), "dim"), " ", (line.text, line.style)))


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (ps, show, logs):
        app.command(rich_help_panel="Look")(command)
