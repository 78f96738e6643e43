"""A connection on its way to a session: it may not take for ever to say who it is."""

from __future__ import annotations

import asyncio

from websockets.frames import CloseCode as WebsocketCode

from .admission import Admission
from .peer import Peer
from .session import CloseCode
from .transport import ServerTransport

# What a connection may send before it has shown a credential: a hello with a card, and little more.
STRANGER_BYTES = 1024 * 1024


class Arrival:
    """A connection from its request to its end.

    Attributes:
        admitted: False if there are too many strangers; it is being closed then.
        peer: the session that it led to, once it did.
        said: the name in its hello.
    """

    def __init__(self, transport: ServerTransport, admission: Admission) -> None:
        self.transport = transport
        self.peer: Peer | None = None
        self.said = ""
        self._admission = admission
        self._timer: asyncio.TimerHandle | None = None
        self._is_stranger = transport.identity is None
        if self._is_stranger:
            transport.allowance = STRANGER_BYTES
        self.admitted = not self._is_stranger or admission.enter()
        if not self.admitted:
            self._is_stranger = False
            transport.end(WebsocketCode.TRY_AGAIN_LATER, "Too many connections say no hello.")

    def expect_hello(self, within_s: float) -> None:
        """Close the connection unless it `opened` a session by then."""
        self._timer = self.transport.loop.call_later(
            within_s, self.transport.end, CloseCode.UNAUTHENTICATED, "No hello came in time."
        )

    def opened(self, peer: Peer) -> None:
        """It led to a session."""
        self.peer = peer
        self._is_known()

    def over(self, reason: str) -> None:
        """The connection is gone."""
        self._is_known()
        if self.peer is not None:
            self.peer.leave(self.transport, reason)

    def _is_known(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_stranger:
            self._is_stranger = False
            self.transport.allowance = None
            self._admission.leave()
