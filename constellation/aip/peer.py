"""A session as the server's application sees it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from websockets.frames import CloseCode as WebsocketCode

from constellation.errors import (
    AuthenticationError,
    ConstellationError,
    LimitExceeded,
    ProtocolError,
)

from .codec import Codec, Frame
from .endpoint import Clock, Endpoint
from .identity import Identity
from .messages import Hello, Message
from .pipes import IncomingStream
from .session import CloseCode, Deliver, Ended, Instruction, Session, State
from .transfers import Store
from .transport import Transport


class Application(Protocol):
    """What a server tells; called in the event loop, so it must not block.

    An error that escapes from it ends the session concerned and is reported to the event loop's
    exception handler; other sessions go on.
    """

    def opened(self, peer: Peer, hello: Hello, resumed: bool) -> None:
        """A session is open: afresh, or again after `detached`."""

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        """Messages came; `Peer.acknowledge` the last once they are secured."""

    def detached(self, peer: Peer, reason: str) -> None:
        """The connection is gone; the session is kept for the grace time."""

    def closed(self, peer: Peer, reason: str) -> None:
        """The session is gone for good."""


class Peer(Endpoint):
    """A session with somebody who dialled.

    Args:
        app: is told what happens.
        begin: called with the hello once it is believed; it calls `begun`.
        forget: called when the session has ended.
        store: artifacts that it may put and get.
        on_stream: called with each stream that it opens.

    Attributes:
        name, role: as in its hello.
        identity: whose credential it showed.
        codec: what it speaks.
        address: where it dialled from; empty if that is not known.
        resume_token: what it must show to resume the session.
    """

    def __init__(
        self,
        session: Session,
        codec: Codec,
        clock: Clock,
        identity: Identity,
        hello: Hello,
        app: Application,
        begin: Callable[[Peer, Hello], None],
        forget: Callable[[Peer], None],
        store: Store | None,
        on_stream: Callable[[Peer, IncomingStream], None] | None,
    ) -> None:
        super().__init__(hello.name, session, clock, store)
        self.role = hello.role
        self.identity = identity
        self.codec = codec
        self.address = ""
        self.resume_token = secrets.token_urlsafe(32)
        self._id = secrets.token_urlsafe(12)
        self._app = app
        self._begin = begin
        self._forget = forget
        # What was said, as long as it is not believed; the application knows of nothing then.
        self._hello: Hello | None = hello
        self._expiry: asyncio.TimerHandle | None = None
        if on_stream is not None:
            self.streams.takers[""] = partial(on_stream, self)

    def send(self, type: str, body: Mapping[str, Any]) -> int:
        """Queue a message; return its number.

        A peer that takes nothing in, so that its limits would be passed, loses its session. After
        the end of a session nothing is sent and 0 is returned: the application was told.

        Raises:
            LocalProtocolError: unknown type, or a body that cannot be encoded.
            LimitExceeded: the body is larger than the peer takes.
        """
        if self.session.state is State.CLOSED:
            return 0
        try:
            return super().send(type, body)
        except LimitExceeded:
            if not self.is_full:
                raise
            self.close("it does not take in what it is sent", CloseCode.LIMIT)
            return 0

    def acknowledge(self, seq: int) -> None:
        """Messages up to this number are secured: the peer may forget them."""
        if self.session.state is not State.CLOSED:
            super().acknowledge(seq)

    def close(self, reason: str, code: int = CloseCode.BYE) -> None:
        """End the session for good; the application is told before this returns."""
        self._end(reason, code)

    def complain(self, error: ConstellationError) -> None:
        """Tell the peer that something it said cannot be; the session goes on.

        Nothing waits for a peer that does not listen: then it is not told.
        """
        if self._transport is not None and self._transport.writable:
            complaint = self.codec.encode("error", 0, error.to_wire())
            self._transport.write(self.codec.join(0, [complaint]))

    def give_up(self, error: ProtocolError) -> None:
        """End the session because the peer's own limits leave no room for what it asked for."""
        self.complain(error)
        self.close(error.message, CloseCode.LIMIT)

    def shut_out(self, error: AuthenticationError, code: int) -> None:
        """End the session because its credential is no longer good."""
        self.complain(error)
        self.close(error.message, code)

    # ── for the server ──────────────────────────────────────────────────────────────────────────

    @property
    def session_id(self) -> str:
        """Names the session."""
        return self._id

    def expire_in(self, seconds: float) -> None:
        """Its credential is good for so long."""
        self._expiry = self._loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        expired = AuthenticationError("This credential has expired.", remedy="Pair again.")
        self.shut_out(expired, CloseCode.UNAUTHENTICATED)

    def accept(
        self, transport: Transport, hello: Hello, welcome: Mapping[str, Any], *, at_once: bool
    ) -> None:
        """The session begins on this connection: at once, or when whoever said hello answers."""
        now = self._clock()
        self.session.accept(hello, self.codec, self._id, self.resume_token, now, **welcome)
        self._attach(transport)
        if at_once:
            self._believe(hello)

    @property
    def is_connected(self) -> bool:
        """True while it has a connection."""
        return self._transport is not None

    @property
    def is_begun(self) -> bool:
        """True once its hello is believed.

        The hello of a connection that was given up may arrive after that of the next one, and what
        it says of the device's work is old then. Nothing follows it: so where it would replace a
        session, it is believed when another frame comes behind it, such as the answer to the ping
        that a connection begins with.
        """
        return self._hello is None

    def begun(self, hello: Hello) -> None:
        """Tell the application that there is a new session."""
        with self._guard:
            self._app.opened(self, hello, False)

    def _believe(self, hello: Hello) -> None:
        self._hello = None
        self._begin(self, hello)

    def _on_frame(self, frame: Frame) -> None:
        if self._hello is not None:
            self._believe(self._hello)
        super()._on_frame(frame)

    def resume(self, transport: Transport, hello: Hello, welcome: Mapping[str, Any]) -> None:
        """The session goes on over this connection, though an older one may still look alive.

        Raises:
            RemoteProtocolError: the hello claims to have seen what was never sent.
        """
        if self._transport is not None:
            older, reason = self._transport, "the session goes on over another connection"
            older.end(CloseCode.REPLACED, reason)
            self.leave(older, reason)
        self.session.resume(hello, self.codec, self._clock(), **welcome)
        self._attach(transport)
        if not self.is_begun:
            # Whoever can name the session has had the welcome.
            self._believe(hello)
            return
        with self._guard:
            self._app.opened(self, hello, True)

    def leave(self, transport: Transport, reason: str) -> None:
        """The connection is gone."""
        gone = self._detach(transport, reason) and self.session.state is not State.CLOSED
        if gone and self.is_begun:
            with self._guard:
                self._app.detached(self, reason)

    def stop(self) -> None:
        """The server stops: nothing more happens here, and nobody is told."""
        self._stop_timer()
        self._lose()
        self._transport = None

    def _lose(self) -> None:
        super()._lose()
        if self._expiry is not None:
            self._expiry.cancel()

    def _obey(self, instruction: Instruction) -> None:
        match instruction:
            case Deliver(messages):
                with self._guard:
                    super()._obey(instruction)
                    self._app.received(self, messages)
            case Ended(reason):
                super()._obey(instruction)
                self._forget(self)
                if self.is_begun:
                    with self._guard:
                        self._app.closed(self, reason)
            case _:
                super()._obey(instruction)

    def _fail(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": f"The session of {self.name} hit a fault.", "exception": error}
        )
        self.close("the hub hit a fault", WebsocketCode.INTERNAL_ERROR)
