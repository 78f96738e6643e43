from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from constellation.testing.proxy import TcpProxy, tcp_proxy

pytestmark = pytest.mark.anyio


async def echo(stream: SocketStream) -> None:
    async with stream:
        try:
            async for data in stream:
                await stream.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return


@asynccontextmanager
async def echo_behind_proxy(
    delay: Callable[[], float] | None = None,
) -> AsyncIterator[TcpProxy]:
    listeners = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listeners, anyio.create_task_group() as tasks:
        tasks.start_soon(listeners.serve, echo)
        port = listeners.extra(SocketAttribute.local_port)
        with anyio.fail_after(100):
            async with tcp_proxy("127.0.0.1", port, delay=delay) as proxy:
                yield proxy
        tasks.cancel_scope.cancel()


async def receive_exactly(stream: SocketStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await stream.receive(count - len(data))
    return data


async def read_to_end(stream: SocketStream) -> bytes:
    data = b""
    try:
        async for chunk in stream:
            data += chunk
    except anyio.BrokenResourceError:
        return data
    return data


async def test_passes_bytes_both_ways() -> None:
    async with echo_behind_proxy() as proxy:
        async with await anyio.connect_tcp("127.0.0.1", proxy.port) as stream:
            await stream.send(b"hello")
            assert await receive_exactly(stream, 5) == b"hello"
        assert proxy.forwarded == 10
        assert proxy.accepted == 1


async def test_passes_the_end_of_a_stream() -> None:
    async with (
        echo_behind_proxy() as proxy,
        await anyio.connect_tcp("127.0.0.1", proxy.port) as stream,
    ):
        await stream.send(b"hello")
        await stream.send_eof()
        assert await read_to_end(stream) == b"hello"


async def test_cuts_every_link_and_takes_new_ones() -> None:
    async with echo_behind_proxy() as proxy:
        first = await anyio.connect_tcp("127.0.0.1", proxy.port)
        second = await anyio.connect_tcp("127.0.0.1", proxy.port)
        for stream in (first, second):
            await stream.send(b"x")
            assert await receive_exactly(stream, 1) == b"x"
        proxy.cut()
        assert await read_to_end(first) == b""
        assert await read_to_end(second) == b""
        async with await anyio.connect_tcp("127.0.0.1", proxy.port) as third:
            await third.send(b"again")
            assert await receive_exactly(third, 5) == b"again"
        await first.aclose()
        await second.aclose()


async def test_cuts_in_mid_message() -> None:
    async with echo_behind_proxy() as proxy:
        proxy.cut_after(100 + 40)
        async with await anyio.connect_tcp("127.0.0.1", proxy.port) as stream:
            await stream.send(b"x" * 100)
            assert len(await read_to_end(stream)) <= 40
        assert proxy.forwarded == 140


async def test_holds_bytes_back_while_stalled() -> None:
    async with (
        echo_behind_proxy() as proxy,
        await anyio.connect_tcp("127.0.0.1", proxy.port) as stream,
    ):
        await stream.send(b"a")
        assert await receive_exactly(stream, 1) == b"a"
        proxy.stall()
        await stream.send(b"b")
        with pytest.raises(TimeoutError), anyio.fail_after(0.05):
            await stream.receive()
        assert proxy.forwarded == 2
        proxy.resume()
        assert await receive_exactly(stream, 1) == b"b"


async def test_a_slow_link_takes_its_time_and_keeps_the_order() -> None:
    delays = iter([0.05, 0.02, 0.0, 0.0])
    async with (
        echo_behind_proxy(lambda: next(delays, 0.0)) as proxy,
        await anyio.connect_tcp("127.0.0.1", proxy.port) as stream,
    ):
        began = anyio.current_time()
        await stream.send(b"one")
        assert await receive_exactly(stream, 3) == b"one"
        # Not how soon, but how late it must be at least.
        assert anyio.current_time() - began >= 0.07
        await stream.send(b"two")
        await stream.send_eof()
        assert await read_to_end(stream) == b"two"


async def test_a_slow_link_can_be_cut() -> None:
    async with (
        echo_behind_proxy(lambda: 0.0) as proxy,
        await anyio.connect_tcp("127.0.0.1", proxy.port) as stream,
    ):
        await stream.send(b"one")
        assert await receive_exactly(stream, 3) == b"one"
        proxy.cut()
        assert await read_to_end(stream) == b""


async def test_refuses_while_told_so() -> None:
    async with echo_behind_proxy() as proxy:
        proxy.refuse()
        async with await anyio.connect_tcp("127.0.0.1", proxy.port) as stream:
            assert await read_to_end(stream) == b""
        proxy.accept()
        async with await anyio.connect_tcp("127.0.0.1", proxy.port) as stream:
            await stream.send(b"x")
            assert await receive_exactly(stream, 1) == b"x"


async def test_an_absent_server_closes_the_link() -> None:
    async with echo_behind_proxy() as unused:
        port = unused.port
    async with (
        tcp_proxy("127.0.0.1", port) as proxy,
        await anyio.connect_tcp("127.0.0.1", proxy.port) as stream,
    ):
        with anyio.fail_after(100):
            assert await read_to_end(stream) == b""


async def test_a_reset_passes_to_the_other_side() -> None:
    ended = anyio.Event()

    async def read(stream: SocketStream) -> None:
        async with stream:
            await read_to_end(stream)
            ended.set()

    listeners = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listeners, anyio.create_task_group() as tasks:
        tasks.start_soon(listeners.serve, read)
        port = listeners.extra(SocketAttribute.local_port)
        async with tcp_proxy("127.0.0.1", port) as proxy:
            stream = await anyio.connect_tcp("127.0.0.1", proxy.port)
            await stream.send(b"x")
            await anyio.aclose_forcefully(stream)
            with anyio.fail_after(100):
                await ended.wait()
        tasks.cancel_scope.cancel()
