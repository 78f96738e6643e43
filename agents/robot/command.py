"""The command `constellation robot`: serve a robot, real or simulated, as a device.

It is listed by `constellation --help` where the extra ``robot`` is missing too, so that whatever
needs NumPy is imported when it is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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

from ..bridged import device_settings
from ..options import Authority, Hub, Pair, Rules, StateDir, refuse
from ..settings import AgentSettings
from .keys import read_key
from .settings import LOCAL, SERVERS, Settings, WhenLost

if TYPE_CHECKING:
    from .agent import Assembly
    from .camera import Cameras
    from .exports import Writer
    from .pilot import Driven
    from .recording import Recorder

app = typer.Typer()

# Reads and stops beside the one motion at a time.
_CAPACITY = 4
# It holds as long as its hub is away: it looks for it often.
_REDIAL_S = 1.0
# A cable that is pulled says nothing: so long a robot may go on without its hub.
_LOST_AFTER_S = 2.0
# Options that mean nothing without one.
_AT_A_HUB = (
    *("hub", "pair", "ca", "rules", "state_dir", "name"),
    *("when_lost", "lost_after", "camera_rate"),
)
# A motion is not waited for when the robot is switched off.
_DRAIN_S = 1.0


def _is_a_time(value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"{value} is no number of seconds above 0.")
    return value


@app.command()
def robot(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Option("--robot", help="A Python file with robot() and policy().")
    ] = None,
    sim: Annotated[
        str | None,
        typer.Option(
            help="A simulated robot: whack, track, balance or intercept; cup, metaworld or pusht."
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option(help="What drives it: local, or the address of a policy server.")
    ] = LOCAL,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with the key that the policy server asks for.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated world.", min=0)] = 0,
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
        typer.Option(
            help="Seconds within which it reacts; default: as it can.", callback=_is_a_time
        ),
    ] = None,
    when_lost: Annotated[WhenLost, typer.Option(help="What it does without its hub.")] = (
        WhenLost.HOLD
    ),
    lost_after: Annotated[
        float,
        typer.Option(
            help="Seconds without a word of the hub after which it is out of reach.",
            min=0.5,
            max=60,
        ),
    ] = _LOST_AFTER_S,
    play: Annotated[
        float | None,
        typer.Option(help="No hub: let the policy drive for so many seconds.", callback=_is_a_time),
    ] = None,
    prompt: Annotated[str, typer.Option(help="The task in words, with --play.")] = "play",
    export: Annotated[
        str | None,
        typer.Option(help="Record what it does: lerobot:FOLDER or rerun:FILE, which is not there."),
    ] = None,
    camera: Annotated[
        bool,
        typer.Option(
            "--camera",
            help="Show what it sees: see `constellation camera`. A simulated robot gets a camera.",
        ),
    ] = False,
    camera_rate: Annotated[
        float, typer.Option(help="Pictures in a second, at most.", min=0.1, max=60)
    ] = 10.0,
    record: Annotated[
        Path | None,
        typer.Option(help="Film its last minute: FILE.gif, .webp or .mp4, or .png for a strip."),
    ] = None,
    hub: Hub = None,
    pair: Pair = None,
    ca: Authority = None,
    rules: Rules = None,
    state_dir: StateDir = None,
) -> None:
    """Serve a robot as a device, until Ctrl-C or SIGTERM; it is brought to rest before it ends.

    \b
    Examples:
      constellation robot --sim whack --policy local --strategy future-state
      constellation robot --robot arm.py --name arm --hub wss://hub.example:8470 --pair K7QX-93FM
      constellation robot --robot arm.py --play 20
      constellation robot --sim whack --camera --play 20 --export lerobot:whacks
      constellation robot --sim track --play 10 --record track.gif
    """
    if (file is None) == (sim is None):
        raise typer.BadParameter("Name a robot by either --robot or --sim.")
    _refuse_idle(context)
    try:
        from .agent import assemble, serve_robot
        from .exports import export_to
        from .recording import Recorder
        from .sources import from_file, from_world
        from .view import teller, watched
    except ImportError as error:
        raise ConfigError(
            f"A robot needs the extra 'robot': {error}.",
            remedy="Install it: pip install 'constellation-fabric[robot]'.",
        ) from None
    key = None if api_key_file is None else read_key(api_key_file)
    if file:
        found = from_file(file, policy, api_key=key)
    else:
        found = from_world(str(sim), policy, seed=seed, api_key=key, camera=camera)
    settings = Settings(merge=merge, reaction_s=reaction, when_lost=when_lost)
    recorder = Recorder()
    write = None if export is None else export_to(export, found[0].spec)
    cameras = _cameras(camera_rate) if camera else None
    watchers = [each for each in (write and recorder, cameras) if each is not None]
    assembly = assemble(*found, strategy, settings, watchers)
    if assembly.choice.strategy.waits:
        refuse(context, "A robot that waits for each answer reacts when it may.", "reaction")
    console = Console(stderr=True)
    tell = teller(console)
    filmed = nullcontext() if record is None else _filmed(assembly, record)
    code = 0
    try:
        if play is not None:
            tell(_acts_by(assembly))
            with assembly.loop, filmed, watched(assembly, console):
                drive = assembly.pilot.drive
                driven = anyio.run(drive, prompt, play, lambda fraction, message: None)
            typer.echo(_told(driven))
        else:
            log_to_stderr(load_settings().log_format)
            device = device_settings(
                "robot",
                name=name,
                hub=hub,
                pair=pair,
                ca=ca,
                policy=rules,
                state_dir=state_dir,
                capacity=_CAPACITY,
                drain_timeout_s=_DRAIN_S,
                redial_s=_REDIAL_S,
                lost_after_s=lost_after,
            )
            with filmed, watched(assembly, console):
                say_ready = partial(_say_ready, assembly, device, tell)
                code = serve_robot(assembly, device, say_ready, [cameras.show] if cameras else [])
    finally:
        if write is not None:
            typer.echo(_exported(recorder, write))
    raise typer.Exit(code)


def _refuse_idle(context: typer.Context) -> None:
    """Refuse options that would do nothing beside the others.

    Raises:
        typer.BadParameter: there is one.
    """
    given, no = context.params, partial(refuse, context)
    policy, own, plays = given["policy"], given["file"] is not None, given["play"] is not None
    if plays:
        no("It is for a robot at a hub, without --play.", *_AT_A_HUB)
    else:
        no("It belongs to --play.", "prompt")
    if own:
        no("It belongs to a simulated robot, --sim.", "seed")
    if not policy.startswith(SERVERS):
        no(f"It belongs to a policy server: --policy {SERVERS[0]}HOST:PORT.", "api_key_file")
    if not given["camera"]:
        no("It belongs to --camera.", "camera_rate")
    # A simulated robot sees by it itself, but no policy that ships looks.
    elif plays and (own or (policy.startswith(LOCAL) and given["export"] is None)):
        no("Nobody would look: without a hub it is for --export, or a policy server.", "camera")


def _cameras(rate_hz: float) -> Cameras:
    try:
        from .camera import Cameras
    except ImportError as error:
        raise _lacks_record("A camera", error) from None
    return Cameras(rate_hz)


def _filmed(assembly: Assembly, path: Path) -> AbstractContextManager[None]:
    try:
        from .film import checked, recorded
    except ImportError as error:
        raise _lacks_record("A film", error) from None
    checked(path)
    return recorded(assembly, path)


def _lacks_record(what: str, error: ImportError) -> ConfigError:
    return ConfigError(
        f"{what} needs the extra 'record': {error}.",
        remedy="Install it: pip install 'constellation-fabric[record]'.",
    )


def _exported(recorder: Recorder, write: Writer) -> str:
    episodes = recorder.episodes
    if not episodes:
        return "Nothing moved, so nothing was exported."
    try:
        write(episodes)
    except OSError as error:
        raise ConfigError(
            f"What was recorded cannot be written: {error}.", remedy="Export to another place."
        ) from error
    steps = sum(len(each.frames) for each in episodes)
    rest = f"; {recorder.left_out} had no room" if recorder.left_out else ""
    plural = "" if len(episodes) == 1 else "s"
    return f"Exported {steps} control steps in {len(episodes)} episode{plural}{rest}."


def _acts_by(assembly: Assembly) -> str:
    choice = assembly.choice
    return f"It acts by {choice.strategy.name}: {choice.why}."


def _told(driven: Driven) -> str:
    score = "" if driven.score is None else f", score {driven.score:g}"
    return (
        f"{driven.steps} control steps, {driven.held} without an action, "
        f"{driven.clamped} held back by limits{score}."
    )


def _say_ready(assembly: Assembly, settings: AgentSettings, tell: Callable[[str], None]) -> None:
    tell(f"{settings.name} is connected to {settings.hub}.")
    tell(_acts_by(assembly))
