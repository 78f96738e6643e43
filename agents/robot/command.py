"""The command `constellation robot`: serve a robot, real or simulated, as a device.

It is listed by `constellation --help` where the extra ``robot`` is missing too, so that whatever
needs NumPy is imported when it is called.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
from rich.console import Console

from constellation.config import load_settings
from constellation.errors import ConfigError
from constellation.logs import log_to_stderr

from ..pairing import find_local, paired
from ..settings import AgentSettings
from .keys import read_key
from .settings import Settings, WhenLost

if TYPE_CHECKING:
    from .agent import Assembly
    from .pilot import Driven

app = typer.Typer()

# Reads and stops beside the one motion at a time.
_CAPACITY = 4
# It holds as long as its hub is away: it looks for it often.
_REDIAL_S = 1.0
# A motion is not waited for when the robot is switched off.
_DRAIN_S = 1.0


@app.command()
def robot(
    file: Annotated[
        Path | None, typer.Option("--robot", help="A Python file with robot() and policy().")
    ] = None,
    sim: Annotated[
        str | None,
        typer.Option(
            help="A simulated robot instead: whack, track, balance or intercept; cup or metaworld."
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option(help="What drives it: local, or the address of a policy server.")
    ] = "local",
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with the key that the policy server asks for.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated world.")] = 0,
    name: Annotated[str, typer.Option(help="The device's name, unique on its hub.")] = "robot",
    strategy: Annotated[
        str | None,
        typer.Option(help="How to act while it thinks, such as future-state; default: its best."),
    ] = None,
    merge: Annotated[
        int, typer.Option(help="Actions of the policy that become one: faster, less exact.", min=1)
    ] = 1,
    reaction: Annotated[
        float | None,
        typer.Option(help="Seconds within which it reacts; default: as it can."),
    ] = None,
    when_lost: Annotated[WhenLost, typer.Option(help="What it does without its hub.")] = (
        WhenLost.HOLD
    ),
    play: Annotated[
        float | None, typer.Option(help="No hub: let the policy drive for so many seconds.")
    ] = None,
    prompt: Annotated[str, typer.Option(help="The task in words, with --play.")] = "play",
    record: Annotated[
        Path | None,
        typer.Option(help="Film its last minute: FILE.gif, FILE.webp, or FILE.png for a strip."),
    ] = None,
    hub: Annotated[
        str | None, typer.Option(help="The hub's address; default: the hub of this machine.")
    ] = None,
    pair: Annotated[
        str | None, typer.Option(help="A code from `constellation pair`; needed once.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="Certificate authority to trust, a PEM file.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="What tasks may do, a TOML file; see docs/howto/policy.md.")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Where the agent keeps its memory.", file_okay=False)
    ] = None,
) -> None:
    """Serve a robot as a device, until Ctrl-C or SIGTERM; it is brought to rest before it ends.

    \b
    Examples:
      constellation robot --sim whack --policy local --strategy future-state
      constellation robot --robot arm.py --name arm --hub wss://hub.example:8470 --pair K7QX-93FM
      constellation robot --robot arm.py --play 20
      constellation robot --sim track --play 10 --record track.gif
    """
    if (file is None) == (sim is None):
        raise typer.BadParameter("Name a robot by either --robot or --sim.")
    try:
        from .agent import assemble, serve_robot
        from .sources import from_file, from_world
        from .view import watched
    except ImportError as error:
        raise ConfigError(
            f"A robot needs the extra 'robot': {error}.",
            remedy="Install it: pip install 'constellation-fabric[robot]'.",
        ) from None
    key = None if api_key_file is None else read_key(api_key_file)
    if file:
        found = from_file(file, policy, api_key=key)
    else:
        found = from_world(str(sim), policy, seed=seed, api_key=key)
    settings = Settings(merge=merge, reaction_s=reaction, when_lost=when_lost)
    assembly = assemble(*found, strategy, settings)
    console = Console(stderr=True)
    filmed = nullcontext() if record is None else _filmed(assembly, record)
    if play is not None:
        with assembly.loop, filmed, watched(assembly, console):
            driven = anyio.run(assembly.pilot.drive, prompt, play, lambda fraction, message: None)
        typer.echo(_told(driven))
        return
    log_to_stderr(load_settings().log_format)
    device = _device(name, hub, pair, ca, rules, state_dir)
    with filmed, watched(assembly, console):
        code = serve_robot(assembly, device, partial(_say_ready, assembly, device))
    raise typer.Exit(code)


def _filmed(assembly: Assembly, path: Path) -> AbstractContextManager[None]:
    try:
        from .recording import checked, recorded
    except ImportError as error:
        raise ConfigError(
            f"A film needs the extra 'record': {error}.",
            remedy="Install it: pip install 'constellation-fabric[record]'.",
        ) from None
    checked(path)
    return recorded(assembly, path)


def _told(driven: Driven) -> str:
    score = "" if driven.score is None else f", score {driven.score:g}"
    return (
        f"{driven.steps} control steps, {driven.held} without an action, "
        f"{driven.clamped} held back by limits{score}."
    )


def _device(
    name: str,
    hub: str | None,
    pair: str | None,
    ca: Path | None,
    rules: Path | None,
    state_dir: Path | None,
) -> AgentSettings:
    state = load_settings({"state_dir": state_dir}).state_dir.absolute()
    local = find_local(state) if hub is None else None
    settings = AgentSettings(
        hub=local.url if local else str(hub),
        name=name,
        state_dir=state,
        pair=pair,
        ca=ca and ca.absolute(),
        kind="robot",
        policy=rules and rules.absolute(),
        capacity=_CAPACITY,
        drain_timeout_s=_DRAIN_S,
        redial_s=_REDIAL_S,
    )
    return paired(settings, local) if local else settings


def _say_ready(assembly: Assembly, settings: AgentSettings) -> None:
    choice = assembly.choice
    typer.echo(f"{settings.name} is connected to {settings.hub}.")
    typer.echo(f"It acts by {choice.strategy.name}: {choice.why}.")
    sys.stdout.flush()
