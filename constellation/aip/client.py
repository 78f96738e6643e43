"""The dialling end: a session that outlives its connections.

::

    async with connect("ws://127.0.0.1:8470", role="client", name="me", credential=token) as link:
        print(await link.request("devices"))

A `Link` dials again for as long as its context is open, with jittered backoff, and resumes its
session; what was sent meanwhile waits in it.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from ssl import SSLContext

import anyio

from .backoff import Backoff
from .cards import DeviceCard
from .codec import MSGPACK, Codec
from .dialing import Dialer
from .endpoint import Clock, anchored_clock
from .heartbeat import Heartbeat
from .limits import Limits
from .link import Inventory, Link, Role
from .messages import Message
from .pipes import IncomingStream
from .session import Session, TransportClosed, TransportOpened
from .transfers import Store

__all__ = ["Inventory", "Link", "Role", "connect"]


@asynccontextmanager
async def connect(
    url: str,
    *,
    role: Role,
    name: str,
    card: DeviceCard | None = None,
    credential: str | None = None,
    pair_code: str | None = None,
    ssl: SSLContext | None = None,
    codec: Codec = MSGPACK,
    limits: Limits | None = None,
    heartbeat: Heartbeat | None = None,
    inventory: Inventory = lambda: ((), ()),
    on_open: Callable[[bool, Sequence[Message]], None] = lambda resumed, lost: None,
    on_messages: Callable[[Sequence[Message]], None] | None = None,
    on_detached: Callable[[str], None] = lambda reason: None,
    on_credential: Callable[[str], None] = lambda token: None,
    give_up: bool = True,
    backoff: Backoff | None = None,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    clock: Clock | None = None,
    artifacts: Store | None = None,
    on_stream: Callable[[IncomingStream], None] | None = None,
) -> AsyncIterator[Link]:
    """A session with a hub for as long as the context is open.

    The context opens at once; `Link.ready` waits for the hub. It dials again whenever the
    connection is lost. An error that ends it cancels the body of the context and is raised from it.
    Callbacks are called in the event loop and must not block; what they raise ends the context.

    Args:
        url: such as ``wss://hub.example:8470``; of a cluster, those of its gateways, separated by
            commas.
        role, name: who we are.
        card: of a device.
        credential: bearer token.
        pair_code: exchanged for a credential of our own; see `on_credential`.
        ssl: for ``wss``; see `constellation.aip.tls`.
        codec: msgpack or JSON.
        limits: what the hub may send.
        heartbeat: when a quiet hub is asked for a sign of life.
        inventory: attempts that run here, and those whose results are held; asked at each dial.
        on_open: called with whether the session was resumed, and if not, with those messages of the
            older one that the hub never secured.
        on_messages: takes every message, and has `Link.acknowledge` called once they are secured;
            None for clients, whose answers and events are sorted by `Link.request` and `events`.
        on_detached: the connection is gone, and why.
        on_credential: takes the token that pairing gave, to be kept.
        give_up: raise when the hub refuses us, rather than try for ever.
        backoff: how long to wait before dialing again.
        sleep: waits that long.
        clock: seconds; never goes back.
        artifacts: what the hub may put here and get from here.
        on_stream: called with each stream that the hub opens; None refuses them.

    Raises:
        ConfigError: the address is none.
        AuthenticationError, PermissionDenied: the hub refuses us.
        VersionError, RemoteProtocolError: we have no language in common.
        SessionLost: another session of our name took our place.
    """
    limits, heartbeat = limits or Limits(), heartbeat or Heartbeat()
    link = Link(
        Dialer(url, ssl=ssl, codec=codec, limits=limits),
        role=role,
        name=name,
        card=card,
        credential=credential,
        pair_code=pair_code,
        make_session=lambda: _make_session(codec, limits, heartbeat),
        inventory=inventory,
        on_open=on_open,
        on_messages=on_messages,
        on_detached=on_detached,
        on_credential=on_credential,
        clock=clock or anchored_clock(),
        artifacts=artifacts,
        on_stream=on_stream,
    )
    backoff = backoff or Backoff(random.random)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(link.run, tasks, backoff, sleep, give_up=give_up))
            try:
                yield link
            finally:
                await link.aclose()
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _sole(group) from None


def _make_session(codec: Codec, limits: Limits, heartbeat: Heartbeat) -> Session:
    session = Session("dialer", limits=limits, heartbeat=heartbeat)
    # It learns its codec from a connection, and is to encode in it what is sent before the first.
    session.handle(TransportOpened(codec), 0.0)
    session.handle(TransportClosed(), 0.0)
    return session


def _sole(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error in a group that holds but one; else the group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
