"""Commands on runbooks: `runbook lint`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from constellation.aip.cards import DeviceCard
from constellation.planner.runbook import Finding, lint
from constellation.telling.text import clean, plural

from .connection import ask_hub
from .exits import ExitCode
from .files import read_text
from .output import Json, emit

STYLES = {"error": "bold red", "warning": "yellow", "hint": "cyan"}

runbook_app = typer.Typer(no_args_is_help=True, help="Check runbooks.")


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
