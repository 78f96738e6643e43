"""Messages between two nodes, each once and in order, over a medium that loses and repeats.

NATS delivers at most once: what is published while a connection moves to another node is gone. So
the two ends number what they say, keep it until it was received, and say it again. What a message
means, and whether it is secured, is not the channel's concern.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

RESEND_S = 0.5
RESEND_MOST_S = 4.0
# An acknowledgement waits so long for a message that takes it along.
ACK_S = 0.02
# Bytes of one frame, unless one message alone has more, and messages that are said again at once.
FRAME_BYTES = 512 * 1024
AGAIN = 2048


class Frame(NamedTuple):
    """What travels at once.

    Attributes:
        ack: number of the last message of the other end that was received.
        first: number of the first message in it.
        messages: packed by whoever said them.
    """

    ack: int
    first: int
    messages: Sequence[bytes]


class Channel:
    """One end. Times are seconds of any steady clock.

    Attributes:
        received: number of the last message that was received.
    """

    def __init__(self) -> None:
        self.received = 0
        self._acked = 0
        self._kept: deque[bytes] = deque()
        self._sent = 0  # how many of those kept were sent
        self._resend_s = RESEND_S
        self._resend_at: float | None = None
        self._ack_at: float | None = None

    @property
    def waiting(self) -> int:
        """How many messages the other end has not received yet, as far as is known."""
        return len(self._kept)

    def send(self, message: bytes) -> None:
        """Queue a message; `frames` gives it out."""
        self._kept.append(message)

    def frames(self, now: float) -> list[Frame]:
        """What is to be sent now."""
        if self._resend_at is not None and now >= self._resend_at:
            self._sent = 0
            self._resend_s = min(2 * self._resend_s, RESEND_MOST_S)
        frames: list[Frame] = []
        until = len(self._kept) if self._sent else min(len(self._kept), AGAIN)
        fresh = deque(islice(self._kept, self._sent, until))
        while fresh:
            part, size = [fresh.popleft()], 0
            while fresh and (size := size + len(part[-1])) + len(fresh[0]) <= FRAME_BYTES:
                part.append(fresh.popleft())
            frames.append(Frame(self.received, self._acked + self._sent + 1, part))
            self._sent += len(part)
        if not frames and self._ack_at is not None and now >= self._ack_at:
            frames.append(Frame(self.received, self._acked + self._sent + 1, ()))
        if frames:
            self._ack_at = None
            self._resend_at = now + self._resend_s if self._kept else None
        return frames

    def receive(self, frame: Frame, now: float) -> list[bytes]:
        """Take a frame in; return the messages that are new, in order."""
        self._acknowledge(frame.ack, now)
        new: list[bytes] = []
        if frame.messages:
            self._ack_at = now + ACK_S if self._ack_at is None else self._ack_at
            skip = self.received + 1 - frame.first
            if skip >= 0:  # else something before it was lost, and will come again
                new = list(frame.messages[skip:])
                self.received += len(new)
        return new

    def _acknowledge(self, ack: int, now: float) -> None:
        count = min(ack - self._acked, len(self._kept))
        if count <= 0:
            return
        for _ in range(count):
            self._kept.popleft()
        self._acked += count
        self._sent = max(0, self._sent - count)
        self._resend_s = RESEND_S
        self._resend_at = now + self._resend_s if self._kept else None

    def deadline(self) -> float | None:
        """When `frames` has something to say again, or to acknowledge."""
        due = [each for each in (self._resend_at, self._ack_at) if each is not None]
        return min(due, default=None)
