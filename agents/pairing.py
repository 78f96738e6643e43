"""Getting a pairing code from the local hub, and exchanging one without serving yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio

from constellation.aip.cards import DeviceCard
from constellation.aip.client import Link, connect
from constellation.aip.tls import client_context
from constellation.config import LocalHub
from constellation.errors import ConfigError, HubUnreachable

from .settings import AgentSettings

TIMEOUT_S = 30.0


def find_local(state_dir: Path) -> LocalHub:
    """The hub that runs on this machine, for this user.

    Raises:
        ConfigError: there is none.
    """
    found = LocalHub.find(state_dir)
    if found is None:
        raise ConfigError(
            "No hub is running here.",
            remedy="Name one with --hub, or start one with `constellation hub`.",
        )
    return found


def paired(settings: AgentSettings, local: LocalHub) -> AgentSettings:
    """The settings, with a code of the local hub if there is nothing else to show.

    Raises:
        HubUnreachable: the hub does not answer.
    """
    if settings.pair or settings.credential or settings.credential_file.exists():
        return settings
    code = anyio.run(ask_for_code, local.url, local.token.get_secret_value(), settings.name)
    return replace(settings, pair=code)


async def exchange_code(settings: AgentSettings) -> None:
    """Exchange the code in the settings for a credential, and keep that.

    Raises:
        AuthenticationError: the hub does not take the code.
        HubUnreachable: it does not answer.
    """
    async with connect(
        settings.hub,
        role="device",
        name=settings.name,
        card=DeviceCard(name=settings.name, capacity=0),
        pair_code=settings.pair,
        ssl=client_context(settings.ca) if settings.hub.startswith("wss:") else None,
        on_credential=settings.keep_credential,
    ) as link:
        await _ready(link, settings.hub)


async def ask_for_code(hub: str, token: str, name: str) -> str:
    """A pairing code for a device of that name.

    Args:
        hub: the hub's address.
        token: a credential that may pair devices, such as a local hub leaves for its user.

    Raises:
        HubUnreachable: the hub does not answer.
        PermissionDenied: the credential may not pair devices.
    """
    async with connect(hub, role="client", name=f"pair-{name}", credential=token) as link:
        await _ready(link, hub)
        return str((await link.request("pair", {"name": name}))["code"])


async def _ready(link: Link, hub: str) -> None:
    with anyio.move_on_after(TIMEOUT_S):
        await link.ready()
        return
    raise HubUnreachable(
        f"The hub at {hub} does not answer: {link.trouble or 'nothing was heard'}.",
        remedy="Check that it runs and that its address is right.",
        url=hub,
    )
