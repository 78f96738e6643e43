"""A process that holds many idle sessions: `python -m bench.session_holder URL TOKEN COUNT`.

It prints a line when all are open. For each line on its standard input it cuts all links at once,
and prints a line when all sessions are resumed.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

import anyio
import psutil

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.aip.client import connect
from constellation.aip.eventloop import calm_collector, loop_options
from constellation.aip.messages import Message

DIALING_AT_ONCE = 100
IDLE = (SkillCard(name="idle", effect="read"),)


class Holder:
    """Counts sessions that were opened and resumed."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._open = 0
        self._resumed: set[str] = set()
        self._changed = anyio.Event()

    def opened(self, name: str, resumed: bool, lost: Sequence[Message]) -> None:
        """What each link calls."""
        if resumed:
            self._resumed.add(name)
        else:
            self._open += 1
        self._changed.set()
        self._changed = anyio.Event()

    async def all_open(self) -> None:
        """Wait until every session is open."""
        while self._open < self._count:
            await self._changed.wait()

    async def all_resumed(self) -> None:
        """Wait until every session was resumed since the last time."""
        while len(self._resumed) < self._count:
            await self._changed.wait()
        self._resumed.clear()


def cut_all() -> None:
    """Shut all TCP connections of this process down, below everybody who uses them."""
    for connection in psutil.Process().net_connections("tcp"):
        if connection.status == psutil.CONN_ESTABLISHED:
            with socket.socket(fileno=os.dup(connection.fd)) as same:
                same.shutdown(socket.SHUT_RDWR)


async def hold(url: str, token: str, count: int) -> None:
    """Open the sessions and keep them."""
    holder = Holder(count)
    dialing = anyio.Semaphore(DIALING_AT_ONCE)

    async def keep(name: str) -> None:
        async with AsyncExitStack() as stack:
            async with dialing:
                link = await stack.enter_async_context(
                    connect(
                        url,
                        role="device",
                        name=name,
                        card=DeviceCard(name=name, kind="idle", skills=IDLE),
                        credential=token,
                        on_open=partial(holder.opened, name),
                        on_messages=lambda messages: link.acknowledge(messages[-1].seq),
                        give_up=False,
                    )
                )
                await link.ready()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(keep, f"idle-{number}")
        await holder.all_open()
        print("open", flush=True)
        while await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            cut_all()
            await holder.all_resumed()
            print("resumed", flush=True)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    url, token, count = sys.argv[1:]
    calm_collector(rarely=True)  # An agent has a single session to look through, not 10,000.
    anyio.run(hold, url, token, int(count), backend_options=loop_options())
