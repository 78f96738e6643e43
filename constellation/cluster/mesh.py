"""A node among others: it says that it is there, hears who else is, and has a channel to each.

Gateways and orchestrators speak to one another. Orchestrators open the channels. One on which a
side has lost what was said, or whose other end was not heard for `SILENT_S`, is given up as a
whole and opened anew; what was said on it is settled from the start then (`Node.opened_channel`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Literal, Protocol

import msgpack
from anyio.abc import TaskGroup
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from constellation.aip.endpoint import Guard

from .channel import Channel, Frame
from .names import Names

log = logging.getLogger("constellation.cluster")

Kind = Literal["gateway", "orchestrator"]

BEAT_S = 1.0
SILENT_S = 4.0
# Kinds of frames between nodes.
_DATA, _RESET = 0, 1


class Node(Protocol):
    """What a node is told; called in the event loop, so it must not block."""

    def opened_channel(self, peer: str) -> None:
        """There is a fresh channel to a node of the other kind."""

    def heard(self, peer: str, message: list[Any]) -> None:
        """A message came on it."""

    def lost(self, peer: str) -> None:
        """The channel is no more; another may be opened to the same node."""

    def told(self, peer: str, body: list[Any]) -> None:
        """A node told everybody something (`Mesh.tell_all`)."""


class _Link:
    """A channel to a node.

    Attributes:
        number: counts the channels between the two nodes.
    """

    __slots__ = ("channel", "heard_at", "number")

    def __init__(self, number: int, now: float) -> None:
        self.channel = Channel()
        self.number = number
        self.heard_at = now


class Mesh:
    """This node's part of it.

    Args:
        nats: the connection.
        names: of the subjects.
        me: names this life of this node; never used again.
        kind: what it is.
        node: what is told.
        may_speak: False while nothing may be said, such as without a lease.

    Attributes:
        peers: nodes of the other kind to which there is a channel, the oldest first.
    """

    def __init__(
        self,
        nats: Client,
        names: Names,
        me: str,
        kind: Kind,
        node: Node,
        *,
        may_speak: Callable[[], bool] = lambda: True,
    ) -> None:
        self.me = me
        self._nats = nats
        self._names = names
        self._kind: Kind = kind
        self._node = node
        self._links: dict[str, _Link] = {}
        self._numbers: dict[str, int] = {}
        self._due = asyncio.Event()
        self._pack = msgpack.Packer(use_bin_type=True).pack
        self._may_speak = may_speak

    @property
    def peers(self) -> tuple[str, ...]:
        return tuple(self._links)

    async def run(self, tasks: TaskGroup) -> None:
        """Take part until canceled; returns once it does."""
        await self._nats.subscribe(self._names.inbox(self.me), cb=self._frame_came)
        await self._nats.subscribe(self._names.beats, cb=self._beat_came)
        tasks.start_soon(self._beat)
        tasks.start_soon(self._pump)

    # ── saying ──────────────────────────────────────────────────────────────────────────────────

    def say(self, peer: str, *message: Any) -> None:
        """Send a message to a node; nothing if there is no channel to it."""
        link = self._links.get(peer)
        if link is not None:
            link.channel.send(self._pack(message))
            self._due.set()

    def say_all(self, *message: Any) -> None:
        """Send a message on every channel."""
        for peer in self._links:
            self.say(peer, *message)

    async def tell_all(self, *body: Any) -> None:
        """Tell every node something, of either kind, that may be lost."""
        await self._publish(self._names.beats, self._pack([self.me, self._kind, list(body)]))

    async def _publish(self, subject: str, data: bytes) -> None:
        try:
            await self._nats.publish(subject, data)
        except NatsError as error:
            # It counts as lost on its way.
            log.debug("Nothing can be published: %s", error)

    async def _pump(self) -> None:
        """Send what there is to say, everything of a wake-up in few frames."""
        while True:
            due = [each.channel.deadline() for each in self._links.values()]
            wake_at = min((each for each in due if each is not None), default=None)
            timeout = None if wake_at is None else max(0.0, wake_at - time.monotonic())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), timeout)
            self._due.clear()
            if not self._may_speak():
                continue
            for peer, link in list(self._links.items()):
                for frame in link.channel.frames(time.monotonic()):
                    data = self._pack([self.me, link.number, _DATA, *frame])
                    await self._publish(self._names.inbox(peer), data)

    async def _beat(self) -> None:
        while True:
            if self._may_speak():
                await self.tell_all()
            now = time.monotonic()
            for peer, link in list(self._links.items()):
                if now - link.heard_at > SILENT_S:
                    self._drop(peer)
            await asyncio.sleep(BEAT_S)

    # ── hearing ─────────────────────────────────────────────────────────────────────────────────

    async def _beat_came(self, message: Msg) -> None:
        peer, kind, body = msgpack.unpackb(message.data)
        if peer == self.me:
            return
        if body == ["leaving"]:
            self._drop(peer)
            return
        link = self._links.get(peer)
        if link is not None:
            link.heard_at = time.monotonic()
        elif kind != self._kind and self._kind == "orchestrator" and self._may_speak():
            self._open(peer, self._numbers.get(peer, 0) + 1)
        if body:
            self._node.told(peer, body)

    def _open(self, peer: str, number: int) -> None:
        self._numbers[peer] = number
        self._links[peer] = _Link(number, time.monotonic())
        if self._kind == "orchestrator":
            self.say(peer, "open")
        self._node.opened_channel(peer)

    def _drop(self, peer: str) -> None:
        if self._links.pop(peer, None) is not None:
            self._node.lost(peer)

    def _hit_a_fault(self, peer: str, fault: Exception) -> None:
        """A message met a mistake of ours: it is reported, and its node begins anew with us."""
        context = {"message": f"A message of {peer} hit a fault.", "exception": fault}
        asyncio.get_running_loop().call_exception_handler(context)
        self._drop(peer)

    async def _frame_came(self, message: Msg) -> None:
        peer, number, kind, *frame = msgpack.unpackb(message.data, strict_map_key=False)
        link = self._links.get(peer)
        if kind == _RESET:
            if link is not None and link.number == number:
                self._drop(peer)  # its next beat opens another
            return
        ack, first, messages = frame
        if self._kind == "gateway" and number > self._numbers.get(peer, 0):
            if first != 1 or not messages:
                await self._publish(self._names.inbox(peer), self._pack([self.me, number, _RESET]))
                return
            self._drop(peer)
            self._open(peer, number)
            link = self._links[peer]
        if link is None or link.number != number:
            if self._kind == "gateway":
                await self._publish(self._names.inbox(peer), self._pack([self.me, number, _RESET]))
            return
        now = time.monotonic()
        link.heard_at = now
        for packed in link.channel.receive(Frame(ack, first, messages), now):
            said = msgpack.unpackb(packed, strict_map_key=False)
            if said[0] != "open":
                with Guard(partial(self._hit_a_fault, peer)):
                    self._node.heard(peer, said)
            if self._links.get(peer) is not link:
                return
        self._due.set()
