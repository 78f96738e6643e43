"""The limit: a raw websocket echo of the same library, server and client in two processes."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from constellation.aip.eventloop import loop_options

MESSAGE = bytes(300)
IN_FLIGHT = 256

# As hub and agents have it.
BACKEND = loop_options()


@dataclass(frozen=True, slots=True)
class Echo:
    """What the wire allows.

    Attributes:
        rtt_s: of one message after another, seconds, each.
        pipelined_per_s: messages of 300 bytes, many in flight.
    """

    rtt_s: list[float]
    pipelined_per_s: float


@contextlib.contextmanager
def echo_server() -> Iterator[str]:
    """An echo server in a process of its own; its address."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    process.start()
    try:
        yield f"ws://127.0.0.1:{ours.recv()}"
    finally:
        ours.send(None)
        process.join()


def _serve(pipe: Connection) -> None:
    async def run() -> None:
        async with serve(_echo, "127.0.0.1", 0, compression=None) as server:
            pipe.send(next(iter(server.sockets)).getsockname()[1])
            await anyio.to_thread.run_sync(pipe.recv)

    anyio.run(run, backend_options=BACKEND)


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def measure_echo(url: str, round_trips: int, messages: int) -> Echo:
    """Measure an echo server."""
    async with connect(url, compression=None) as connection:
        rtt_s = []
        for _ in range(round_trips):
            began = time.perf_counter()
            await connection.send(MESSAGE)
            await connection.recv()
            rtt_s.append(time.perf_counter() - began)
        room = asyncio.Semaphore(IN_FLIGHT)

        async def send() -> None:
            for _ in range(messages):
                await room.acquire()
                await connection.send(MESSAGE)

        began = time.perf_counter()
        sending = asyncio.create_task(send())
        async for _ in _take(connection, messages):
            room.release()
        await sending
        return Echo(rtt_s, messages / (time.perf_counter() - began))


async def _take(connection: ClientConnection, count: int) -> AsyncIterator[None]:
    for _ in range(count):
        await connection.recv()
        yield
