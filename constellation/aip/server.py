"""The listening end: websockets in, sessions out.

A connection authenticates in its request or in its hello. Its session is then found again by id and
secret token, or made anew; it outlives the connection for the grace time.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from ssl import SSLContext
from typing import cast

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from constellation.errors import (
    AuthenticationError,
    ConfigError,
    ConstellationError,
    LimitExceeded,
    PermissionDenied,
    ProtocolError,
    SessionError,
    VersionError,
)

from .admission import Admission
from .arrival import Arrival
from .auth import Authenticator
from .codec import CODECS, Codec, Frame
from .doorway import PATH, Doorway, Refused
from .endpoint import Clock, anchored_clock
from .greeting import check_card
from .heartbeat import Heartbeat
from .identity import Identity
from .limits import Limits
from .messages import SUBPROTOCOLS, Hello
from .peer import Application, Peer
from .pipes import IncomingStream
from .session import CloseCode, Session, read_hello
from .transfers import Store
from .transport import CLOSE_TIMEOUT_S, WRITE_LIMIT_BYTES, ServerTransport, address_of

__all__ = ["PATH", "Application", "Peer", "Server", "serve"]

_CODES: dict[type[ConstellationError], int] = {
    AuthenticationError: CloseCode.UNAUTHENTICATED,
    PermissionDenied: CloseCode.UNAUTHENTICATED,
    VersionError: CloseCode.VERSION,
    LimitExceeded: CloseCode.LIMIT,
}
# Connections that wait to be accepted: all devices dial at once when a hub comes back, and one that
# is turned away here waits for a second before it knocks again.
BACKLOG = 4096


class Server:
    """Sessions by id, and the way into them. Made by `serve`, which documents the arguments.

    Attributes:
        port: where it listens.
        url: what clients dial.
        allowed_origins: origins of web pages that may connect; may be changed.
    """

    def __init__(
        self,
        app: Application,
        authenticator: Authenticator,
        *,
        name: str,
        limits: Limits,
        heartbeat: Heartbeat,
        grace_s: float,
        hello_timeout_s: float,
        admission: Admission,
        clock: Clock,
        artifacts_of: Callable[[Identity], Store | None],
        on_stream: Callable[[Peer, IncomingStream], None] | None,
        doorway: Doorway,
    ) -> None:
        self.port = 0
        self.url = ""
        self.allowed_origins = doorway.allowed_origins
        self._app = app
        self._authenticator = authenticator
        self._name = name
        self._limits = limits
        self._heartbeat = heartbeat
        self._grace_s = grace_s
        self._hello_timeout_s = hello_timeout_s
        self._admission = admission
        self._clock = clock
        self._artifacts_of = artifacts_of
        self._on_stream = on_stream
        self._on_refused = doorway.on_refused
        self._peers: dict[str, Peer] = {}
        self._devices: dict[str, Peer] = {}
        self._unanswered: dict[str, Peer] = {}

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Every session, connected or not."""
        return tuple(self._peers.values())

    # ── from request to hello ───────────────────────────────────────────────────────────────────

    async def handle(self, connection: ServerConnection) -> None:
        """See a connection from its hello to its end."""
        transport = cast(ServerTransport, connection)
        arrival = Arrival(transport, self._admission)
        if arrival.admitted:
            transport.on_frame = partial(self._greet, arrival)
            arrival.expect_hello(self._hello_timeout_s)
        code, reason = await transport.ended
        arrival.over(reason)
        await transport.shut(code, reason)

    # ── from hello to session ───────────────────────────────────────────────────────────────────

    def _greet(self, arrival: Arrival, frame: Frame) -> None:
        """Take the first frame of a connection."""
        transport = arrival.transport
        codec = CODECS[str(transport.subprotocol)]
        try:
            hello = read_hello(frame, codec, self._limits)
            arrival.said = hello.name
            identity, token = self._identify(transport, hello)
            identity.check_role(hello.role, hello.name)
            check_card(hello)
            arrival.opened(self._open(transport, codec, hello, identity, token))
        except (ProtocolError, SessionError, ConfigError) as error:
            self._on_refused(address_of(transport), arrival.said, error)
            if transport.identity is None:
                # Whatever was wrong: a stranger's hellos cost time, and few of them are enough.
                self._admission.failed(address_of(transport), self._clock())
            transport.write(codec.join(0, [codec.encode("error", 0, error.to_wire())]))
            transport.end(_CODES.get(type(error), CloseCode.PROTOCOL), error.message)

    def _identify(self, transport: ServerTransport, hello: Hello) -> tuple[Identity, str | None]:
        """Who dialled, and the token of a credential that was made for them just now."""
        if transport.identity is not None:
            return transport.identity, None
        if self._admission.blocked(address_of(transport), self._clock()):
            raise LimitExceeded("Too many failures came from there.", remedy="Wait a minute.")
        if hello.credential is not None:
            token = hello.credential.get_secret_value()
            return self._authenticator.authenticate(token, time.time()), None
        if hello.pair is not None:
            return self._authenticator.pair(hello.pair.code, hello.name, hello.role, time.time())
        raise AuthenticationError(
            "There is no credential.", remedy="Send a bearer token, or pair with a code."
        )

    def _open(
        self,
        transport: ServerTransport,
        codec: Codec,
        hello: Hello,
        identity: Identity,
        token: str | None,
    ) -> Peer:
        """Resume the session that the hello names, or begin one."""
        Limits.from_wire(hello.limits)  # refused here, before a session is touched
        welcome = {"name": hello.name, "hub": self._name}
        if token is not None:
            welcome["credential"] = token
        peer = self._find(codec, hello, identity)
        if peer is not None:
            peer.address = address_of(transport)
            peer.resume(transport, hello, welcome)
            return peer
        peer = self._make(codec, hello, identity)
        peer.address = address_of(transport)
        self._peers[peer.session_id] = peer
        replaces = peer.role == "device" and peer.name in self._devices
        if replaces:
            self._await_answer(peer)
        peer.accept(transport, hello, welcome, at_once=not replaces)
        if identity.expires_at is not None:
            peer.expire_in(identity.expires_at - time.time())
        return peer

    def _await_answer(self, peer: Peer) -> None:
        """Of the sessions of a device that nobody answered, the last one may still be resumed."""
        older = self._unanswered.get(peer.name)
        self._unanswered[peer.name] = peer
        if older is not None and not older.is_connected:
            older.close("nobody answered")

    def _begin(self, peer: Peer, hello: Hello) -> None:
        """A hello is believed: of a device there is one session."""
        older = self._devices.get(peer.name) if peer.role == "device" else None
        if peer.role == "device":
            self._devices[peer.name] = peer
            if self._unanswered.get(peer.name) is peer:
                del self._unanswered[peer.name]
        peer.begun(hello)
        if older is not None:
            # Told after the new session is open: the device is back, not lost.
            older.close(f"a newer session of {peer.name} has begun", CloseCode.REPLACED)

    def _find(self, codec: Codec, hello: Hello, identity: Identity) -> Peer | None:
        """The session that the hello names, if whoever dialled may have it."""
        peer = None if hello.session is None else self._peers.get(hello.session.id)
        if hello.session is None or peer is None:
            return None
        theirs = hello.session.token.get_secret_value()
        if not hmac.compare_digest(peer.resume_token.encode(), theirs.encode()):
            return None
        before = (peer.identity, peer.role, peer.name, peer.codec)
        return peer if before == (identity, hello.role, hello.name, codec) else None

    def _make(self, codec: Codec, hello: Hello, identity: Identity) -> Peer:
        session = Session(
            "listener", limits=self._limits, heartbeat=self._heartbeat, grace_s=self._grace_s
        )
        return Peer(
            session,
            codec,
            self._clock,
            identity,
            hello,
            self._app,
            self._begin,
            self._forget,
            self._artifacts_of(identity),
            self._on_stream,
        )

    def _forget(self, peer: Peer) -> None:
        self._peers.pop(peer.session_id, None)
        for known in (self._devices, self._unanswered):
            if known.get(peer.name) is peer:
                del known[peer.name]

    # ── for `serve` ─────────────────────────────────────────────────────────────────────────────

    def revoke(self, credential: str) -> None:
        """Close every session that was opened with a credential."""
        for peer in self.peers:
            if peer.identity.credential == credential:
                revoked = AuthenticationError("This credential was revoked.", remedy="Pair again.")
                peer.shut_out(revoked, CloseCode.REVOKED)

    def stop(self) -> None:
        """Let go of every session without telling anybody: devices dial again."""
        for peer in self.peers:
            peer.stop()
        self._peers.clear()
        self._devices.clear()
        self._unanswered.clear()


