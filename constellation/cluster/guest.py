"""A device whose session a gateway holds."""

from __future__ import annotations

from typing import Any

from constellation.aip.cards import DeviceCard
from constellation.aip.messages import Hello
from constellation.aip.server import Peer

from .ledger import Ledger


class Guest:
    """A session of a device.

    Attributes:
        since: when it began, by the gateway's logical clock.
        canceled: attempts that were canceled because their constellations have ended.
    """

    def __init__(self, peer: Peer, hello: Hello, since: float) -> None:
        self.peer = peer
        self.name = peer.name
        self.session = peer.session_id
        self.since = since
        self.card = hello.card or DeviceCard(name=peer.name, capacity=0)
        self.ledger = Ledger(self.card.capacity, hello.running, hello.held)
        self.draining = False
        self.canceled: set[str] = set()
        self.users: frozenset[str] = frozenset()
        self.is_share_due = False

    def observe(self) -> dict[str, Any]:
        """What metrics tell of it."""
        return {
            "presence": "connected" if self.peer.is_connected else "detached",
            "running": self.ledger.running,
            "rtt_s": self.peer.rtt_s,
            "unsecured_bytes": self.peer.pending,
        }
