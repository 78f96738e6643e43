"""The command `tui`: the terminal interface."""

from __future__ import annotations

import sys

import typer

from constellation.config import load_settings
from constellation.errors import ConfigError

from .run import StateDir


def tui(state_dir: StateDir = None) -> None:
    """Live in the fabric: see what runs, say what is to be done, approve, change, undo.

    It uses the hub that is configured, or the one that runs on this machine, and
    waits for it if there is none yet. Leaving it stops nothing.

    \b
    Examples:
      constellation tui
      CONSTELLATION_CLIENT__URL=wss://hub.example/aip constellation tui
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "The interface needs a terminal.",
            remedy="Where there is none, use the other commands: constellation ps --json",
        )
    # Only this command carries the interface; the others start without it.
    from constellation.tui.app import ConstellationApp

    ConstellationApp(load_settings({"state_dir": state_dir})).run()


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Look")(tui)
