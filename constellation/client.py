"""A client of a hub: finds it, makes requests and follows what happens.

Everything that a person uses stands on this: the command line and the terminal interface see no
more of a hub than any other client.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import anyio

from constellation.aip.client import Link, connect
from constellation.aip.inbox import Event, Events
from constellation.aip.pipes import IncomingStream
from constellation.aip.session import State
from constellation.aip.trust import trusting
from constellation.config import LocalHub, Settings
from constellation.errors import ConfigError, HubUnreachable, SessionLost
from constellation.joined import JoinedHub
from constellation.tracing import traceparent_here

# The hub gives fewer tasks at once where they are large.
PART_TASKS = 1_000
# Verbs that are told of which trace they are a part.
_TRACED = ("plan", "submit")


class HubClient:
    """A connection to a hub, with its verbs.

    A link that is cut is dialed again, and goes on where it was.

    Attributes:
        url: the hub's address.
    """

    def __init__(self, link: Link, url: str) -> None:
        self._link = link
        self.url = url
        self._shown: dict[int, IncomingStream] = {}
        link.streams.takers["live"] = self._take_live
        self._listeners: list[Callable[[bool], None]] = []

    async def ask(self, verb: str, **params: Any) -> dict[str, Any]:
        """Make a request, once there is a connection; parameters that are None are left out.

        What is submitted becomes a part of the trace that this program is in, if there is one.

        Raises:
            ConstellationError: what the hub answered.
            SessionLost: the hub was restarted while it had the request, which may have happened.
        """
        await self._link.ready()
        if verb in _TRACED and params.get("traceparent") is None:
            params["traceparent"] = traceparent_here()
        given = {key: value for key, value in params.items() if value is not None}
        return dict(await self._link.request(verb, given))

    async def show(self, constellation: str) -> dict[str, Any]:
        """A constellation with its whole graph, however large, asked for in parts.

        Raises:
            UnknownConstellationError: there is none of that id.
        """
        shown = await self._part(constellation, 0)
        while (after := shown["next"]) is not None:
            part = await self._part(constellation, after)
            if part["version"] != shown["version"]:
                # It was edited meanwhile: positions in the graph may have moved.
                shown = await self._part(constellation, 0)
                continue
            graph = shown["graph"]
            part["waiting"] = {**shown["waiting"], **part["waiting"]}
            part["graph"]["nodes"] = graph["nodes"] + part["graph"]["nodes"]
            part["graph"]["dependencies"] = graph["dependencies"] + part["graph"]["dependencies"]
            shown = part
        del shown["next"]
        return shown

    async def _part(self, constellation: str, after: int) -> dict[str, Any]:
        return await self.ask("show", constellation=constellation, after=after, limit=PART_TASKS)

    async def watch(
        self, constellation: str | None = None, *, after: int | None = None
    ) -> AsyncGenerator[Event]:
        """Subscribe to one constellation, or to all and the devices; return the events.

        Every fact is told once, also across a restart of the hub. Close what is returned if other
        work goes on: events that nobody reads hold back what the hub sends.

        Args:
            after: tell the facts with higher numbers first; None starts with what comes next.
        """
        events, _ = await self._subscribe(constellation, after)
        return self._events(events, constellation, after)

    async def follow(self, constellation: str, *, after: int = 0) -> AsyncGenerator[Event]:
        """As `watch`, until the constellation has ended; return the events, that one the last.

        It may have ended before and been reopened: those ends are events like others.
        """
        events, last = await self._subscribe(constellation, after)
        return _to_the_end(self._events(events, constellation, after), last)

    async def _subscribe(self, constellation: str | None, after: int | None) -> tuple[Events, int]:
        answer = await self.ask("subscribe", constellation=constellation, after=after)
        return self._link.events(answer["subscription"]), answer["last"]

    async def _events(
        self, events: Events | None, constellation: str | None, after: int | None
    ) -> AsyncGenerator[Event]:
        while True:
            try:
                if events is None:
                    events, _ = await self._subscribe(constellation, after)
                async for event in events:
                    after = event.get("seq", after)
                    yield event
                return
            except SessionLost:
                # The hub was restarted: it goes on from its journal, and so do we.
                events = None
            finally:
                if events is not None:
                    events.close()

    async def put_artifact(self, file: BinaryIO, name: str = "") -> tuple[str, int]:
        """Give the hub a file; return its hash (SHA-256, hexadecimal) and its size in bytes.

        Raises:
            PermissionDenied, LimitExceeded: the hub does not take it.
            SessionLost: the hub was restarted meanwhile; put it again.
        """
        await self._link.ready()
        return await self._link.artifacts.put(file, name)

    async def get_artifact(self, digest: str, file: BinaryIO) -> int:
        """Write an artifact into a file; return its size in bytes.

        Raises:
            UnknownArtifactError: the hub does not have it.
            SessionLost: the hub was restarted meanwhile; get it again, into an empty file.
        """
        await self._link.ready()
        return await self._link.artifacts.get(digest, file)

    @asynccontextmanager
    async def live(self, device: str, name: str) -> AsyncIterator[IncomingStream]:
        """What a device shows as it happens, such as a camera: items, as they come, while the
        context is open. The ``type`` in its meta says what they are.

        Iterating over it raises `SessionLost` when the hub was restarted.

        Raises:
            UnknownDeviceError: there is no such live stream.
        """
        number = (await self.ask("watch", device=device, name=name))["stream"]
        stream = self._shown.pop(number)
        try:
            yield stream
        finally:
            stream.refuse()

    def _take_live(self, stream: IncomingStream) -> None:
        self._shown[stream.number] = stream

    @contextmanager
    def link_told(self, told: Callable[[bool], None]) -> Iterator[None]:
        """While this is open, call ``told`` with False when the connection is cut, with True when
        it is back; in the event loop, so it must not block.
        """
        self._listeners.append(told)
        try:
            yield
        finally:
            self._listeners.remove(told)

    def _link_changed(self, connected: bool) -> None:
        for told in self._listeners:
            told(connected)

    @property
    def is_connected(self) -> bool:
        """False while the connection is cut, or the hub is being restarted."""
        return self._link.state is State.OPEN

    @property
    def rtt_s(self) -> float:
        """The measured round trip."""
        return self._link.rtt_s

    @property
    def clock_offset_s(self) -> float:
        """How far the hub's clock is ahead of ours, as measured on this session."""
        return self._link.offset_s


