"""Exchanging a pairing code for a credential without serving yet."""

from __future__ import annotations

import anyio

from constellation.aip.cards import DeviceCard
from constellation.aip.client import connect
from constellation.aip.tls import client_context
from constellation.errors import HubUnreachable

from .settings import AgentSettings

TIMEOUT_S = 30.0


async def pair(settings: AgentSettings) -> None:
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
        with anyio.move_on_after(TIMEOUT_S):
            await link.ready()
            return
        raise HubUnreachable(
            f"The hub at {settings.hub} does not answer: {link.trouble or 'nothing was heard'}.",
            remedy="Check that it runs and that its address is right.",
            url=settings.hub,
        )
