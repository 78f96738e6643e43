"""The command `constellation agent`: serve this machine as a device."""

from __future__ import annotations

import getpass
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer

from constellation.config import load_settings
from constellation.logs import log_to_stderr

from .options import Authority, Hub, Name, Pair, Rules, StateDir
from .pairing import exchange_code, find_local, paired
from .service import serve
from .settings import DEFAULT_CAPACITY, AgentSettings
from .systemd import install as install_unit
from .systemd import unit_text

app = typer.Typer()


@app.callback(invoke_without_command=True)
def agent(
    ctx: typer.Context,
    name: Name,
    hub: Hub = None,
    pair: Pair = None,
    root: Annotated[
        list[Path] | None, typer.Option(help="A folder that tasks may use; may be given again.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A label for the card; may be given again."),
    ] = None,
    skills: Annotated[
        list[Path] | None, typer.Option(help="A Python file with skills; may be given again.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="The installed skills to publish; a word of your own for none.")
    ] = "computer",
    policy: Rules = None,
    capacity: Annotated[
        int, typer.Option(help="How many tasks run at once.", min=1, max=10_000)
    ] = DEFAULT_CAPACITY,
    ca: Authority = None,
    credential_file: Annotated[
        Path | None, typer.Option(help="A file with the credential, instead of pairing.")
    ] = None,
    state_dir: StateDir = None,
    drain_timeout: Annotated[
        float, typer.Option(help="Seconds that tasks may still run when it is stopped.", min=0)
    ] = 30.0,
) -> None:
    """Serve this machine as a device, until Ctrl-C or SIGTERM.

    The first time, pair it: `constellation pair` on the hub prints a code. Afterwards it has a
    credential of its own. It finishes what it runs before it stops.

    \b
    Examples:
      constellation agent --hub wss://hub.example:8470 --name desk --pair K7QX-93FM --root ~/work
      constellation agent --skills lamp.py --kind lamp --name lamp
      constellation agent --name desk --root ~/work install
    """
    configured = load_settings({"state_dir": state_dir})
    state = configured.state_dir.absolute()
    local = find_local(state) if hub is None else None
    settings = AgentSettings(
        hub=local.url if local else str(hub),
        name=name,
        state_dir=state,
        credential=credential_file and credential_file.absolute(),
        pair=pair,
        ca=ca.absolute() if ca else local.ca if local else None,
        kind=kind,
        skills=tuple(each.absolute() for each in skills or ()),
        roots=tuple(each.absolute() for each in root or ()),
        labels=_labels(label or []),
        policy=policy and policy.absolute(),
        capacity=capacity,
        assistant=configured.assistant,
        mcp_servers=configured.mcp.servers,
        drain_timeout_s=drain_timeout,
    )
    if local:
        settings = paired(settings, local)
    ctx.obj = settings
    if ctx.invoked_subcommand is None:
        log_to_stderr(configured.log_format)
        raise typer.Exit(serve(settings, ready=partial(_say_ready, settings)))


@app.command()
def unit(
    ctx: typer.Context,
    system: Annotated[bool, typer.Option(help="A unit of the system, not of the user.")] = False,
) -> None:
    """Print the systemd unit that `install` would install."""
    typer.echo(_unit(ctx.obj, system=system), nl=False)


@app.command()
def install(
    ctx: typer.Context,
    system: Annotated[bool, typer.Option(help="A unit of the system, not of the user.")] = False,
) -> None:
    """Have systemd keep this agent running; pairs it first if --pair is given."""
    settings: AgentSettings = ctx.obj
    if settings.pair is not None:
        anyio.run(exchange_code, settings)
        settings = replace(settings, pair=None)
    settings.find_credential()
    file = install_unit(settings.name, _unit(settings, system=system), system=system)
    typer.echo(f"{file} is installed and started.")


def _say_ready(settings: AgentSettings) -> None:
    typer.echo(f"{settings.name} is connected to {settings.hub}.")
    sys.stdout.flush()


def _labels(given: list[str]) -> dict[str, str]:
    labels = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{each!r} is not KEY=VALUE.", param_hint="--label")
        labels[key] = value
    return labels


def _unit(settings: AgentSettings, *, system: bool) -> str:
    """The unit that starts an agent as these settings say; a code is good once, so not in it."""
    options: list[tuple[str, object]] = [
        ("--hub", settings.hub),
        ("--name", settings.name),
        ("--state-dir", settings.state_dir),
        ("--kind", settings.kind),
        ("--capacity", settings.capacity),
        ("--drain-timeout", f"{settings.drain_timeout_s:g}"),
    ]
    options += [("--root", root) for root in settings.roots]
    options += [("--label", f"{key}={value}") for key, value in settings.labels.items()]
    options += [("--skills", file) for file in settings.skills]
    options += [("--policy", settings.policy)] if settings.policy else []
    options += [("--ca", settings.ca)] if settings.ca else []
    options += [("--credential-file", settings.credential)] if settings.credential else []
    command = [sys.executable, "-m", "constellation.cli", "agent"]
    return unit_text(
        command + [str(word) for option in options for word in option],
        device=settings.name,
        writable=[settings.state_dir, *settings.roots],
        stop_timeout_s=settings.drain_timeout_s + 20,
        user=getpass.getuser() if system else None,
    )
