"""A session with a hub as whoever dialled sees it: it outlives its connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import anyio
from anyio.abc import TaskGroup
from websockets.frames import CloseCode as WebsocketCode

from constellation.errors import (
    AuthenticationError,
    ConstellationError,
    LimitExceeded,
    LocalProtocolError,
    PermissionDenied,
    RemoteProtocolError,
    SessionLost,
    VersionError,
    error_from_wire,
)

from .backoff import Backoff
from .cards import DeviceCard
from .dialing import Dialer
from .endpoint import Clock, Endpoint
from .inbox import Events, Inbox
from .messages import Message
from .pipes import IncomingStream
from .session import (
    CloseCode,
    CloseTransport,
    Deliver,
    Ended,
    Instruction,
    Opened,
    Refused,
    Session,
    State,
    TransportOpened,
)
from .transfers import Store
from .transport import CLOSE_TIMEOUT_S, ClientTransport

_DISAGREEMENTS = frozenset({CloseCode.PROTOCOL, CloseCode.LIMIT})

Role = Literal["device", "client"]
Inventory = Callable[[], tuple[Sequence[str], Sequence[str]]]

# Refusals that trying again does not mend.
_FINAL = (AuthenticationError, PermissionDenied, VersionError, RemoteProtocolError, SessionLost)


class Link(Endpoint):
    """A session with a hub. Made by `connect`, which documents the arguments.

    Attributes:
        name: ours, as the hub knows us.
        credential: the token that is shown; after pairing the one that was issued.
        welcome: what the hub said when it last opened the session.
        trouble: why the last connection was refused or not made; None after one that was.
    """

    def __init__(
        self,
        dialer: Dialer,
        *,
        role: Role,
        name: str,
        card: DeviceCard | None,
        credential: str | None,
        pair_code: str | None,
        make_session: Callable[[], Session],
        inventory: Inventory,
        on_open: Callable[[bool, Sequence[Message]], None],
        on_messages: Callable[[Sequence[Message]], None] | None,
        on_detached: Callable[[str], None],
        on_credential: Callable[[str], None],
        clock: Clock,
        artifacts: Store | None,
        on_stream: Callable[[IncomingStream], None] | None,
    ) -> None:
        super().__init__(name, make_session(), clock, artifacts)
        self.credential = credential
        self.welcome: Mapping[str, Any] = {}
        self._dialer = dialer
        self._role = role
        self._card = card
        self._pair_code = pair_code
        self._make_session = make_session
        self._inventory = inventory
        self._on_open = on_open
        self._inbox = Inbox(self.acknowledge, self._unsubscribe)
        self._on_messages = on_messages or self._inbox.receive
        self._on_detached = on_detached
        self._on_credential = on_credential
        self._requests = 0
        self._is_open = anyio.Event()
        self._was_open = False
        self.trouble: ConstellationError | None = None
        self._fault: Exception | None = None
        self._is_closing = False
        if on_stream is not None:
            self.streams.takers[""] = on_stream

    # ── for the application ─────────────────────────────────────────────────────────────────────

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self.session.state

    async def ready(self) -> None:
        """Wait until the session is open on a connection."""
        await self._is_open.wait()

    async def request(self, verb: str, params: Mapping[str, Any] | None = None) -> Any:
        """Ask the hub for something and wait for its answer, across reconnects.

        Raises:
            ConstellationError: what the hub answered.
            SessionLost: the hub restarted or forgot us; what was asked may have happened.
        """
        request = self._next_request()
        answer = self._inbox.expect(request)
        try:
            await self.send_wait("request", {"id": request, "verb": verb, "params": params or {}})
            return await answer
        finally:
            answer.cancel()

    def events(self, subscription: str) -> Events:
        """The events of a subscription; they end with `SessionLost` when the session is lost."""
        return self._inbox.events(subscription)

    def _next_request(self) -> str:
        self._requests += 1
        return f"r{self._requests}"

    def _unsubscribe(self, subscription: str) -> None:
        """Let the hub know that nobody reads a subscription; its answer comes after the last."""
        request = self._next_request()
        params = {"subscription": subscription}
        try:
            self.send("request", {"id": request, "verb": "unsubscribe", "params": params})
        except (LocalProtocolError, LimitExceeded):
            return  # the session ends, or too much waits: what still comes is dropped here
        answer = self._inbox.expect(request)
        answer.add_done_callback(lambda _: self._inbox.forget(subscription))

    def publish_card(self, card: DeviceCard) -> None:
        """Tell the hub what the device is now."""
        self._card = card
        self.send("card", {"card": card.model_dump(mode="json")})

    # ── connections ─────────────────────────────────────────────────────────────────────────────

    async def run(
        self,
        tasks: TaskGroup,
        backoff: Backoff,
        sleep: Callable[[float], Awaitable[None]],
        *,
        give_up: bool,
    ) -> None:
        """Keep connected until canceled; `connect` documents the arguments.

        Raises:
            ConstellationError: the hub refused us, and trying again would not mend it.
            Exception: what a callback raised.
        """
        while not self._is_closing:
            try:
                transport = await self._dialer.dial(self.credential)
            except ConstellationError as error:
                self.trouble = error
            else:
                if self._is_closing:
                    # The goodbye was said while we dialled.
                    transport.transport.abort()
                    return
                self.trouble = None
                if await self._serve(transport, tasks):
                    backoff.reset()
            if self._fault is not None:
                raise self._fault
            if give_up and isinstance(self.trouble, _FINAL):
                raise self.trouble
            await sleep(backoff.next_s())

    async def _serve(self, transport: ClientTransport, tasks: TaskGroup) -> bool:
        """Serve a connection to its end; True if it was of use."""
        self._attach(transport)
        self._feed(TransportOpened(self._dialer.codec, self._introduction()))
        try:
            code, reason = await transport.ended
        finally:
            if transport.ended.cancelled() and self._transport is not transport:
                # We stop, its session has ended, and nobody else knows of it.
                transport.transport.abort()
        tasks.start_soon(transport.shut, code, reason)
        self._detach(transport, reason)
        was_open = self._no_longer_open(reason)
        if isinstance(self.trouble, RemoteProtocolError) and self.session.id:
            # What it refused may be the attempt to resume: begin afresh.
            self._renew()
            self.trouble = None
        if code == CloseCode.REPLACED:
            self.trouble = SessionLost(
                f"The hub closed the session: {reason}.",
                remedy="Stop the other one, or give one of them another name.",
            )
        # A message that one of us cannot take comes again with each connection: that is no success.
        return was_open and self.trouble is None and code not in _DISAGREEMENTS

    async def aclose(self) -> None:
        """Say goodbye: the hub forgets the session."""
        transport, self._is_closing = self._transport, True
        self._end("it said goodbye", CloseCode.BYE)
        if transport is not None:
            with anyio.CancelScope(shield=True):
                await transport.shut(WebsocketCode.NORMAL_CLOSURE, "")

    def _introduction(self) -> dict[str, Any]:
        running, held = self._inventory()
        hello: dict[str, Any] = {"role": self._role, "name": self.name}
        if self._card is not None:
            hello["card"] = self._card.model_dump(mode="json")
        if self._role == "device":
            hello |= {"running": list(running), "held": list(held)}
        if self._pair_code is not None:
            hello["pair"] = {"code": self._pair_code}
        return hello

    # ── instructions ────────────────────────────────────────────────────────────────────────────

    def _obey(self, instruction: Instruction) -> None:
        match instruction:
            case Opened(resumed, welcome, lost):
                self._opened(resumed, welcome, lost)
            case Deliver(messages):
                with self._guard:
                    super()._obey(instruction)
                    self._on_messages(messages)
            case Refused(error) if self.session.state is State.GREETING:
                self.trouble = error_from_wire(error)
            case CloseTransport(code, reason) if self._was_ended() and self._transport is not None:
                # The hub closes the connection; the code with which it does so says why.
                self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.end, code, reason)
            case Ended(reason) if not self._is_closing:
                super()._obey(instruction)
                self._let_go()
                self._renew()
                self._no_longer_open(reason)
            case _:
                super()._obey(instruction)

    def _no_longer_open(self, reason: str) -> bool:
        """Tell, once, that the connection is gone; True if the session was open on it."""
        was_open = self._is_open.is_set()
        if was_open:
            self._is_open = anyio.Event()
            with self._guard:
                self._on_detached(reason)
        return was_open

    def _was_ended(self) -> bool:
        return self.session.state is State.CLOSED and not self._is_closing

    def _opened(self, resumed: bool, welcome: Mapping[str, Any], lost: Sequence[Message]) -> None:
        self.welcome = welcome
        token = welcome.get("credential")
        if token is not None and self._pair_code is not None:
            self.credential, self._pair_code = token, None
            with self._guard:
                self._on_credential(token)
        if not resumed:
            lost = self._began(lost)
        self._is_open.set()
        with self._guard:
            self._on_open(resumed, lost)

    def _began(self, lost: Sequence[Message]) -> Sequence[Message]:
        """A fresh session; return what an older one did not get through."""
        if self._was_open:
            self._lose()
            self._inbox.lose("the hub has forgotten it")
            return lost
        # What was sent before there was any session is not lost: it was early.
        self._was_open = True
        with self._guard:
            for message in lost:
                self.session.send(message.type, message.body)
        return ()

    def _renew(self) -> None:
        """The session is no more; the next connection begins another."""
        self.session = self._make_session()
        self._was_open = False
        self._lose()
        self._inbox.lose("the hub has ended it")

    def _fail(self, error: Exception) -> None:
        """A callback failed: stop, and raise it where the link was opened."""
        self._fault = self._fault or error
        if self._transport is not None:
            self._transport.end(WebsocketCode.INTERNAL_ERROR, "a fault in the peer")
