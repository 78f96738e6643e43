"""The command `constellation`: its groups, its plugins, and how errors become exit codes."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from constellation.errors import ConfigError, ConstellationError

from . import (
    artifacts,
    audit,
    bridges,
    camera,
    cluster,
    control,
    demo,
    devices,
    doctor,
    hub,
    joining,
    look,
    plan,
    replay,
    run,
    runbook,
    tui,
)
from .exits import exit_code
from .output import emit_error, wants_json

PLUGINS = "constellation.commands"


def _plugins() -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=PLUGINS)}


class Commands(TyperGroup):
    """The built-in commands and those of installed packages, loaded when they are named.

    A package adds a command with an entry point in the group ``constellation.commands`` that names
    a `typer.Typer`.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        own = super().list_commands(ctx)
        return own + [name for name in sorted(_plugins()) if name not in own]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        plugin = _plugins().get(cmd_name)
        if plugin is None:
            return None
        try:
            found = plugin.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"The command {cmd_name!r} ({plugin.value}) cannot be loaded: {error}.",
                remedy="Install its package again, and see `constellation doctor`.",
            ) from error
        command = typer.main.get_command(found)
        command.name = cmd_name
        if isinstance(command, (TyperCommand, TyperGroup)):
            command.rich_help_panel = "On devices"
        return command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for argument in args:
            if not argument.isascii() and any("\ud800" <= each <= "\udfff" for each in argument):
                # Python's stand-ins for bytes that are none: they can be neither sent nor printed.
                shown = argument.encode(errors="backslashreplace").decode()
                raise typer.BadParameter(f"The argument {shown} is not text in UTF-8.", ctx=ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ConstellationError as error:
            emit_error(error, as_json=wants_json(ctx))
            raise typer.Exit(exit_code(error)) from error


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done · 1 failed or canceled · 2 wrong arguments or configuration · "
        "3 no hub or no device · 4 refused (plan, edit, unknown name) · 5 not permitted · "
        "130 interrupted.\n\n"
        'First steps: constellation run "show the system information"'
    ),
)


def _print_version(value: bool) -> None:
    if value:
        from constellation import __version__

        print(f"constellation {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Turn your devices into one computer: give it work in plain words."""


for group in (
    *(run, plan, demo, hub, joining, devices, look, camera, tui, control, replay, runbook),
    *(artifacts, bridges, audit, doctor, cluster),
):
    group.register(app)


def main() -> None:
    """Entry point of the command `constellation`."""
    app(prog_name="constellation")
