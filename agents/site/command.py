"""The command `constellation site`: the hub of this machine as a device of another one."""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer

from constellation.aip.client import connect
from constellation.aip.eventloop import loop_options
from constellation.aip.trust import trusting
from constellation.config import LocalHub, load_settings
from constellation.errors import ConfigError, HubUnreachable
from constellation.logs import log_to_stderr

from ..bridged import device_settings, say
from ..options import Authority
from ..policy import Effects, Policy
from ..service import run_agent
from ..settings import AgentSettings
from .hub import SiteHub
from .source import RunRequest, SiteSkills

TIMEOUT_S = 10.0

app = typer.Typer()


@app.command()
def site(
    hub: Annotated[str, typer.Option(help="The address of the hub above.")],
    name: Annotated[str, typer.Option(help="The site's name, unique on that hub.")],
    pair: Annotated[
        str | None, typer.Option(help="A code from `constellation pair` above; needed once.")
    ] = None,
    ca: Authority = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="What tasks from above may do, a TOML file; without one, all that the site's own "
            "devices allow. They ask by themselves."
        ),
    ] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Constellation's state directory, by which its hub is found."),
    ] = None,
) -> None:
    """Serve the hub of this machine as a device of another hub, until Ctrl-C or SIGTERM.

    What its devices can do, the hub above can have done; which of them does it, the site decides.

    \b
    Example:
      constellation site --hub wss://region.example:8470 --name north --pair K7QX-2M4D
    """
    settings = device_settings(
        "site", name=name, hub=hub, pair=pair, ca=ca, policy=policy, state_dir=state_dir
    )
    local = LocalHub.find(settings.state_dir)
    if local is None:
        raise ConfigError(
            "No hub is running here.", remedy="Start the site's with `constellation hub`."
        )
    log_to_stderr(load_settings().log_format)
    anyio.run(partial(_serve, settings, local), backend_options=loop_options())


async def _serve(settings: AgentSettings, local: LocalHub) -> None:
    opened = connect(
        local.url,
        role="client",
        name=f"site-{socket.gethostname().split('.')[0]}-{os.getpid()}",
        credential=local.token.get_secret_value(),
        ssl=trusting(local.url, local.ca),
    )
    async with opened as link:
        with anyio.move_on_after(TIMEOUT_S) as scope:
            await link.ready()
        if scope.cancelled_caught:
            raise HubUnreachable(f"The hub at {local.url} does not answer.")
        below = SiteHub(link)
        await run_agent(
            settings,
            skills=[RunRequest(below)],
            sources=[SiteSkills(below).run],
            policy=Policy(effects=Effects(dangerous="allow")),
            ready=partial(say, f"{settings.name} is connected to {settings.hub}."),
        )
