"""The command `run`: plan a request, run it, show how it goes, print the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import anyio.from_thread
import anyio.to_thread
import typer
from rich.text import Text

from constellation.config import load_settings
from constellation.errors import HubUnreachable
from constellation.graph.results import in_plan_order, results
from constellation.graph.task import TaskState
from constellation.telling.watched import Watched

from .connection import run_async
from .display import open_display
from .embedded import Fabric, hub_stays, open_fabric
from .exits import ExitCode
from .files import read_json, read_text
from .follow import Follower
from .options import pairs
from .output import Json, console, emit, emit_json
from .render import ending, notes_text, result_texts
from .review import require_terminal, review

RUNBOOK_SUFFIXES = frozenset({".md", ".markdown", ".yaml", ".yml"})
PLAN_SUFFIX = ".json"

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="REQUEST",
        help="What to do in plain words; or a runbook (.md, .yaml); or a plan (.json).",
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="KEY=VALUE", help="An input of the runbook."),
]
Root = Annotated[
    Path,
    typer.Option(
        help="If no hub is up: the folder that the local agent may use.",
        file_okay=False,
        exists=True,
    ),
]
StateDir = Annotated[
    Path | None, typer.Option(help="State directory of the hub to use or start.", file_okay=False)
]


def read_job(words: list[str], inputs: list[str] | None) -> dict[str, Any]:
    """What was asked for, as parameters of the hub's `plan` and `submit`.

    Raises:
        typer.BadParameter: a file is missing or unreadable, or inputs came without a runbook.
    """
    text = " ".join(words).strip()
    if not text:
        raise typer.BadParameter("Say what to do.", param_hint="REQUEST")
    path = Path(text)
    suffix = path.suffix.lower() if len(words) == 1 else ""
    if inputs and suffix not in RUNBOOK_SUFFIXES:
        raise typer.BadParameter("Inputs are for runbooks.", param_hint="--input")
    if suffix in RUNBOOK_SUFFIXES and _is_file_name(text):
        values = pairs(inputs or [], "--input")
        return {"runbook": read_text(path, "REQUEST"), "source": str(path), "inputs": values}
    if suffix == PLAN_SUFFIX and _is_file_name(text):
        return _read_plan(path)
    return {"request": text}


def _is_file_name(text: str) -> bool:
    """True if it is no sentence that happens to end in a file's name."""
    return " " not in text or Path(text).exists()


def _read_plan(path: Path) -> dict[str, Any]:
    plan = read_json(path, "REQUEST")
    if not isinstance(plan, dict) or not isinstance(plan.get("edits"), list):
        raise typer.BadParameter(
            f"{path} is not a plan as `constellation plan --json` prints it.", param_hint="REQUEST"
        )
    return {"edits": plan["edits"], "name": str(plan.get("title", path.stem))}


def run(
    request: Words,
    inputs: Inputs = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Approve whatever this run asks to do.")
    ] = False,
    look_first: Annotated[
        bool,
        typer.Option("--review", help="Show the plan first, to be run, changed or refused."),
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Submit and return; needs a running hub.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="A name for the constellation.")] = None,
    priority: Annotated[int, typer.Option(help="Higher runs first.")] = 0,
    max_cost: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="What language models may cost in all, in the currency of their prices."
        ),
    ] = None,
    root: Root = Path(),
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Do a piece of work across the devices and print its result.

    The hub that is up is used. If there is none, a hub and one agent for this
    machine are started for as long as the work takes; the agent may use the
    folder given by --root. Journal and results stay in the state directory.

    Ctrl-C cancels the work; a second Ctrl-C stops waiting for it.

    \b
    Examples:
      constellation run "show the system information of every machine"
      constellation run backup.md --input target=backup.tar.gz
      constellation run "run 'make test' on desk; if it fails, notify me on laptop" --yes
      constellation run "write 'hello' to note.txt on every machine" --review
      constellation run "list the files on desk" --json | jq .outputs
    """
    job = read_job(request, inputs)
    if look_first:
        require_terminal()
    settings = load_settings({"state_dir": state_dir})
    if detach and not hub_stays(settings):
        raise HubUnreachable(
            "--detach needs a hub that stays, and none is up.",
            remedy="Start one with `constellation hub`, or leave --detach out.",
        )

    async def main() -> ExitCode:
        async with open_fabric(settings, root) as fabric:
            if "request" in job:
                await fabric.require_device()
            if look_first:
                reviewed = await _reviewed(fabric, job)
                if reviewed is None:
                    console(stderr=True).print("Nothing was run.", style="dim")
                    return ExitCode.FAILED
                job.update(reviewed)
            if name is not None:
                job["name"] = name
            options = {"priority": priority, "max_cost": max_cost}
            doubts = await _doubts(fabric, job) if "edits" in job and not look_first else []
            submitted = await fabric.hub.ask("submit", **options, **job)
            submitted["notes"] = [*doubts, *submitted["notes"]]
            if detach:
                emit(submitted, submitted["constellation"], as_json=as_json)
                return ExitCode.DONE
            return await _follow(fabric, submitted, approve=yes, as_json=as_json)

    code = run_async(main)
    if code:
        raise typer.Exit(code)


async def _doubts(fabric: Fabric, job: Mapping[str, Any]) -> Sequence[str]:
    """What speaks against a plan that was not made just now."""
    notes: Sequence[str] = (await fabric.hub.ask("plan", edits=job["edits"]))["notes"]
    return notes


async def _reviewed(fabric: Fabric, job: Mapping[str, Any]) -> dict[str, Any] | None:
    """What to submit of a job once a person has looked at its plan; None if it is refused."""
    plan = await fabric.hub.ask("plan", **job)

    def check(edits: list[Any]) -> Sequence[str]:
        return anyio.from_thread.run(_doubts, fabric, {"edits": edits})

    edits = await anyio.to_thread.run_sync(review, plan, console(stderr=True), check)
    if edits is None:
        return None
    return {"edits": edits, "name": plan["title"], "revise_on": plan["revise_on"]}


async def _follow(
    fabric: Fabric, submitted: Mapping[str, Any], *, approve: bool, as_json: bool
) -> ExitCode:
    identifier = submitted["constellation"]
    if not as_json:
        console(stderr=True).print(notes_text(submitted["title"], submitted["notes"]))
    with open_display(as_json=as_json) as display:
        follower = Follower(fabric.hub, identifier, display, approve=approve)
        ended = await follower.to_end()
    watched = follower.watched
    if as_json:
        emit_json({**report(watched), "title": submitted["title"], "notes": submitted["notes"]})
    else:
        for block in result_texts(watched.constellation):
            console().print(block)
        err = console(stderr=True)
        err.print(ending(watched) if ended else Text(fabric.what_follows(identifier)))
        err.print(Text(f"More: {fabric.where_to_look(identifier)}", style="dim"))
    if follower.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if watched.state is TaskState.COMPLETED else ExitCode.FAILED


def report(watched: Watched) -> dict[str, Any]:
    """What ``--json`` prints of a run: its end, its results, and every task."""
    graph = watched.constellation
    return {
        "constellation": graph.id,
        "state": str(watched.state),
        "duration_s": None
        if watched.ended_at is None or watched.created_at is None
        else watched.ended_at - watched.created_at,
        "tokens": watched.tokens,
        "cost": watched.cost,
        "outputs": results(graph),
        "tasks": [
            {
                "id": node.task.id,
                "name": node.task.name,
                "state": str(node.state),
                "device": node.device,
                "attempt": node.attempt,
                "output": node.output,
                "error": node.error,
            }
            for node in in_plan_order(graph)
        ],
    }


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Work")(run)
