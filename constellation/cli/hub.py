"""The command `hub`: serve until stopped."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from constellation.config import load_settings
from constellation.logs import log_to_stderr

from .connection import run_async
from .output import Json, emit


def hub(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate, a PEM file; needs --tls-key.", exists=True)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, a PEM file.", exists=True)] = None,
    tls: Annotated[
        Literal["auto", "on", "off"] | None,
        typer.Option(
            help="auto: beyond this machine, with an authority of its own unless --tls-cert names "
            "a certificate; off: plain text, which anybody on the way can read and change."
        ),
    ] = None,
    known_as: Annotated[
        list[str] | None,
        typer.Option(help="A name or address by which others reach it; may be given again."),
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Where journal and credentials lie.", file_okay=False)
    ] = None,
    journal_sync: Annotated[
        Literal["normal", "full", "off"] | None,
        typer.Option(help="normal survives kill -9; full a power cut too; off is for measuring."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve as the hub, in the foreground, until Ctrl-C or SIGTERM.

    One line with the address is printed when it is ready. Constellations that
    were running when the hub last stopped go on.

    \b
    Examples:
      constellation hub
      constellation hub --host 0.0.0.0
      constellation hub --host 0.0.0.0 --known-as hub.example --tls-cert c.pem --tls-key k.pem
      constellation hub --port 0 --state-dir /tmp/fabric --json
    """
    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key go together.", param_hint="--tls-cert")
    settings = load_settings(
        {
            "state_dir": state_dir,
            "hub": {
                "host": host,
                "port": port,
                "tls": tls,
                "known_as": known_as or None,
                "tls_cert": tls_cert,
                "tls_key": tls_key,
                "journal_sync": journal_sync,
            },
        }
    )
    # Only this command carries the orchestrator; the others start without it.
    from constellation.orchestrator.hub import Hub
    from constellation.orchestrator.service import serve_until_stopped

    log_to_stderr(settings.log_format)

    def ready(served: Hub) -> None:
        emit(
            {"url": served.url, "state_dir": str(settings.state_dir)},
            f"Hub ready at {served.url}, state in {settings.state_dir}.",
            as_json=as_json,
        )

    run_async(partial(serve_until_stopped, settings, ready))


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="This machine")(hub)
