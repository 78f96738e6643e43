"""Whom a hub's certificate is believed: an authority that a person vouched for with a fingerprint.

A pairing code of a hub with an authority of its own reads ``K7QX-93FM:<fingerprint>``. Whoever
pairs fetches the authority over a connection that proves nothing and carries nothing secret,
compares it with the fingerprint, and trusts it alone from then on: the code goes only to a hub
whose certificate it has signed. A machine in the middle can neither show that authority's signature
nor another authority with that fingerprint.
"""

from __future__ import annotations

import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from constellation.errors import AuthenticationError, HubUnreachable

from .dialing import LOCAL_HOSTS
from .spelling import as_meant
from .tls import client_context

AUTHORITY_PATH = "/authority"
TIMEOUT_S = 10.0
MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Invitation:
    """What `constellation pair` prints.

    Attributes:
        code: what the hub is told.
        fingerprint: of the hub's authority; empty if its certificate is to be checked otherwise.
    """

    code: str
    fingerprint: str = ""

    @classmethod
    def read(cls, text: str) -> Invitation:
        """Read what somebody typed."""
        code, _, fingerprint = text.strip().partition(":")
        return cls(code.strip(), as_meant(fingerprint))

    def __str__(self) -> str:
        return f"{self.code}:{self.fingerprint}" if self.fingerprint else self.code


async def vouched_for(url: str, invitation: Invitation) -> str | None:
    """The authority that an invitation vouches for, as PEM; None if it vouches for none.

    Raises:
        AuthenticationError, HubUnreachable: see `fetch_authority`.
    """
    if not invitation.fingerprint or not url.startswith("wss:"):
        return None
    return await fetch_authority(url, invitation.fingerprint)


async def fetch_authority(url: str, fingerprint: str) -> str:
    """The authority of the hub at an address, as PEM, if it is the one with that fingerprint.

    Raises:
        AuthenticationError: it is another one: somebody may be in the middle.
        HubUnreachable: nobody answers, or not as a hub with an authority of its own does.
    """
    # Both are slow to import, and only a first pairing needs them.
    import httpx

    from .authority import fingerprint_of

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    parts = urlsplit(url)
    address = parts._replace(scheme="https", path=AUTHORITY_PATH, fragment="").geturl()
    local = parts.hostname in LOCAL_HOSTS
    found = bytearray()
    try:
        async with (
            httpx.AsyncClient(verify=context, timeout=TIMEOUT_S, trust_env=not local) as client,
            client.stream("GET", address) as response,
        ):
            status = response.status_code
            async for part in response.aiter_bytes():
                found += part
                if len(found) > MAX_BYTES:
                    break
    except httpx.HTTPError as error:
        raise HubUnreachable(
            f"The hub at {url} cannot be reached: {error or type(error).__name__}.",
            remedy="Check that it runs and that its address is right.",
            url=url,
        ) from None
    pem = found[:MAX_BYTES].decode("ascii", "replace")
    try:
        shown = fingerprint_of(pem)
    except ValueError:
        shown = ""
    if status != 200 or not shown:
        raise HubUnreachable(
            f"What answers at {url} shows no authority of its own.",
            remedy="Leave out what follows the colon in the code, if the hub's certificate was "
            "signed by an authority that this machine trusts; else check the address.",
            url=url,
        )
    if not hmac.compare_digest(shown, fingerprint):
        raise AuthenticationError(
            f"The hub at {url} is not the one that made this code: its authority has the "
            f"fingerprint {shown}, not {fingerprint}.",
            remedy="Somebody may listen in between. Check the address, and get a new code from "
            "the hub itself.",
            url=url,
        )
    return pem


def trusting(url: str, *authorities: Path | str | None) -> ssl.SSLContext | None:
    """TLS for a hub's address; None where it speaks none.

    Args:
        authorities: PEM files or texts; the first one that is not None is the only one trusted.
            Without any, those of the system are.

    Raises:
        ConfigError: the file cannot be read or holds no certificate.
    """
    if not url.startswith("wss:"):
        return None
    return client_context(next((each for each in authorities if each is not None), None))
