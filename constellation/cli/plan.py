"""The command `plan`: what `run` would do, without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from constellation.config import load_settings
from constellation.graph.constellation import Constellation
from constellation.graph.plain import batch_from_plain
from constellation.telling.text import models

from .connection import run_async
from .embedded import open_fabric
from .output import Json, emit
from .render import notes_text, plan_table
from .run import Inputs, Root, StateDir, Words, read_job


def plan(
    request: Words,
    inputs: Inputs = None,
    root: Root = Path(),
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show how a request would be done: its tasks, in which order, on which devices.

    What --json prints can be kept in a file, changed, looked at with this command
    again, and given to `run` later.

    \b
    Examples:
      constellation plan "list the files on every machine, then write a report on desk"
      constellation plan backup.md --input target=backup.tar.gz
      constellation plan "check the memory of desk" --json > plan.json
    """
    job = read_job(request, inputs)
    settings = load_settings({"state_dir": state_dir})

    async def main() -> None:
        async with open_fabric(settings, root) as fabric:
            if "request" in job:
                await fabric.require_device()
            answer = await fabric.hub.ask("plan", **job)
        graph = Constellation("plan")
        graph.apply(batch_from_plain({"edits": answer["edits"]}), 0.0)
        emit(
            answer,
            notes_text(answer["title"], answer["notes"]),
            plan_table(graph),
            Text(f"Nothing was run.{_took(answer)}", style="dim"),
            as_json=as_json,
        )

    run_async(main)


def _took(answer: Mapping[str, Any]) -> str:
    took = models(answer["tokens"], answer["cost"])
    return f" Language models: {took}." if took else ""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Work")(plan)
