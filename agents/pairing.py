"""Getting a pairing code from the local hub, and exchanging one without serving yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from ssl import SSLContext

import anyio

from constellation.aip.cards import DeviceCard
from constellation.aip.client import Link, connect
from constellation.aip.private_files import write_private
from constellation.aip.trust import Invitation, trusting, vouched_for
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
    return replace(settings, pair=anyio.run(ask_for_code, local, settings.name))


class Introduction:
    """How a hub is reached, and what a pairing with it leaves behind.

    Attributes:
        code: what the hub is told; None to show a credential instead.
        ssl: whom its certificate is believed; None without TLS.
    """

    def __init__(self, settings: AgentSettings, code: str | None, authority: str | None) -> None:
        known = settings.authority_file if settings.authority_file.exists() else None
        self._settings = settings
        self._authority = authority
        self.code = code
        self.ssl: SSLContext | None = trusting(settings.hub, settings.ca, authority, known)

    def keep(self, token: str) -> None:
        """Keep the credential that pairing brought, and whom to trust from now on."""
        self._settings.keep_credential(token)
        if self._authority is None:
            # What an older pairing brought is of another hub, or of none.
            self._settings.authority_file.unlink(missing_ok=True)
        else:
            write_private(self._settings.authority_file, self._authority.encode())


async def introduce(settings: AgentSettings) -> Introduction:
    """Find out whom to trust before anything is said to the hub.

    A pairing code with a fingerprint has the hub's authority fetched and compared with it.

    Raises:
        AuthenticationError: it is another one.
        HubUnreachable: the hub does not answer.
        ConfigError: the authority that is configured cannot be read.
    """
    if settings.pair is None:
        return Introduction(settings, None, None)
    invitation = Invitation.read(settings.pair)
    authority = await vouched_for(settings.hub, invitation) if settings.ca is None else None
    return Introduction(settings, invitation.code, authority)


async def exchange_code(settings: AgentSettings) -> None:
    """Exchange the code in the settings for a credential, and keep that.

    Raises:
        AuthenticationError: the hub does not take the code.
        HubUnreachable: it does not answer.
    """
    introduction = await introduce(settings)
    async with connect(
        settings.hub,
        role="device",
        name=settings.name,
        card=DeviceCard(name=settings.name, capacity=0),
        pair_code=introduction.code,
        ssl=introduction.ssl,
        on_credential=introduction.keep,
    ) as link:
        await _ready(link, settings.hub)


async def ask_for_code(local: LocalHub, name: str) -> str:
    """A pairing code of the hub of this machine for a device of that name.

    Raises:
        HubUnreachable: the hub does not answer.
        PermissionDenied: the credential may not pair devices.
    """
    async with connect(
        local.url,
        role="client",
        name=f"pair-{name}",
        credential=local.token.get_secret_value(),
        ssl=trusting(local.url, local.ca),
    ) as link:
        await _ready(link, local.url)
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
