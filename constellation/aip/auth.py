"""What a server asks when somebody connects, and the answer from credentials and pairing codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from constellation.errors import AuthenticationError

from .credentials import CredentialStore
from .identity import Identity
from .pairing import PairingDesk

__all__ = ["Authenticator", "CredentialStore", "Identity", "PairingDesk", "StoreAuthenticator"]


class Authenticator(Protocol):
    """What the server asks when somebody connects."""

    def authenticate(self, token: str, now: float) -> Identity:
        """Whose token this is.

        Raises:
            AuthenticationError: unknown, expired or revoked.
        """
        ...

    def pair(self, code: str, name: str, role: str, now: float) -> tuple[Identity, str]:
        """Exchange a pairing code for a credential of its own; return it with its token.

        Raises:
            AuthenticationError: the code is wrong or used up, or the name is taken. In the second
                case the code can still be used.
            PermissionDenied: the code is for another role.
        """
        ...

    def on_revoked(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Have the id of each credential that is revoked told; returns how to stop that."""
        ...


class StoreAuthenticator:
    """An `Authenticator` of a `CredentialStore` and a `PairingDesk`.

    Attributes:
        on_paired: told of each credential that a code was exchanged for.
    """

    def __init__(self, credentials: CredentialStore, pairing: PairingDesk) -> None:
        self.credentials = credentials
        self.pairing = pairing
        self.on_paired: Callable[[Identity], None] = lambda identity: None

    def authenticate(self, token: str, now: float) -> Identity:
        """See `Authenticator.authenticate`."""
        return self.credentials.verify(token, now)

    def pair(self, code: str, name: str, role: str, now: float) -> tuple[Identity, str]:
        """See `Authenticator.pair`.

        A code that was offered for a name, or was taken under one, serves that name only, and
        replaces its credential: so whoever never got the answer may ask again for a while.
        """
        offer = self.pairing.find(code, now)
        if offer.name is None and self.credentials.find(name) is not None:
            raise AuthenticationError(
                f"The name {name} is taken.",
                remedy=f"Choose another, or get a code for it: `constellation pair --name {name}`.",
            )
        if offer.name is not None and offer.name != name:
            raise AuthenticationError(
                f"This code is for {offer.name}, not for {name}.",
                remedy="Get a new code for the name you want.",
            )
        Identity(name, offer.kind, "").check_role(role, name)
        self.pairing.take(offer, name, now)
        identity, token = self.credentials.issue(name, offer.kind, now, scope=offer.scope)
        self.on_paired(identity)
        return identity, token

    def on_revoked(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """See `Authenticator.on_revoked`."""
        return self.credentials.on_revoked(callback)
