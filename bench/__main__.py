"""`python -m bench`: list the benches; `python -m bench NAME`: run one."""

from __future__ import annotations

import json
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer
from rich.console import Console

import bench
from constellation.errors import ConfigError

from .harness import Options, Report, circumstances

NO_BENCH = frozenset(
    {
        "__main__",
        "bench_skills",
        "devices",
        "echo",
        "fabric",
        "gang_skills",
        "harness",
        "ledger_skills",
        "pipeline_skills",
        "peers",
        "processes",
        "session_holder",
        "stream_device",
        "workloads",
    }
)
WIDTH = 140

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def names() -> list[str]:
    """The benches there are."""
    return sorted(
        found.name for found in iter_modules(bench.__path__) if found.name not in NO_BENCH
    )


def summary(name: str) -> str:
    """What a bench measures."""
    return (import_module(f"bench.{name}").__doc__ or "").partition("\n")[0]


@app.command()
def main(
    name: Annotated[str | None, typer.Argument(help="The bench to run; none lists them.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quick: Annotated[
        bool, typer.Option(help="Small and few: shows that it works, not how fast it is.")
    ] = False,
    peers: Annotated[bool, typer.Option(help="Also run the peers that are installed.")] = False,
    repetitions: Annotated[int | None, typer.Option(min=1, help="Of each case.")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many, for a bench that draws from seeds.")
    ] = None,
    extra: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="The bench's own option.")
    ] = None,
) -> None:
    """Measure what is claimed; figures are medians, with the least and the most beside them."""
    out = Console()
    if not out.is_terminal:
        out = Console(width=WIDTH)
    if name is None:
        for each in names():
            out.print(f"{each:10} {summary(each)}", markup=False, highlight=False)
        return
    if name not in names():
        raise typer.BadParameter(f"There is no bench {name!r}; there are {', '.join(names())}.")
    if any("=" not in each for each in extra or ()):
        raise typer.BadParameter("Write it as KEY=VALUE.", param_hint="--set")
    given = dict(each.split("=", 1) for each in extra or ())
    if seeds is not None:
        given["seeds"] = str(seeds)
    options = Options(quick=quick, repetitions=repetitions, peers=peers, extra=given)
    before = circumstances()
    try:
        report: Report = import_module(f"bench.{name}").run(options)
    except ConfigError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps({**report.data, "circumstances": before}))
        return
    for table in report.tables:
        out.print(table)
    for note in report.notes:
        out.print(f"• {note}", markup=False, highlight=False)
    libraries = ", ".join(f"{library} {found}" for library, found in before["libraries"].items())
    out.print(
        f"{before['machine']}, {before['cpus']} CPUs, Python {before['python']}, {libraries}; "
        f"commit {before['commit']}; load before it began {before['load_average'][0]}.",
        style="dim",
        highlight=False,
    )


if __name__ == "__main__":
    app(prog_name="python -m bench")
