"""The command `constellation ufo3`: UFO³'s devices as a device of a hub.

It is listed by `constellation --help` where the extra ``ufo3`` is missing too, so that what needs
it is imported when it is called.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from constellation.config import load_settings
from constellation.errors import ConfigError
from constellation.logs import log_to_stderr

from ..bridged import device_settings, read_secret, say
from ..options import Authority, Hub, Name, Pair, Rules, StateDir
from ..service import serve
from ..skills import AnySkill, SkillSource, skill

app = typer.Typer()


@app.command()
def ufo3(
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Be the server that UFO³ device clients dial."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the token that they must show.")
    ] = None,
    server_file: Annotated[
        Path | None,
        typer.Option(help="A file with the address, token and all, of a UFO³ server to drive."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(help="The id of a device behind that server; may be given again."),
    ] = None,
    name: Name = "ufo3",
    hub: Hub = None,
    pair: Pair = None,
    ca: Authority = None,
    policy: Rules = None,
    state_dir: StateDir = None,
) -> None:
    """Serve UFO³'s devices as a device, until Ctrl-C or SIGTERM.

    With --listen, UFO³ device clients dial this machine and their tools become skills. With
    --server-file and --device, devices of a UFO³ server take tasks in words from the hub.

    \b
    Examples:
      constellation ufo3 --listen 127.0.0.1:5000 --token-file ufo3.token
      constellation ufo3 --server-file ufo3.url --device windows_1
    """
    skills: list[AnySkill] = []
    sources: list[SkillSource] = []
    try:
        if listen is not None:
            found, source = _listening(listen, token_file)
            skills.append(found)
            sources.append(source)
        if server_file is not None:
            skills += _driving(server_file, device or [])
    except ImportError as error:
        raise ConfigError(
            f"This needs the extra 'ufo3': {error}.",
            remedy="Install it: pip install 'constellation-fabric[ufo3]'.",
        ) from None
    if not skills:
        raise ConfigError(
            "There is nothing to serve.",
            remedy="Give --listen, or --server-file with --device, or both.",
        )
    settings = device_settings(
        "ufo3", name=name, hub=hub, pair=pair, ca=ca, policy=policy, state_dir=state_dir
    )
    log_to_stderr(load_settings().log_format)
    ready = partial(say, f"{name} is connected to {settings.hub}.")
    raise typer.Exit(serve(settings, skills=skills, sources=sources, ready=ready))


def _listening(listen: str, token_file: Path | None) -> tuple[AnySkill, SkillSource]:
    from .gateway import Gateway, describe

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"{listen!r} is no HOST:PORT.", remedy="Such as 127.0.0.1:5000.")
    if token_file is None:
        raise ConfigError(
            "Nobody may dial without a token.", remedy="Name a file that has one: --token-file."
        )
    gateway = Gateway(
        host.strip("[]"),
        int(port),
        read_secret(token_file),
        lambda port: say(f"UFO³ devices can dial ws://{host}:{port}/ws with their token."),
    )

    @skill("ufo3.devices", effect="read", examples=["which ufo3 devices are connected"])
    async def devices() -> list[dict[str, Any]]:
        """List the UFO³ devices that are connected, with what they say of their machines."""
        return describe(gateway)

    return devices, gateway.run


def _driving(server_file: Path, devices: list[str]) -> list[AnySkill]:
    from .server import device_skills

    if not devices:
        raise ConfigError(
            "A UFO³ server does not say which devices it has.",
            remedy="Name each with --device.",
        )
    url = read_secret(server_file)
    return [each for device in devices for each in device_skills(url, device)]
