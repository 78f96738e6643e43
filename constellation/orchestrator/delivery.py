"""What devices are told, in order, as fast as they take it in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from constellation.errors import SessionLost

from .ports import PeerPort

Body = Mapping[str, Any]


class Delivery:
    """Messages to devices; those for which there is no room wait until the device made some.

    A session keeps what was not acknowledged, up to the limits of its device, and a device that has
    room for many tasks may have none for all of their arguments at once.

    Args:
        send: sends a message now.
        start: runs something beside what goes on.
        flush: ends a wake-up.
    """

    def __init__(
        self,
        send: Callable[[PeerPort, str, Body], None],
        start: Callable[[Callable[[PeerPort], Coroutine[Any, Any, None]], PeerPort], None],
        flush: Callable[[], None],
    ) -> None:
        self._send = send
        self._start = start
        self._flush = flush
        self._waiting: dict[PeerPort, deque[tuple[str, Body]]] = {}

    def send(self, peer: PeerPort, type: str, body: Body) -> None:
        """Send a message behind those that wait."""
        waiting = self._waiting.get(peer)
        if waiting is not None:
            waiting.append((type, body))
        elif _has_room(peer):
            self._send(peer, type, body)
        else:
            self._waiting[peer] = deque([(type, body)])
            self._start(self._send_bit_by_bit, peer)

    async def _send_bit_by_bit(self, peer: PeerPort) -> None:
        waiting = self._waiting[peer]
        # What waits as a session ends was never begun: the scheduler hears of that end.
        with suppress(SessionLost):
            while waiting:
                await peer.until(lambda: _has_room(peer))
                self._send(peer, *waiting.popleft())
                self._flush()
        del self._waiting[peer]


def _has_room(peer: PeerPort) -> bool:
    """Whether any message finds room; one alone is always tried."""
    return not peer.is_full or not peer.pending
