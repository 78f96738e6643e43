"""Numbered messages on their way: kept until the peer has secured them."""

from __future__ import annotations

from collections import deque


class Outbox:
    """The sending half of the reliable lane.

    Messages wait, are taken into frames, and stay until acknowledged; `rewind` makes those that the
    peer has not seen wait again.

    Attributes:
        last: number of the newest message.
        acknowledged: number up to which the peer has secured them.
        bytes: size of everything kept.
    """

    __slots__ = ("_sent", "_waiting", "acknowledged", "bytes", "last")

    def __init__(self) -> None:
        self.last = 0
        self.acknowledged = 0
        self.bytes = 0
        self._sent: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._sent) + len(self._waiting)

    @property
    def waiting(self) -> bool:
        """True while messages have not been taken into a frame."""
        return bool(self._waiting)

    @property
    def taken(self) -> int:
        """Number of the newest message that was taken into a frame."""
        return self.last - len(self._waiting)

    def put(self, message: bytes) -> None:
        """Queue the encoded message with the number ``last + 1``."""
        self.last += 1
        self.bytes += len(message)
        self._waiting.append(message)

    def take(self, max_bytes: int, max_count: int) -> list[bytes]:
        """The next messages to send, in order, at least one if any waits."""
        waiting, sent = self._waiting, self._sent
        taken: list[bytes] = []
        size = 0
        while waiting and len(taken) < max_count:
            size += len(waiting[0])
            if size > max_bytes and taken:
                break
            message = waiting.popleft()
            sent.append(message)
            taken.append(message)
        return taken

    def acknowledge(self, seq: int) -> bool:
        """Forget messages up to a number; False if it was never sent."""
        if seq > self.taken:
            return False
        sent = self._sent
        for _ in range(seq - self.acknowledged):
            self.bytes -= len(sent.popleft())
        self.acknowledged = max(self.acknowledged, seq)
        return True

    def rewind(self, received: int) -> bool:
        """After a reconnect: send again what the peer has not seen; False if it claims too much.

        Messages that it has seen and not yet secured stay, without being sent again.
        """
        if not self.acknowledged <= received <= self.taken:
            return False
        while len(self._sent) > received - self.acknowledged:
            self._waiting.appendleft(self._sent.pop())
        return True

    def clear(self) -> list[bytes]:
        """Give up the session: return what was never acknowledged, and number anew."""
        left = [*self._sent, *self._waiting]
        self.last = self.acknowledged = self.bytes = 0
        self._sent.clear()
        self._waiting.clear()
        return left
