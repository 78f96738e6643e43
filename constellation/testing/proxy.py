"""A TCP proxy whose links can be cut, stalled, resumed at will, and be as slow as those far away.

It stands between a client and a server, on loopback, in tests and demonstrations::

    async with tcp_proxy("127.0.0.1", server.port) as proxy:
        ...                             # connect to proxy.port
        proxy.cut()                     # as if the cable were pulled
        proxy.cut_after(10_000)         # the same once that many more bytes have passed
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketAttribute, SocketStream

CHUNK_BYTES = 16 * 1024


class TcpProxy:
    """Made by `tcp_proxy`.

    Args:
        host, port: where connections are passed on to.
        delay: seconds that the next bytes take one way; they never overtake each other.

    Attributes:
        port: where it listens on 127.0.0.1.
        accepted: connections taken so far.
        forwarded: bytes that passed so far, both ways together.
    """

    def __init__(self, host: str, port: int, delay: Callable[[], float] | None = None) -> None:
        self._target = (host, port)
        self._delay = delay
        self._links: set[anyio.CancelScope] = set()
        self._flowing = anyio.Event()
        self._flowing.set()
        self._taken = anyio.Event()
        self._cut_at: int | None = None
        self._refusing = False
        self.port = 0
        self.accepted = 0
        self.forwarded = 0

    def cut(self) -> None:
        """Break every link; new connections are taken as before."""
        self._cut_at = None
        for link in self._links:
            link.cancel()

    def cut_after(self, more_bytes: int) -> None:
        """Break every link once that many more bytes have passed, be it in mid-frame."""
        self._cut_at = self.forwarded + more_bytes

    def refuse(self) -> None:
        """Break every link and close new connections at once, until `accept`."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        """Undo `refuse`."""
        self._refusing = False

    def stall(self) -> None:
        """Let nothing more pass, while every link stays up, until `resume`."""
        if self._flowing.is_set():
            self._flowing = anyio.Event()

    def resume(self) -> None:
        """Undo `stall`; what was held back passes now."""
        self._flowing.set()

    async def until_accepted(self, count: int) -> None:
        """Wait until it has taken so many connections."""
        while self.accepted < count:
            await self._taken.wait()

    async def link(self, near: SocketStream) -> None:
        """Serve one connection to its end."""
        self.accepted += 1
        self._taken.set()
        self._taken = anyio.Event()
        with anyio.CancelScope() as scope:
            try:
                if not self._refusing:
                    self._links.add(scope)
                    await self._join(near)
            finally:
                self._links.discard(scope)
                await anyio.aclose_forcefully(near)

    async def _join(self, near: SocketStream) -> None:
        try:
            far = await anyio.connect_tcp(*self._target)
        except OSError:
            return
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._pump, near, far, tasks.cancel_scope)
                tasks.start_soon(self._pump, far, near, tasks.cancel_scope)
        finally:
            await anyio.aclose_forcefully(far)

    async def _pump(
        self, source: SocketStream, sink: SocketStream, both: anyio.CancelScope
    ) -> None:
        try:
            if self._delay is None:
                async for data in source:
                    await self._flowing.wait()
                    await self._forward(data, sink)
            else:
                await self._pump_late(source, sink, self._delay)
            await sink.send_eof()
        except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
            both.cancel()

    async def _pump_late(
        self, source: SocketStream, sink: SocketStream, delay: Callable[[], float]
    ) -> None:
        under_way, arriving = anyio.create_memory_object_stream[tuple[float, bytes]](math.inf)

        async def arrive() -> None:
            async for due, data in arriving:
                await anyio.sleep_until(due)
                await self._flowing.wait()
                await self._forward(data, sink)

        async with arriving, anyio.create_task_group() as tasks:
            tasks.start_soon(arrive)
            async with under_way:
                async for data in source:
                    under_way.send_nowait((anyio.current_time() + delay(), data))

    async def _forward(self, data: bytes, sink: SocketStream) -> None:
        if self._cut_at is None or len(data) < self._cut_at - self.forwarded:
            self.forwarded += len(data)
            await sink.send(data)
            return
        data = data[: self._cut_at - self.forwarded]
        self.forwarded += len(data)
        await sink.send(data)
        self.cut()


@asynccontextmanager
async def tcp_proxy(
    host: str, port: int, *, delay: Callable[[], float] | None = None
) -> AsyncIterator[TcpProxy]:
    """A proxy to ``host:port`` for as long as the context is open.

    Args:
        delay: seconds that bytes take one way, asked for each part of a stream.
    """
    proxy = TcpProxy(host, port, delay)
    listeners = await anyio.create_tcp_listener(local_host="127.0.0.1")
    proxy.port = listeners.extra(SocketAttribute.local_port)
    async with listeners, anyio.create_task_group() as tasks:
        tasks.start_soon(listeners.serve, proxy.link)
        yield proxy
        tasks.cancel_scope.cancel()
