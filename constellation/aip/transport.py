"""Websocket connections that hand frames over as they arrive, without a task in between.

`websockets` puts what it receives into a queue, and a task that waits there is woken a loop
iteration later. Here a frame goes to its receiver from within ``data_received``, and frames out are
written to the socket at once: on loopback a round trip gets a quarter shorter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection, broadcast
from websockets.asyncio.server import ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event

from .identity import Identity

# Bytes that may wait in the transport: few, so that what the session sends next is decided late.
WRITE_LIMIT_BYTES = 64 * 1024
CLOSE_TIMEOUT_S = 2.0
# Websocket pings that are answered while the peer reads nothing.
MAX_UNREAD_PONGS = 1024


class Transport(Connection):
    """One websocket, as seen by the session on top of it.

    Attributes:
        on_frame: called with each whole message, text or bytes.
        on_writable: called when the write buffer has drained after it was full.
        ended: resolved with ``(code, reason)`` once the connection is lost or `end` was called;
            whoever owns the connection awaits it and then closes the websocket.
    """

    on_frame: Callable[[str | bytes], None] | None
    on_writable: Callable[[], None] | None
    ended: asyncio.Future[tuple[int, str]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_frame = None
        self.on_writable = None
        self.ended = self.loop.create_future()
        self._parts = bytearray()
        self._is_text = False
        self._unread_pongs = 0

    @property
    def writable(self) -> bool:
        """True while a frame can be written without piling up behind a slow reader."""
        return not self.paused and not self.ended.done()

    def write(self, frame: str | bytes) -> None:
        """Write a frame now; on a connection that is closing it goes nowhere."""
        broadcast((self,), frame)

    def end(self, code: int, reason: str) -> None:
        """Ask the owner to close the websocket; what was written goes out before."""
        if not self.ended.done():
            # A close frame has room for 123 bytes of reason.
            self.ended.set_result((code, reason.encode()[:120].decode(errors="ignore")))

    async def shut(self, code: int, reason: str) -> None:
        """Close the websocket, politely if the peer answers soon."""
        try:
            await self.close(code, reason)
        finally:
            self.transport.abort()

    def process_event(self, event: Event) -> None:
        """Take an event of the websocket protocol (called by websockets)."""
        if not isinstance(event, Frame) or event.opcode not in _DATA:
            self._bound_pongs(event)
            super().process_event(event)
        elif event.opcode is not Opcode.CONT and event.fin:
            self._hand_over(bytes(event.data), event.opcode is Opcode.TEXT)
        else:
            self._gather(event)

    def _bound_pongs(self, event: Event) -> None:
        # websockets answers every ping at once, whether or not anybody reads the answers.
        if self.paused and isinstance(event, Frame) and event.opcode is Opcode.PING:
            self._unread_pongs += 1
            if self._unread_pongs > MAX_UNREAD_PONGS:
                self.transport.abort()

    def _gather(self, frame: Frame) -> None:
        # websockets bounds the sum of the fragments by max_size; empty ones take no room here.
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts += frame.data
        if frame.fin:
            data = bytes(self._parts)
            self._parts.clear()
            self._hand_over(data, self._is_text)

    def _hand_over(self, data: bytes, is_text: bool) -> None:
        if self.ended.done():
            return
        if self.on_frame is None:
            self.end(CloseCode.PROTOCOL_ERROR, "The dialer speaks first.")
            return
        try:
            frame = data.decode() if is_text else data
        except UnicodeDecodeError:
            self.end(CloseCode.INVALID_DATA, "A text frame is not UTF-8.")
            return
        self.on_frame(frame)

    def resume_writing(self) -> None:
        """The write buffer has drained (called by asyncio)."""
        super().resume_writing()
        self._unread_pongs = 0
        if self.on_writable is not None:
            self.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone (called by asyncio)."""
        super().connection_lost(exc)
        if not self.ended.done():
            reason = self.close_reason or ("the link broke" if exc is None else str(exc))
            self.ended.set_result((self.close_code or CloseCode.ABNORMAL_CLOSURE, reason))


_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class ServerTransport(Transport, ServerConnection):
    """A connection that was accepted.

    Attributes:
        identity: whose credential came with the request; None if none came.
        allowance: bytes that it may still send; None for any number.
    """

    identity: Identity | None
    allowance: int | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.identity = None
        self.allowance = None

    def data_received(self, data: bytes) -> None:
        """Bytes came (called by asyncio)."""
        if self.allowance is not None:
            self.allowance -= len(data)
            if self.allowance < 0:
                self.end(CloseCode.MESSAGE_TOO_BIG, "That is too much for a hello.")
                return
        super().data_received(data)


class ClientTransport(Transport, ClientConnection):
    """A connection that was dialed."""


def address_of(connection: Connection) -> str:
    """Where a connection comes from, as people write it; empty if it is gone."""
    address = connection.remote_address
    return str(address[0]) if address else ""
