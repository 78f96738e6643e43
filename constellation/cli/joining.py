"""Commands with which a person's machine becomes a client of a hub elsewhere: join, leave."""

from __future__ import annotations

import getpass
import re
import socket
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer
from pydantic import SecretStr

from constellation.aip.client import connect
from constellation.aip.trust import Invitation, trusting, vouched_for
from constellation.config import Settings, load_settings
from constellation.errors import HubUnreachable
from constellation.joined import JOINED_FILE, JoinedHub

from .connection import run_async
from .output import Json, emit


def join(
    hub: Annotated[str, typer.Argument(metavar="URL", help="The hub's address.")],
    pair: Annotated[
        str, typer.Option(help="A code from `constellation pair --role client` on the hub.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What the hub calls you; default: your user and host.")
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            help="Certificate authority to trust, a PEM file, if the code has no fingerprint.",
            exists=True,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Become a client of a hub elsewhere: the commands then use that one.

    \b
    Example:
      constellation join wss://hub.example:8470 --pair K7QX-93FM:0V2N8EJ7Q2S1R9ZB4D6T3XKWAC
    """
    settings = load_settings()
    authority = None if ca is None else ca.read_text()
    joined = run_async(partial(_join, settings, hub, pair, name or _own_name(), authority))
    emit(
        {"url": joined.url, "name": joined.name},
        f"Joined {joined.url} as {joined.name}.",
        as_json=as_json,
    )


async def _join(
    settings: Settings, hub: str, pair: str, name: str, authority: str | None
) -> JoinedHub:
    invitation = Invitation.read(pair)
    if authority is None:
        authority = await vouched_for(hub, invitation)
    tokens: list[str] = []
    async with connect(
        hub,
        role="client",
        name=name,
        pair_code=invitation.code,
        ssl=trusting(hub, authority),
        on_credential=tokens.append,
    ) as link:
        with anyio.move_on_after(settings.client.timeout_s) as scope:
            await link.ready()
        if scope.cancelled_caught:
            raise HubUnreachable(
                f"The hub at {hub} does not answer: {link.trouble or 'nothing was heard'}.",
                remedy="Check that it runs and that its address is right.",
                url=hub,
            )
        joined = JoinedHub(url=hub, name=name, token=SecretStr(tokens[0]), authority=authority)
        # Before we leave: the code is used up, and this is the only copy of what it brought.
        joined.keep(settings.make_state_dir())
        return joined


def leave(as_json: Json = False) -> None:
    """Forget the hub that was joined; its credential stays good there until it is revoked.

    \b
    Example:
      constellation leave
    """
    file = load_settings().state_dir / JOINED_FILE
    there = file.exists()
    file.unlink(missing_ok=True)
    said = "Left. The hub's admin can now revoke the credential." if there else "No hub was joined."
    emit({"left": there}, said, as_json=as_json)


def _own_name() -> str:
    name = f"{getpass.getuser()}-{socket.gethostname().split('.')[0]}"
    return re.sub(r"[^A-Za-z0-9_-]", "-", name).lstrip("-_")[:64] or "client"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (join, leave):
        app.command(rich_help_panel="This machine")(command)