def find_hub(settings: Settings) -> tuple[str, str]:
    """The address and credential of the hub to use.

    Raises:
        HubUnreachable: none is configured and none runs on this machine.
        ConfigError: a hub is configured without its credential.
    """
    client = settings.client
    if client.url is not None:
        if client.token is None:
            raise ConfigError(
                f"There is no credential for the hub {client.url}.",
                remedy="Set CONSTELLATION_CLIENT__TOKEN, or client.token in the settings file.",
            )
        return client.url, client.token.get_secret_value()
    joined = JoinedHub.find(settings.state_dir)
    if joined is not None:
        return joined.url, joined.token.get_secret_value()
    local = LocalHub.find(settings.state_dir)
    if local is None:
        raise HubUnreachable(
            "No hub is running here.",
            remedy="Start one with `constellation hub`, or name one in CONSTELLATION_CLIENT__URL.",
            state_dir=str(settings.state_dir),
        )
    return local.url, local.token.get_secret_value()


def _authorities(settings: Settings, url: str) -> Iterator[Path | str | None]:
    """Who may have signed that hub's certificate, the most decided word first."""
    yield settings.client.ca
    for found in (JoinedHub.find(settings.state_dir), LocalHub.find(settings.state_dir)):
        if found is not None and found.url == url:
            yield found.authority if isinstance(found, JoinedHub) else found.ca


async def _to_the_end(events: AsyncGenerator[Event], last: int) -> AsyncGenerator[Event]:
    """Events up to the end of a constellation of which the fact ``last`` is known already."""
    async with aclosing(events):
        async for event in events:
            yield event
            if event["kind"] == "ended" and event["seq"] >= last:
                return


@asynccontextmanager
async def open_hub(settings: Settings, *, name: str = "cli") -> AsyncIterator[HubClient]:
    """Connect to the hub for as long as the context is open.

    Args:
        name: what kind of client this is; host and process are added.

    Raises:
        HubUnreachable: it does not answer in time.
        AuthenticationError: it refuses the credential.
    """
    url, token = find_hub(settings)
    tls = trusting(url, *_authorities(settings, url))
    full_name = f"{name}-{socket.gethostname().split('.')[0]}-{os.getpid()}"
    clients: list[HubClient] = []

    def tell(connected: bool) -> None:
        for client in clients:
            client._link_changed(connected)

    async with connect(
        url,
        role="client",
        name=full_name,
        credential=token,
        ssl=tls,
        on_open=lambda resumed, lost: tell(True),
        on_detached=lambda reason: tell(False),
    ) as link:
        with anyio.move_on_after(settings.client.timeout_s) as scope:
            await link.ready()
        if scope.cancelled_caught:
            raise HubUnreachable(
                f"The hub at {url} does not answer.",
                remedy="Check that it runs and that its address is right: `constellation doctor`.",
                url=url,
            )
        clients.append(HubClient(link, url))
        yield clients[0]
