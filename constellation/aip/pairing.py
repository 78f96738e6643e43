"""Pairing codes: short enough to type, short-lived, good for one credential."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from constellation.errors import AuthenticationError

from .identity import Kind
from .scope import Scope
from .spelling import ALPHABET, as_meant

_CODE_CHARS = 8
# The answer to whoever takes a code may be lost on its way: so long they may ask again.
RETRY_S = 60.0


@dataclass(slots=True)
class Offer:
    """An open pairing code.

    Attributes:
        code: as people read it, such as ``K7QX-93FM``.
        kind: of the credential it is exchanged for.
        name: of that credential; None lets the one who pairs choose a name that is free. Whoever
            took it has chosen.
        expires_at: Unix seconds.
        tries_left: wrong tries until it is burnt.
        scope: what that credential may be used for; None for what an older one of its name was,
            else anything.
    """

    code: str
    kind: Kind
    name: str | None
    expires_at: float
    tries_left: int
    scope: Scope | None = None

    def matches(self, code: str) -> bool:
        """True if that is the code, in any spelling."""
        return hmac.compare_digest(
            as_meant(self.code).encode(), as_meant(code).encode("utf-8", "replace")
        )

    def is_open(self, now: float) -> bool:
        """True if it can still be used."""
        return now < self.expires_at and self.tries_left > 0


class PairingDesk:
    """Hands out short-lived pairing codes, each good for one name.

    A code has 40 random bits. Each wrong try counts against every open code, and a code that saw
    too many is burnt: a guesser has at most ``tries`` guesses in each code's life.

    Args:
        tries: wrong tries after which a code is burnt.
    """

    def __init__(self, *, tries: int = 5) -> None:
        self._tries = tries
        self._offers: list[Offer] = []

    def offer(
        self,
        now: float,
        kind: Kind = "device",
        name: str | None = None,
        *,
        ttl_s: float = 600.0,
        scope: Scope | None = None,
    ) -> Offer:
        """Open a code for ``ttl_s`` seconds."""
        chars = "".join(secrets.choice(ALPHABET) for _ in range(_CODE_CHARS))
        offer = Offer(f"{chars[:4]}-{chars[4:]}", kind, name, now + ttl_s, self._tries, scope)
        self._offers = [*self._open(now), offer]
        return offer

    def find(self, code: str, now: float) -> Offer:
        """What a code offers.

        Raises:
            AuthenticationError: it is wrong, used, expired or burnt; which of them is not told.
        """
        self._offers = self._open(now)
        # What follows a colon is for the one who dials: see `trust`.
        code = code.partition(":")[0]
        found = [offer for offer in self._offers if offer.matches(code)]
        if not found:
            for offer in self._offers:
                offer.tries_left -= 1
            raise AuthenticationError(
                "This pairing code is wrong or no longer valid.",
                remedy="Get a new one with `constellation pair`.",
            )
        return found[0]

    def take(self, offer: Offer, name: str, now: float) -> None:
        """Somebody takes a code under a name: for a while the same may take it again."""
        offer.name = name
        offer.expires_at = min(offer.expires_at, now + RETRY_S)

    def _open(self, now: float) -> list[Offer]:
        return [offer for offer in self._offers if offer.is_open(now)]
