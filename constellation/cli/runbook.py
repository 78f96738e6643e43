"""Commands on runbooks: `runbook lint`, `runbook extract` and `runbook run`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from constellation.aip.cards import DeviceCard
from constellation.config import load_settings
from constellation.errors import ConfigError
from constellation.planner.prose import Extraction, extract
from constellation.planner.runbook import Finding, lint
from constellation.telling.text import clean, plural

from .connection import ask_hub, run_async
from .exits import ExitCode
from .files import read_text
from .output import Json, console, emit, emit_json
from .run import run

STYLES = {"error": "bold red", "warning": "yellow", "hint": "cyan"}

runbook_app = typer.Typer(no_args_is_help=True, help="Check runbooks, draft and run them.")


@runbook_app.command("lint")
def lint_runbook(
    file: Annotated[Path, typer.Argument(help="A runbook, Markdown or YAML.")],
    devices: Annotated[
        bool, typer.Option("--devices", help="Check skills and devices against those of the hub.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Point at what is wrong, unclear, unused or slower than need be in a runbook.

    Errors make the exit code 4; warnings and hints leave it 0.

    \b
    Examples:
      constellation runbook lint backup.md
      constellation runbook lint backup.md --devices
    """
    text = read_text(file, "FILE")
    findings = lint(text, file.name, _cards() if devices else None)
    errors = sum(finding.severity == "error" for finding in findings)
    emit(
        {"findings": [asdict(finding) for finding in findings]},
        *(_line(file, finding) for finding in findings),
        f"{plural(errors, 'error')}, {plural(len(findings) - errors, 'remark')}.",
        as_json=as_json,
    )
    if errors:
        raise typer.Exit(ExitCode.REFUSED)


@runbook_app.command("extract")
def extract_runbook(
    file: Annotated[Path, typer.Argument(help="A guide for people, Markdown.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the draft there; not over a file.")
    ] = None,
    on: Annotated[str, typer.Option(help="The device for commands that say none.")] = "",
    devices: Annotated[
        bool, typer.Option("--devices", help="Know the names of the hub's devices.")
    ] = False,
    with_model: Annotated[
        bool, typer.Option("--model", help="Have the planner's language model read the guide.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Draft a runbook from a guide that was written for people.

    Nothing is guessed: what may change something does not run in the draft until
    you say so with an input, conditions in words are inputs too, and what could
    not be placed is told with its line and column.

    \b
    Examples:
      constellation runbook extract outage.md -o outage.yaml --on web-1
      constellation runbook run outage.yaml --input allow_systemctl_restart_nginx=true
    """
    text = read_text(file, "FILE")
    cards = _cards() if devices else None
    if with_model:
        found = _extract_with_model(text, file.name, cards, on)
    else:
        found = extract(text, file.name, cards, on=on)
    if found.text and output is not None:
        _write_new(output, found.text)
    if as_json:
        emit_json({"runbook": found.text, "findings": [asdict(each) for each in found.findings]})
    else:
        err = console(stderr=True)
        for finding in found.findings:
            err.print(_line(file, finding))
        if output is None:
            typer.echo(found.text, nl=False)
    if not found.text:
        raise typer.Exit(ExitCode.REFUSED)


def _extract_with_model(
    text: str, source: str, cards: list[DeviceCard] | None, on: str
) -> Extraction:
    planner = load_settings().planner
    if not planner.model:
        raise ConfigError("No model is named.", remedy="Set planner.model, or leave --model out.")
    # The extra that it needs is looked for only here.
    from constellation.llm import open_model
    from constellation.planner.prose.with_model import extract_with_model

    read = partial(
        extract_with_model,
        text,
        open_model(planner),
        source,
        cards,
        on=on,
        repairs=planner.repairs,
        tokens=planner.max_tokens,
        cost=planner.most_cost,
    )
    return run_async(read)


def _write_new(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise typer.BadParameter(
            f"There is a file {file} already.", param_hint="--output"
        ) from None
    except OSError as error:
        raise typer.BadParameter(
            f"{file} cannot be written: {error.strerror}.", param_hint="--output"
        ) from None


runbook_app.command("run")(run)


def _cards() -> list[DeviceCard]:
    return [DeviceCard.model_validate(each["card"]) for each in ask_hub("devices")["devices"]]


def _line(file: Path, finding: Finding) -> Text:
    return Text.assemble(
        (f"{file}:{finding.line}:{finding.column}: ", "bold"),
        (finding.severity, STYLES[finding.severity]),
        f": {clean(finding.message)} {clean(finding.remedy)}".rstrip(),
        (f" [{finding.code}]", "dim"),
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(runbook_app, name="runbook", rich_help_panel="Work")
