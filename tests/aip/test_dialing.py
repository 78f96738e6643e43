"""What a failure to reach a hub is called: in words that help, never in numbers of the system."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from constellation.aip import dialing
from constellation.aip.codec import MSGPACK
from constellation.aip.dialing import Dialer
from constellation.aip.limits import Limits
from constellation.errors import HubUnreachable

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with much else to do, an answer may be later than a hub's would be."""
    monkeypatch.setattr(dialing, "DIAL_TIMEOUT_S", 100.0)


async def failure(url: str) -> str:
    dialer = Dialer(url, ssl=None, codec=MSGPACK, limits=Limits())
    with pytest.raises(HubUnreachable) as error:
        await dialer.dial(None)
    assert not re.search(r"errno|\[.*\]|_ssl", error.value.message, re.IGNORECASE)
    return error.value.message


@contextmanager
def nobody() -> Iterator[int]:
    """A port that is taken, so that nobody else listens there, and where nothing does."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[int]:
    """A port where something answers that is no hub, and hangs up."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            if reply:
                await stream.send(reply)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_nobody_listens(host: str) -> None:
    with nobody() as port:
        assert f"nothing listens at {host}:{port}." in await failure(f"ws://{host}:{port}")


async def test_no_such_host() -> None:
    assert "there is no host named hub.invalid." in await failure("ws://hub.invalid:1")


async def test_something_else_answers() -> None:
    async with answering(b"SSH-2.0-server\r\n") as port:
        assert f"what answers at 127.0.0.1:{port} is no hub" in await failure(
            f"ws://127.0.0.1:{port}"
        )
        assert "does not speak TLS" in await failure(f"wss://127.0.0.1:{port}")


async def test_it_hangs_up() -> None:
    async with answering(b"") as port:
        assert "hung up" in await failure(f"wss://127.0.0.1:{port}")


async def test_of_several_addresses_the_next_is_dialed_when_one_does_not_answer() -> None:
    not_found = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with nobody() as unused:
        async with answering(not_found) as port:
            first, second = f"ws://127.0.0.1:{unused}", f"ws://127.0.0.1:{port}"
            dialer = Dialer(f"{first}, {second}", ssl=None, codec=MSGPACK, limits=Limits())
            assert dialer.url == f"{first}/aip"
            with pytest.raises(HubUnreachable, match="nothing listens"):
                await dialer.dial(None)
            with pytest.raises(HubUnreachable, match="status 404"):
                await dialer.dial(None)
            assert dialer.url == f"{second}/aip"
