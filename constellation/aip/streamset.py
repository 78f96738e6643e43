"""The streams of a session, both ways, by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from constellation.errors import (
    LimitExceeded,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
)

from .codec import Codec
from .flow import Pace
from .instructions import Instruction, StreamClosed, StreamData, StreamOpened
from .limits import Limits
from .messages import Message
from .streams import CHUNK_BYTES, Body, RealTimeSender, Receiver, ReliableSender, Sender

STREAM_BYTES_PER_FRAME = 64 * 1024

Qos = Literal["reliable", "latest", "deadline"]
Say = Callable[[str, Mapping[str, Any]], None]


class StreamSet:
    """What a session knows of its streams.

    Args:
        first: number of our first stream: odd for the dialler, even for the listener.
        say: sends a message without a number.
        put: sends a numbered message of the session's own, though much is unacknowledged.

    Attributes:
        pace: of all reliable streams of ours.
    """

    def __init__(self, first: int, say: Say, put: Say) -> None:
        self._next = first
        self._newest = 0  # of the peer's
        self.pace = Pace()
        self._say = say
        self._put = put
        self._senders: dict[int, Sender] = {}
        self._receivers: dict[int, Receiver] = {}

    def __bool__(self) -> bool:
        return bool(self._senders)

    def clear(self) -> None:
        """Streams end with their session."""
        self._newest = 0
        self._senders.clear()
        self._receivers.clear()

    def rewind(self) -> None:
        """A new connection: what was not taken in is sent again."""
        for sender in self._senders.values():
            sender.rewind()

    def announce(self) -> None:
        """Say how far streams were taken in: the last word on it may have been lost."""
        for receiver in self._receivers.values():
            if receiver.qos == "reliable":
                self._say("window", receiver.window())

    # ── ours ────────────────────────────────────────────────────────────────────────────────────

    def opening(
        self,
        qos: Qos,
        deadline_s: float | None,
        label: str,
        meta: Mapping[str, Any] | None,
        limits: Limits,
    ) -> Body:
        """The message that opens one more stream.

        Raises:
            LimitExceeded: the peer takes no more streams.
            LocalProtocolError: a deadline without its quality of service, or the reverse.
        """
        if (qos == "deadline") != (deadline_s is not None):
            raise LocalProtocolError("A deadline belongs to the quality of service 'deadline'.")
        if len(self._senders) >= limits.max_streams:
            raise LimitExceeded("Too many streams are open.", remedy="Close one first.")
        body: Body = {"stream": self._next, "qos": qos, "label": label, "meta": meta or {}}
        if deadline_s is not None:
            body["deadline_ms"] = deadline_s * 1000
        self._next += 2
        return body

    def opened(
        self, stream: int, by: int, qos: Qos, deadline_s: float | None, limits: Limits
    ) -> None:
        """The message with the number ``by`` opens a stream of ours."""
        largest = min(limits.max_body // 2, limits.max_frame // 16)
        self._senders[stream] = (
            ReliableSender(stream, by, min(CHUNK_BYTES, largest))
            if qos == "reliable"
            else RealTimeSender(stream, by, deadline_s, min(limits.max_item, largest))
        )

    def write(self, stream: int, data: bytes, now: float, *, last: bool) -> int:
        """Queue bytes (or one item); return how many bytes wait there.

        Raises:
            LocalProtocolError: there is no such stream.
            LimitExceeded: the item is too large.
        """
        sender = self._senders.get(stream)
        if sender is None:
            raise LocalProtocolError(f"There is no stream {stream} to write to.")
        sender.write(data, now, last=last)
        return sender.queued

    def queued(self, stream: int) -> int:
        """Bytes that wait on a stream of ours; 0 if it is done."""
        sender = self._senders.get(stream)
        return 0 if sender is None else sender.queued

    def drop(self, stream: int) -> bool:
        """Forget a stream of either side; False if there is none."""
        known = self._senders.pop(stream, None) or self._receivers.pop(stream, None)
        return known is not None

    def consume(self, stream: int, count: int, *, announce: bool = False) -> Body | None:
        """The application took in that many bytes; a window to send, if it is time for one.

        Args:
            announce: True makes it time.

        Raises:
            LocalProtocolError: so many were not delivered.
        """
        receiver = self._receivers.get(stream)
        if receiver is None or receiver.qos != "reliable":
            return None
        return receiver.consume(count, announce=announce)

    def chunks(self, codec: Codec, now: float, sent: int, room: int, limits: Limits) -> list[bytes]:
        """Chunks of each stream in turn, bounded; a stream that was served goes to the back.

        Args:
            codec: how they are encoded.
            sent: number up to which numbered messages have gone out.
            room: so many messages at most.
            limits: the peer's.
        """
        taken: list[bytes] = []
        size = 0
        enough = min(STREAM_BYTES_PER_FRAME, limits.max_frame // 16)
        # Nothing of a stream goes out before the message that opens it.
        turn = [each for each in self._senders.values() if each.opened_by <= sent]
        while turn:
            following: list[Sender] = []
            for sender in turn:
                body = self._next_of(sender, now)
                if body is None:
                    continue
                taken.append(codec.encode("data", 0, body))
                size += len(taken[-1])
                self._senders[sender.stream] = self._senders.pop(sender.stream)
                if size >= enough or len(taken) >= room:
                    return taken
                following.append(sender)
            turn = following
        return taken

    def _next_of(self, sender: Sender, now: float) -> Body | None:
        """What a stream sends next; bulk keeps to the pace."""
        if not isinstance(sender, ReliableSender):
            return sender.take(now)
        if sender.queued and not self.pace.allows(now):
            return None
        body = sender.take(now)
        if body is not None:
            self.pace.spend(len(body["payload"]))
        return body

    # ── what the peer says of streams ───────────────────────────────────────────────────────────

    def take(
        self,
        message: Message,
        now: float,
        clock_offset_s: float,
        limits: Limits,
        done: list[Instruction],
    ) -> None:
        """Take ``open``, ``close``, ``data`` or ``window``; instructions are added to ``done``.

        Raises:
            RemoteProtocolError: the peer contradicts itself.
            LimitExceeded: an item is too large.
        """
        body = message.body
        match message.type:
            case "data":
                self._take_data(body, now, clock_offset_s, limits, done)
            case "window":
                self._take_window(body, now)
            case "open":
                self._take_open(body, limits, done)
            case "close":
                self._take_close(body, done)

    def _take_open(self, body: Body, limits: Limits, done: list[Instruction]) -> None:
        stream, qos = body["stream"], body["qos"]
        ours = stream % 2 == self._next % 2
        if ours or stream <= self._newest:
            raise RemoteProtocolError(f"{stream} is not the number of a new stream of the peer.")
        self._newest = stream
        deadline_s = (body.get("deadline_ms") or 0) / 1000 if qos == "deadline" else None
        error: ProtocolError | None = None
        if len(self._receivers) >= limits.max_streams:
            error = LimitExceeded(f"At most {limits.max_streams} streams may be open.")
        elif deadline_s is not None and deadline_s <= 0:
            error = RemoteProtocolError("A stream with a deadline says its deadline_ms, above 0.")
        if error is not None:
            self._put("close", {"stream": stream, "error": error.to_wire()})
            return
        self._receivers[stream] = Receiver(stream, qos, deadline_s)
        done.append(StreamOpened(stream, body))

    def _take_close(self, body: Body, done: list[Instruction]) -> None:
        stream = body["stream"]
        sender = self._senders.pop(stream, None)
        receiver = self._receivers.pop(stream, None)
        if sender is not None or (receiver is not None and not receiver.ended):
            done.append(StreamClosed(stream, body.get("error")))

    def _take_data(
        self,
        body: Body,
        now: float,
        clock_offset_s: float,
        limits: Limits,
        done: list[Instruction],
    ) -> None:
        receiver = self._receivers.get(body["stream"])
        if receiver is None:
            return
        if receiver.qos != "reliable" and len(body["payload"]) > limits.max_item:
            raise LimitExceeded(f"An item has at most {limits.max_item} bytes.")
        payload = receiver.take(body, now, clock_offset_s)
        if payload is not None:
            late_at = receiver.late_at(body, clock_offset_s)
            done.append(StreamData(receiver.stream, payload, receiver.ended, late_at))
        elif receiver.qos == "reliable" and body.get("last"):
            # The end comes again: the window that told of it was lost.
            self._say("window", receiver.window())

    def _take_window(self, body: Body, now: float) -> None:
        sender = self._senders.get(body["stream"])
        if isinstance(sender, ReliableSender):
            sender.window(body["offset"], body["limit"], now)
            if sender.done:
                # The receiver keeps an ended stream until this, should its window be lost.
                del self._senders[sender.stream]
                self._put("close", {"stream": sender.stream})
