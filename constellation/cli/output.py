"""Where output goes: results to stdout, remarks and mistakes to stderr, JSON where asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from constellation.errors import ConstellationError
from constellation.telling.text import clean

PLAIN_WIDTH = 160


def _remember_json(ctx: typer.Context, value: bool) -> bool:
    ctx.find_root().meta[__name__] = value
    return value


Json = Annotated[
    bool,
    typer.Option("--json", help="Print JSON for scripts.", callback=_remember_json),
]


def wants_json(ctx: typer.Context) -> bool:
    """True if the command in this context was given ``--json``."""
    return bool(ctx.find_root().meta.get(__name__, False))


def console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr; lines are not broken where no terminal reads them."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=not stream.isatty())


def emit(data: Any, *parts: RenderableType, as_json: bool) -> None:
    """Print a result: ``data`` as one JSON object, or the parts for people."""
    if as_json:
        emit_json(data)
        return
    out = console()
    for part in parts:
        out.print(Text(part) if isinstance(part, str) else part)


def emit_json(data: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps(data, ensure_ascii=False, default=_plain), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def remark(text: str, style: str = "") -> None:
    """Tell the person something that is not the result."""
    console(stderr=True).print(Text(clean(text), style=style))


def emit_error(error: ConstellationError, *, as_json: bool) -> None:
    """Say what is wrong and what to do: on stderr, or as ``{"error": …}`` on stdout."""
    if as_json:
        emit_json({"error": error.to_wire()})
        return
    message = Text("Error: ", style="bold red")
    message.append(clean(error.message), style="not bold default")
    if error.remedy:
        message.append(f"\n{clean(error.remedy)}", style="not bold default")
    problems = error.details.get("problems")
    for problem in problems[1:] if isinstance(problems, list) else ():
        message.append(f"\n{problem_text(problem)}", style="not bold default")
    console(stderr=True).print(message)


def problem_text(problem: Mapping[str, Any]) -> str:
    """One of the ``problems`` of a `PlanError`, beside the first, which its message tells.

    It may have a place (``line``, ``column``), or the ``clause`` that it is about.
    """
    where = f"“{problem['clause']}”: " if problem.get("clause") else ""
    if "line" in problem:
        where = f"{problem['line']}:{problem['column']}: "
    suggestions = " — or — ".join(problem.get("suggestions", ()))
    remedy = f"Did you mean: {suggestions}?" if suggestions else problem.get("remedy", "")
    what = problem.get("message") or problem.get("reason", "")
    return clean(f"{where}{what} {remedy}".rstrip())
