"""The command `tui`: the terminal interface."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from constellation.config import Settings, load_settings
from constellation.errors import ConfigError

from .run import StateDir


def tui(
    state_dir: StateDir = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it in a browser on this machine instead.")
    ] = False,
    port: Annotated[int, typer.Option(help="For --serve.", min=1, max=65535)] = 8471,
) -> None:
    """Live in the fabric: see what runs, say what is to be done, approve, change, undo.

    It uses the hub that is configured, or the one that runs on this machine, and
    waits for it if there is none yet. Leaving it stops nothing.

    \b
    Examples:
      constellation tui
      CONSTELLATION_CLIENT__URL=wss://hub.example/aip constellation tui
      constellation tui --serve
    """
    settings = load_settings({"state_dir": state_dir})
    if serve:
        _serve(settings, port)
        return
    in_browser = "TEXTUAL_DRIVER" in os.environ
    if not in_browser and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "The interface needs a terminal.",
            remedy="Where there is none, use the other commands: constellation ps --json",
        )
    # Only this command carries the interface; the others start without it.
    from constellation.tui.app import ConstellationApp

    ConstellationApp(settings).run()


def _serve(settings: Settings, port: int) -> None:
    try:
        from constellation.tui.web import GuardedServer
    except ImportError as error:
        raise ConfigError(
            f"The interface cannot be served: {error}.",
            remedy="Install the extra: pip install 'constellation-fabric[web]'",
        ) from error
    command = [sys.executable, "-m", "constellation.cli", "tui"]
    command += ["--state-dir", str(settings.state_dir)]
    try:
        GuardedServer(command, port, _say_where).serve()
    except OSError as error:
        raise ConfigError(
            f"Port {port} cannot be used: {error.strerror}.", remedy="Name another with --port."
        ) from error


def _say_where(url: str) -> None:
    print(f"Open {url}", "Ctrl-C stops serving it, and nothing else.", sep="\n", flush=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Look")(tui)
