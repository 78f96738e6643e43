"""Getting a pairing code from the local hub, and exchanging one without serving yet."""

from __future__ import annotations

import anyio

from constellation.aip.cards import DeviceCard
from constellation.aip.client import Link, connect
from constellation.aip.tls import client_context
from constellation.errors import HubUnreachable

from .settings import AgentSettings

TIMEOUT_S = 30.0


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
