"""Streams of bytes beside the messages: chunked, interleaved, each with its quality of service.

- ``reliable``: every byte, in order, across reconnects; kept until the receiver has taken it in,
  and at most a window outstanding.
- ``latest``: items, of which only the newest unsent one is kept.
- ``deadline``: items that are dropped once they are older than the deadline, by the sender before
  sending and by the receiver before delivery.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from constellation.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError

from .flow import FlowWindow

CHUNK_BYTES = 16 * 1024
WINDOW_BYTES = 1024 * 1024

Body = dict[str, Any]


class ReliableSender:
    """The sending end of a reliable stream.

    Args:
        opened_by: number of the message that opens it.
        chunk_bytes: largest part that is sent at once.

    Attributes:
        queued: bytes that were written and not yet taken in by the receiver.
    """

    def __init__(self, stream: int, opened_by: int = 0, chunk_bytes: int = CHUNK_BYTES) -> None:
        self.stream = stream
        self.opened_by = opened_by
        self.queued = 0
        self._chunk_bytes = chunk_bytes
        self._chunks: deque[bytes] = deque()
        self._base = 0
        self._next = 0
        self._sent = 0
        self._furthest = 0
        self._limit = WINDOW_BYTES
        self._flow = FlowWindow()
        self._last = False
        self._last_sent = False

    def write(self, data: bytes, now: float, *, last: bool = False) -> None:
        """Queue bytes; ``last`` says that none follow.

        Raises:
            LocalProtocolError: the last bytes were written before.
        """
        if self._last:
            raise LocalProtocolError(f"Stream {self.stream} has ended.")
        size = self._chunk_bytes
        for start in range(0, len(data), size):
            self._chunks.append(data[start : start + size])
        self.queued += len(data)
        self._last = last

    @property
    def done(self) -> bool:
        """True when everything, the end included, was taken in."""
        return self._last_sent and self.queued == 0

    def take(self, now: float) -> Body | None:
        """The next chunk to send, or None."""
        if self._next < len(self._chunks):
            chunk = self._chunks[self._next]
            if self._sent + len(chunk) > self._base + min(self._limit, self._flow.bytes):
                return None
            body = {"stream": self.stream, "offset": self._sent, "payload": chunk}
            self._next += 1
            self._sent += len(chunk)
            self._furthest = max(self._furthest, self._sent)
            self._flow.sent(self._sent, now)
        elif self._last and not self._last_sent:
            body = {"stream": self.stream, "offset": self._sent, "payload": b""}
        else:
            return None
        if self._last and self._next == len(self._chunks):
            body["last"] = self._last_sent = True
        return body

    def window(self, offset: int, limit: int, now: float) -> None:
        """The receiver took in everything below ``offset``.

        Raises:
            RemoteProtocolError: that much was never sent.
        """
        if not self._base <= offset <= self._furthest:
            raise RemoteProtocolError(f"Stream {self.stream}: offset {offset} was never sent.")
        while self._base < offset:
            chunk = self._chunks[0]
            taken = min(len(chunk), offset - self._base)
            if taken == len(chunk):
                self._chunks.popleft()
                # After a reconnect more may have been taken in than was sent again so far.
                self._next = max(0, self._next - 1)
            else:
                self._chunks[0] = chunk[taken:]
            self._base += taken
            self.queued -= taken
        self._sent = max(self._sent, self._base)
        self._limit = limit
        self._flow.taken(offset, now)

    def rewind(self) -> None:
        """After a reconnect: send again from what was taken in."""
        self._next = 0
        self._sent = self._base
        self._last_sent = False
        self._flow.rewind()


class RealTimeSender:
    """The sending end of a ``latest`` or ``deadline`` stream.

    Args:
        opened_by: number of the message that opens it.
        deadline_s: age at which items are dropped; None keeps only the newest.
        max_item: bytes that the receiver takes as one item.

    Attributes:
        dropped: items that were never sent.
    """

    def __init__(
        self, stream: int, opened_by: int, deadline_s: float | None, max_item: int
    ) -> None:
        self.stream = stream
        self.opened_by = opened_by
        self.dropped = 0
        self._deadline_s = deadline_s
        self._max_item = max_item
        self._index = 0
        self._items: deque[tuple[int, float, bytes]] = deque()

    @property
    def queued(self) -> int:
        """Bytes that wait."""
        return sum(len(data) for _, _, data in self._items)

    @property
    def done(self) -> bool:
        return not self._items

    def write(self, data: bytes, now: float, *, last: bool = False) -> None:
        """Queue an item made now.

        Raises:
            LimitExceeded: it is larger than the receiver takes.
        """
        if len(data) > self._max_item:
            raise LimitExceeded(f"An item has at most {self._max_item} bytes.")
        while self._items and (
            self._deadline_s is None or now - self._items[0][1] > self._deadline_s
        ):
            self._items.popleft()
            self.dropped += 1
        self._items.append((self._index, now, data))
        self._index += 1

    def take(self, now: float) -> Body | None:
        """The next item that is not late, or None."""
        while self._items:
            index, time, data = self._items.popleft()
            if self._deadline_s is None or now - time <= self._deadline_s:
                return {"stream": self.stream, "index": index, "time": time, "payload": data}
            self.dropped += 1
        return None

    def rewind(self) -> None:
        """After a reconnect nothing is repeated."""


class Receiver:
    """The receiving end of any stream.

    Args:
        qos: ``reliable``, ``latest`` or ``deadline``.
        deadline_s: for ``deadline`` streams.

    Attributes:
        offset: bytes received in order, for reliable streams.
        ended: True once the last byte came.
        dropped: items that came too late or out of order.
    """

    def __init__(self, stream: int, qos: str, deadline_s: float | None = None) -> None:
        self.stream = stream
        self.qos = qos
        self.offset = 0
        self.ended = False
        self.dropped = 0
        self._deadline_s = deadline_s
        self._consumed = 0
        self._announced = 0
        self._newest = -1

    def take(self, body: Body, now: float, clock_offset_s: float) -> bytes | None:
        """The payload to deliver, or None if it is late or a repetition.

        Raises:
            RemoteProtocolError: bytes are missing, or more came than the window allows.
        """
        payload: bytes = body["payload"]
        if self.qos == "reliable":
            return self._in_order(body, payload)
        index, time = body.get("index"), body.get("time")
        if index is None or time is None:
            raise RemoteProtocolError("An item of a real-time stream has an index and a time.")
        late = self._deadline_s is not None and now + clock_offset_s - time > self._deadline_s
        if index <= self._newest or late:
            self.dropped += 1
            return None
        self._newest = index
        return payload

    def late_at(self, body: Body, clock_offset_s: float) -> float | None:
        """When an item is past its deadline, by our clock; None for never."""
        if self._deadline_s is None:
            return None
        made: float = body["time"]
        return made - clock_offset_s + self._deadline_s

    def _in_order(self, body: Body, payload: bytes) -> bytes | None:
        offset = body.get("offset")
        if offset is None or offset > self.offset:
            raise RemoteProtocolError(f"Stream {self.stream}: bytes before {offset} are missing.")
        if offset + len(payload) > self._consumed + WINDOW_BYTES:
            raise RemoteProtocolError(f"Stream {self.stream}: more came than the window allows.")
        fresh = payload[self.offset - offset :]
        if fresh and self.ended:
            raise RemoteProtocolError(f"Stream {self.stream}: bytes came after its end.")
        if not fresh and not (body.get("last") and not self.ended):
            return None
        self.offset += len(fresh)
        self.ended = bool(body.get("last"))
        return fresh

    def consume(self, count: int, *, announce: bool = False) -> Body | None:
        """The application took in that many bytes; a window to send, if it is time for one.

        Args:
            announce: True makes it time.

        Raises:
            LocalProtocolError: so many were not delivered.
        """
        if not 0 <= count <= self.offset - self._consumed:
            raise LocalProtocolError(
                f"Stream {self.stream}: {self.offset - self._consumed} bytes wait, not {count}."
            )
        self._consumed += count
        caught_up = self._consumed == self.offset
        if announce or caught_up or self._consumed - self._announced >= WINDOW_BYTES // 4:
            return self.window()
        return None

    def window(self) -> Body:
        """What was taken in so far, for the sender."""
        self._announced = self._consumed
        return {"stream": self.stream, "offset": self._consumed, "limit": WINDOW_BYTES}


Sender = ReliableSender | RealTimeSender
