"""Whoever follows the log misses no fact, though a connection breaks with one on its way."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import anyio
import pytest
from nats.js.api import ConsumerInfo

from constellation.cluster import streams
from constellation.cluster.bus import connected
from constellation.cluster.journal import JetStreamJournal
from constellation.cluster.log import Log
from constellation.cluster.names import Names
from constellation.orchestrator.events import Fact
from constellation.testing.proxy import tcp_proxy

# The client of NATS leaves sockets to the garbage collector when it dials in vain.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("then", [1, 3], ids=["nothing follows", "others follow"])
async def test_what_was_on_its_way_when_the_connection_broke_is_read_again(
    nats_url: str, monkeypatch: pytest.MonkeyPatch, then: int
) -> None:
    monkeypatch.setattr(streams, "FOLLOW_S", 3.0)
    names = Names(f"following{then}")
    host, port = urlsplit(nats_url).hostname, urlsplit(nats_url).port
    assert host is not None
    assert port is not None
    read: list[int] = []
    came = anyio.Event()
    journal = await anyio.to_thread.run_sync(
        lambda: JetStreamJournal([nats_url], names, writer="writer")
    )

    def write(number: int) -> None:
        journal.commit([Fact(0.0, "a", "started", {"n": number})])

    async def follow(log: Log) -> None:
        nonlocal came
        async for entry in log.entries("a", follow=True):
            read.extend(fact.body["n"] for _, fact in entry.numbered())
            came.set()
            came = anyio.Event()

    async def until(count: int) -> None:
        with anyio.fail_after(20):
            while len(read) < count:
                await came.wait()

    journal.begin("a", 1)
    await anyio.to_thread.run_sync(write, 0)
    async with (
        connected([nats_url], "onlooker") as onlooker,
        tcp_proxy(host, port) as proxy,
        connected([f"nats://127.0.0.1:{proxy.port}"], "follower") as nats,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(follow, Log(nats, names, "follower", 10.0))
        await until(1)
        accepted = proxy.accepted

        async def seen(condition: Callable[[ConsumerInfo], bool]) -> None:
            # The server tells nobody of this by itself.
            with anyio.fail_after(20):
                while not any(  # noqa: ASYNC110
                    condition(each)
                    for each in await onlooker.jetstream().consumers_info(names.journal)
                ):
                    await anyio.sleep(0.01)

        # It has asked for the next; the server sends it, and it never arrives.
        await seen(lambda info: bool(info.num_waiting))
        proxy.stall()
        await anyio.to_thread.run_sync(write, 1)
        await seen(lambda info: info.delivered is not None and info.delivered.consumer_seq == 2)
        proxy.refuse()
        with anyio.fail_after(20):
            # It has tried again, so what was held back has gone with the old connection.
            await proxy.until_accepted(accepted + 1)
        proxy.resume()
        proxy.accept()
        for number in range(2, 1 + then):
            await anyio.to_thread.run_sync(write, number)
        await until(1 + then)
        tasks.cancel_scope.cancel()
    journal.close()
    assert read == list(range(1 + then))
