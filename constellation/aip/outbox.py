"""Messages on their way: numbered ones are kept until the peer has secured them."""

from __future__ import annotations

from collections import deque

from constellation.errors import LimitExceeded

from .limits import Limits

# Pongs, windows and errors that may wait for a peer that does not read.
MAX_CONTROL = 1024


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
        return self.last - self.acknowledged

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


class Control:
    """Messages without a number that wait to be sent: pings and answers, windows, errors."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()

    def put(self, message: bytes) -> None:
        """Queue an encoded message."""
        self._waiting.append(message)

    def __len__(self) -> int:
        return len(self._waiting)

    def put_first(self, message: bytes) -> None:
        """Queue one before all others."""
        self._waiting.appendleft(message)

    def clear(self) -> None:
        """They belong to a connection, and it is gone."""
        self._waiting.clear()

    def take(self, limits: Limits) -> list[bytes]:
        """The next ones to send; they fill a quarter of a frame at most, or are one alone."""
        waiting = self._waiting
        taken: list[bytes] = []
        size = 0
        while waiting and len(taken) < limits.max_batch:
            size += len(waiting[0])
            if taken and size > limits.max_frame // 4:
                break
            taken.append(waiting.popleft())
        return taken

    def check(self) -> None:
        """See that the peer reads what it asks for.

        Raises:
            LimitExceeded: it does not.
        """
        if len(self._waiting) > MAX_CONTROL:
            raise LimitExceeded("Answers are asked for and not read.")
