"""What observers are told and nobody keeps, on its way to the gateways."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import anyio
import msgpack
from nats.aio.client import Client
from nats.errors import Error as NatsError

from constellation.errors import ProtocolError

from .names import Names

MOST_WAITING = 10_000


class Notices:
    """A reader of a hub's events that publishes the notices among them; facts are in the log."""

    pending = 0

    def __init__(self, nats: Client, names: Names) -> None:
        self._nats = nats
        self._names = names
        self._waiting: deque[Mapping[str, Any]] = deque(maxlen=MOST_WAITING)
        self._due = anyio.Event()

    def send(self, type: str, body: Mapping[str, Any]) -> None:
        """See `constellation.orchestrator.observers.Reader`."""
        self._waiting.append(body)
        self._due.set()

    def give_up(self, error: ProtocolError) -> None:
        """See `constellation.orchestrator.observers.Reader`."""

    async def run(self) -> None:
        """Publish until canceled."""
        while True:
            await self._due.wait()
            self._due = anyio.Event()
            while self._waiting:
                body = self._waiting.popleft()
                subject = self._names.notices_of(body["constellation"])
                try:
                    await self._nats.publish(subject, msgpack.packb(body, use_bin_type=True))
                except NatsError:
                    break  # they may be lost
