"""The command `constellation a2a-agent`: an agent of others as a device of a hub.

It is listed by `constellation --help` where the extra ``a2a`` is missing too, so that what needs
it is imported when it is called.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from constellation.config import load_settings
from constellation.errors import ConfigError
from constellation.logs import log_to_stderr

from ..bridged import device_settings, read_secret, say
from ..options import Authority, Hub, Name, Pair, Rules, StateDir
from ..service import serve
from ..skills import skill

app = typer.Typer()


@app.command()
def a2a_agent(
    url: Annotated[str, typer.Argument(help="Where the agent's card is, without /.well-known.")],
    name: Name,
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the bearer credential that it asks for.")
    ] = None,
    hub: Hub = None,
    pair: Pair = None,
    ca: Authority = None,
    policy: Rules = None,
    state_dir: StateDir = None,
) -> None:
    """Serve an agent that speaks A2A as a device, until Ctrl-C or SIGTERM.

    The skills of its card are skills of the device; each takes a request in plain words.

    \b
    Example:
      constellation a2a-agent https://baker.example --name baker --token-file baker.token
    """
    try:
        from .source import A2AAgent
    except ImportError as error:
        raise ConfigError(
            f"This needs the extra 'a2a': {error}.",
            remedy="Install it: pip install 'constellation-fabric[a2a]'.",
        ) from None
    agent = A2AAgent(name, url, None if token_file is None else read_secret(token_file))

    @skill(f"{name}.agent", effect="read")
    async def reached() -> dict[str, bool]:
        """Tell whether the A2A agent behind this device answers."""
        return {"answers": agent.is_there}

    settings = device_settings(
        "a2a", name=name, hub=hub, pair=pair, ca=ca, policy=policy, state_dir=state_dir
    )
    log_to_stderr(load_settings().log_format)
    ready = partial(say, f"{name} is connected to {settings.hub}.")
    raise typer.Exit(serve(settings, skills=[reached], sources=[agent.run], ready=ready))
