"""What of a hub's day goes into its audit log, and in which words."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from constellation.aip.identity import Identity
from constellation.aip.rate import TokenBucket
from constellation.errors import (
    AuthenticationError,
    ConstellationError,
    JournalError,
    PermissionDenied,
)

from .audit import AuditLog
from .verbs.params import Params

if TYPE_CHECKING:
    from .ports import PeerPort

# What is noted of each request that changes something. Titles, reasons and arguments are free text,
# which may be secret.
_NOTED: Mapping[str, tuple[str, ...]] = {
    "submit": ("id",),
    "edit": ("constellation",),
    "cancel": ("constellation", "task", "subtree"),
    "retry": ("constellation", "task"),
    "pause": ("constellation",),
    "resume": ("constellation",),
    "answer": ("constellation", "task", "question"),
    "pair": ("role", "name"),
    "revoke": ("name",),
    "allow": ("name",),
    "rotate": ("name",),
}
_OF_RESULT = ("constellation", "version", "may")
# Strangers could fill a disk: of what is refused at the door so much is noted.
REFUSED_PER_S = 1.0
REFUSED_BURST = 100.0


class Auditor:
    """Writes entries; without a log it does nothing.

    Args:
        log: where they go.
        fail: told if one cannot be written: what cannot be remembered must not be done.
    """

    def __init__(self, log: AuditLog | None, fail: Callable[[JournalError], None]) -> None:
        self._log = log
        self._fail = fail
        self._strangers = TokenBucket(REFUSED_PER_S, REFUSED_BURST)
        self._left_out = 0

    def _note(self, what: str, who: str, **about: Any) -> None:
        if self._log is None:
            return
        given = {key: value for key, value in about.items() if value not in (None, "", False)}
        try:
            self._log.note(time.time(), what, who, **given)
        except JournalError as error:
            self._fail(error)

    def started(self, version: str) -> None:
        """The hub serves."""
        self._note("started", "", version=version)

    def stopped(self) -> None:
        """It stops, in order."""
        self._note("stopped", "")

    def opened(self, peer: PeerPort, resumed: bool) -> None:
        """Somebody has connected."""
        self._note(
            "connected",
            peer.identity.name,
            credential=peer.identity.credential,
            role=peer.role,
            session=peer.name,
            address=peer.address,
            resumed=resumed,
        )

    def closed(self, peer: PeerPort, reason: str) -> None:
        """Their session is gone for good."""
        self._note("left", peer.identity.name, session=peer.name, reason=reason[:200])

    def paired(self, identity: Identity) -> None:
        """A code was exchanged for a credential."""
        self._note("paired", identity.name, kind=identity.kind, credential=identity.credential)

    def refused(self, address: str, name: str, error: ConstellationError) -> None:
        """A connection was refused because of who it was."""
        if not isinstance(error, AuthenticationError | PermissionDenied):
            return
        if self._strangers.take(time.monotonic()):
            self._left_out += 1
            return
        left_out, self._left_out = self._left_out, 0
        about = {"address": address, "session": name, "code": error.code, "why": error.message}
        self._note("refused", "", **about, left_out=left_out)

    def asked(
        self,
        peer: PeerPort,
        verb: str,
        params: Params | None,
        *,
        result: Mapping[str, Any] | None = None,
        error: ConstellationError | None = None,
    ) -> None:
        """A request was done or refused; what only looks is noted if it was not permitted."""
        if verb not in _NOTED and not isinstance(error, PermissionDenied):
            return
        about: dict[str, Any] = {"session": peer.name}
        for field in _NOTED.get(verb, ("constellation",)):
            about[field] = getattr(params, field, None)
        for field in _OF_RESULT:
            if result is not None and field in result:
                about[field] = result[field]
        answer = getattr(params, "answer", None)
        if isinstance(answer, bool):
            about["approved"] = "yes" if answer else "no"
        if error is not None:
            about |= {"code": error.code, "why": error.message}
        self._note(verb, peer.identity.name, **about)
