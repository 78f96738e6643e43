"""Devices and clients of an orchestrator whose sessions a gateway holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from constellation.aip.cards import DeviceCard
from constellation.aip.identity import Identity
from constellation.aip.messages import Message
from constellation.errors import ConstellationError, ProtocolError

# Says to a node; see `Mesh.say`.
Say = Callable[..., None]


class RemoteDevice:
    """A session of a device at a gateway; `orchestrator.ports.PeerPort` says what it does.

    Args:
        say: sends a message to the gateway.
        epoch_of: the epoch in which we own a constellation; None if we do not.
        since: when the session began, Unix seconds by the gateway's clock: a later one replaces it.

    Attributes:
        session: names the session at its gateway.
        card: as the device published it.
        address: where it dialled its gateway from.
        users: orchestrators that have work there.
        is_read: False until what its credential permits was read after it came: it gets no work
            before that.
    """

    role = "device"
    # The gateway keeps what the device does not take at once.
    pending = 0
    is_full = False

    def __init__(
        self,
        say: Say,
        epoch_of: Callable[[str], int | None],
        *,
        gateway: str,
        session: str,
        since: float,
        card: DeviceCard,
        address: str = "",
    ) -> None:
        self.gateway = gateway
        self.session = session
        self.since = since
        self.name = card.name
        self.card = card
        self.address = address
        self.users: frozenset[str] = frozenset()
        self.is_read = False
        self.identity = Identity(card.name, "device", "")
        self.rtt_s = 0.0
        self._say = say
        self._epoch_of = epoch_of
        self._count = 0
        self._unsecured: deque[tuple[int, int]] = deque()

    def shared_card(self, me: str) -> DeviceCard:
        """The card with our share of its capacity: every orchestrator with work there has one."""
        share = -(-self.card.capacity // len(self.users | {me})) if self.is_read else 0
        return self.card.model_copy(update={"capacity": share})

    def send(self, type: str, body: Mapping[str, Any]) -> int:
        """Send a message with the epoch in which we own what it is about."""
        epoch = self._epoch_of(body["attempt"].partition("/")[0])
        if epoch is not None:
            self._say(self.gateway, "tell", self.name, self.session, type, {**body, "epoch": epoch})
        return 0

    def took(self, said: Sequence[tuple[int, str, dict[str, Any]]]) -> list[Message]:
        """Messages for the hub, counted by us; with the device's numbers they are secured."""
        messages = []
        for seq, type, body in said:
            self._count += 1
            self._unsecured.append((self._count, seq))
            messages.append(Message(type, self._count, body))
        return messages

    def acknowledge(self, seq: int) -> None:
        """What was given to the hub up to this message is secured."""
        secured = []
        while self._unsecured and self._unsecured[0][0] <= seq:
            theirs = self._unsecured.popleft()[1]
            if theirs:
                secured.append(theirs)
        if secured:
            self._say(self.gateway, "secured", self.name, self.session, secured)

    def complain(self, error: ConstellationError) -> None:
        """Have the gateway tell it that something it said cannot be."""
        self._say(self.gateway, "complain", self.name, self.session, error.to_wire())

    def give_up(self, error: ProtocolError) -> None:
        """Devices ask for nothing that could be too much for them."""

    def flush(self) -> None:
        """What is said leaves as soon as the loop comes to it."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """There is always room."""


class RemoteClient:
    """A client at a gateway, which asks and is answered.

    Args:
        respond: sends the body of a ``response``.
    """

    role = "client"
    pending = 0
    is_full = False
    rtt_s = 0.0
    address = ""

    def __init__(
        self, name: str, identity: Identity, respond: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self.name = name
        self.identity = identity
        self._respond = respond

    def send(self, type: str, body: Mapping[str, Any]) -> int:
        """Answer it; it is sent nothing else from here."""
        if type == "response":
            self._respond(body)
        return 0

    def acknowledge(self, seq: int) -> None:
        """The gateway has done so."""

    def complain(self, error: ConstellationError) -> None:
        """Its requests are checked by the gateway."""

    def give_up(self, error: ProtocolError) -> None:
        """What it watches, the gateway tells it."""

    def flush(self) -> None:
        """What is said leaves as soon as the loop comes to it."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """There is always room."""