@asynccontextmanager
async def serve(
    app: Application,
    authenticator: Authenticator,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ssl: SSLContext | None = None,
    name: str = "hub",
    limits: Limits | None = None,
    heartbeat: Heartbeat | None = None,
    grace_s: float = 60.0,
    hello_timeout_s: float = 5.0,
    allowed_origins: Collection[str] = (),
    admission: Admission | None = None,
    clock: Clock | None = None,
    artifacts: Store | None = None,
    artifacts_of: Callable[[Identity], Store] | None = None,
    on_stream: Callable[[Peer, IncomingStream], None] | None = None,
    gate: Callable[[Request], Response | None] | None = None,
    authority: str | None = None,
    on_refused: Refused = lambda address, name, error: None,
) -> AsyncIterator[Server]:
    """Serve AIP for as long as the context is open.

    Args:
        app: is told what happens.
        authenticator: says who may connect.
        host, port: the address to listen on; port 0 takes a free one.
        ssl: for ``wss``; see `constellation.aip.tls`.
        name: of this hub, told in the welcome.
        limits: what each peer may send.
        heartbeat: when a quiet peer is asked for a sign of life.
        grace_s: how long a session is kept without a connection.
        hello_timeout_s: how long a connection may take to say who it is.
        allowed_origins: origins of web pages that may connect, such as ``https://hub.example``.
        admission: bounds on connections that have not authenticated.
        clock: seconds; never goes back.
        artifacts: what peers may put and get.
        artifacts_of: what each of them may put and get, if not all the same.
        on_stream: called with each stream that a peer opens; None refuses them.
        gate: sees each request first and may answer it, with a page or a refusal.
        authority: PEM text of our own authority, shown to whoever wants to compare its fingerprint.
        on_refused: told of each connection that is refused: from where, under what name, and why.

    Raises:
        ConfigError: the address cannot be bound.
    """
    limits = limits or Limits()
    doorway = Doorway(
        authenticator,
        admission or Admission(),
        clock or anchored_clock(),
        set(allowed_origins),
        gate,
        authority,
        on_refused,
    )
    server = Server(
        app,
        authenticator,
        name=name,
        limits=limits,
        heartbeat=heartbeat or Heartbeat(),
        grace_s=grace_s,
        hello_timeout_s=hello_timeout_s,
        admission=doorway.admission,
        clock=doorway.clock,
        artifacts_of=artifacts_of or (lambda identity: artifacts),
        on_stream=on_stream,
        doorway=doorway,
    )
    listening = serve_websockets(
        server.handle,
        host,
        port,
        ssl=ssl,
        subprotocols=[Subprotocol(each) for each in SUBPROTOCOLS],
        process_request=doorway.check,
        server_header=None,
        compression=None,
        open_timeout=hello_timeout_s,
        ping_interval=None,
        close_timeout=CLOSE_TIMEOUT_S,
        max_size=limits.max_frame,
        write_limit=WRITE_LIMIT_BYTES,
        create_connection=ServerTransport,
        backlog=BACKLOG,
    )
    try:
        await listening
    except OSError as error:
        raise ConfigError(
            f"The {name} cannot listen on {host}:{port}: {error.strerror or error}.",
            remedy="Choose another address or port, or stop what uses it.",
        ) from None
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        server.url = f"{'ws' if ssl is None else 'wss'}://{shown}:{server.port}{PATH}"
        unwatch = authenticator.on_revoked(server.revoke)
        try:
            yield server
        finally:
            unwatch()
            server.stop()
