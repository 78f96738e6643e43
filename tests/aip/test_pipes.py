"""Streams between a link and a peer, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from constellation.aip.client import Link, connect
from constellation.aip.endpoint import anchored_clock
from constellation.aip.pipes import IncomingStream
from constellation.aip.server import Peer
from constellation.aip.streams import WINDOW_BYTES
from constellation.aip.writers import QUEUE_BYTES, ByteWriter
from constellation.errors import (
    ConstellationError,
    LimitExceeded,
    PermissionDenied,
    SessionLost,
    TaskFailed,
)

pytestmark = pytest.mark.anyio


class Ends:
    """A link, the peer at its other end, and the streams that each was offered."""

    def __init__(self, link: Link, peer: Peer, incoming: list[IncomingStream], app: Any) -> None:
        self.link = link
        self.peer = peer
        self.incoming = incoming
        self.app = app

    async def next_stream(self) -> IncomingStream:
        await self.app.until(lambda: self.incoming)
        return self.incoming.pop(0)


@asynccontextmanager
async def joined(hub, *, takes: bool = True, **settings: Any) -> AsyncIterator[Ends]:
    incoming: list[IncomingStream] = []

    def take(stream: IncomingStream) -> None:
        incoming.append(stream)
        hub.app.happened()

    takers: dict[str, Any] = {"on_stream": take} if takes else {}
    server_takers = {"on_stream": lambda peer, stream: take(stream)} if takes else {}
    token = hub.token("desk")
    async with (
        hub.serving(**server_takers, **settings) as server,
        connect(server.url, role="device", name="desk", credential=token, **takers) as link,
    ):
        await link.ready()
        yield Ends(link, hub.app.peers["desk"], incoming, hub.app)


async def settled(ends: Ends) -> None:
    """Wait until what was sent on streams before has come: messages go back and forth after it."""
    for _ in range(3):
        ends.link.send("accept", {"attempts": []})
        await ends.link.drained()


async def write_for_ever(writer: ByteWriter) -> None:
    while True:
        await writer.write(b"x" * 100_000)


async def read(stream: IncomingStream) -> bytes:
    with anyio.fail_after(100):
        return b"".join([chunk async for chunk in stream])


def pattern(count: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in range(count // 4))


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_bytes_arrive_whole_both_ways(hub, size: int) -> None:
    data = pattern(size) or b"x" * size
    async with joined(hub) as ends:
        for sender in (ends.link, ends.peer):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sender.streams.send_bytes, "file", data, {"name": "a"})
                stream = await ends.next_stream()
                assert (stream.label, stream.meta, stream.qos) == (
                    "file",
                    {"name": "a"},
                    "reliable",
                )
                assert await read(stream) == data


async def test_bytes_may_come_in_parts(hub) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"a", b"b", b"c"):
            yield part

    async with joined(hub) as ends:
        for source in (iter([b"a", b"b", b"c"]), parts()):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ends.link.streams.send_bytes, "", source)
                assert await read(await ends.next_stream()) == b"abc"


async def test_a_slow_reader_holds_the_sender_back(hub) -> None:
    written = 0
    async with joined(hub) as ends:

        async def send() -> None:
            nonlocal written
            writer = ends.link.streams.open_bytes("file")
            for _ in range(100):
                await writer.write(b"x" * 64 * 1024)
                written += 64 * 1024
            await writer.finish()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            stream = await ends.next_stream()
            before = -1
            while written != before or not written:
                before = written
                await settled(ends)
            assert written <= WINDOW_BYTES + QUEUE_BYTES + 64 * 1024
            assert len(await read(stream)) == 100 * 64 * 1024


async def test_a_stream_that_nobody_takes_is_refused(hub) -> None:
    async with joined(hub, takes=False) as ends:
        with pytest.raises(PermissionDenied, match="file"), anyio.fail_after(100):
            await ends.link.streams.send_bytes("file", iter([b"x" * 100_000] * 100))


class Sink:
    def __init__(self, error: Exception | None = None) -> None:
        self.data = b""
        self.ended: list[ConstellationError | None] = []
        self.error = error

    def write(self, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.data += data

    def close(self, error: ConstellationError | None) -> None:
        self.ended.append(error)


async def test_a_sink_takes_what_came_and_what_comes(hub) -> None:
    sink = Sink()
    async with joined(hub) as ends:
        writer = ends.link.streams.open_bytes("file")
        stream = await ends.next_stream()
        await writer.write(b"early ")
        await settled(ends)
        stream.pour_into(sink)
        await writer.write(b"late")
        await writer.finish()
    assert (sink.data, sink.ended) == (b"early late", [None])


async def test_a_sink_that_cannot_take_more_refuses_the_stream_only(hub) -> None:
    async with joined(hub) as ends:
        writer = ends.link.streams.open_bytes("file")
        (await ends.next_stream()).pour_into(Sink(LimitExceeded("The disk is full.")))
        with pytest.raises(LimitExceeded, match="disk"), anyio.fail_after(100):
            await write_for_ever(writer)
        ends.link.send("progress", {"attempt": "c/t/1"})
        await ends.link.drained()


async def test_a_stream_that_is_broken_off_is_told_from_a_whole_one(hub) -> None:
    async with joined(hub) as ends:
        writer = ends.link.streams.open_bytes("file")
        await writer.write(b"half")
        writer.close(TaskFailed("The recording stopped."))
        with pytest.raises(TaskFailed, match="recording"):
            await read(await ends.next_stream())
        writer = ends.link.streams.open_bytes("file")
        await writer.write(b"half")
        writer.close()
        with pytest.raises(SessionLost, match="broke"):
            await read(await ends.next_stream())


async def test_streams_end_with_their_session(hub) -> None:
    sink = Sink()
    async with joined(hub) as ends:
        writer = ends.link.streams.open_bytes("file")
        items = ends.link.streams.open_items("pose")
        (await ends.next_stream()).pour_into(sink)
        async with anyio.create_task_group() as tasks:

            async def finish() -> None:
                await writer.write(b"x")
                with pytest.raises(SessionLost):
                    await write_for_ever(writer)

            tasks.start_soon(finish)
            await until_soon(lambda: sink.data)
            ends.peer.close("enough")
        await until_soon(lambda: ends.link.losses)
        with pytest.raises(SessionLost):
            items.put(b"x")
        with pytest.raises(SessionLost):
            await writer.finish()
    assert isinstance(sink.ended[0], SessionLost)


async def test_there_is_no_stream_before_there_is_a_session(hub) -> None:
    async with connect("ws://127.0.0.1:1", role="device", name="desk") as link:
        with pytest.raises(SessionLost):
            link.streams.open_bytes()
        with pytest.raises(SessionLost):
            link.streams.open_items()


async def test_many_streams_one_after_another(hub) -> None:
    async with joined(hub) as ends:
        for number in range(300):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ends.peer.streams.send_bytes, "", b"%d" % number)
                assert await read(await ends.next_stream()) == b"%d" % number


async def test_of_items_the_newest_arrives(hub) -> None:
    async with joined(hub) as ends:
        writer = ends.link.streams.open_items("pose")
        stream = await ends.next_stream()
        assert stream.qos == "latest"
        for number in range(100):
            writer.put(b"%d" % number)
        assert await anext(stream) == b"99"
        writer.close()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_items_of_a_slow_reader_are_bounded(hub) -> None:
    async with joined(hub) as ends:
        writer = ends.link.streams.open_items("audio", deadline_s=30.0)
        stream = await ends.next_stream()
        for number in range(500):
            writer.put(b"%d" % number)
        while ends.link.session.queued(writer.number):
            await settled(ends)
        assert int(await anext(stream)) > 400


@pytest.mark.parametrize("poured", [False, True], ids=["read", "poured"])
async def test_an_item_that_waits_here_past_its_deadline_is_not_handed_out(
    hub, poured: bool
) -> None:
    now, passed_s = anchored_clock(), 0.0
    async with joined(hub, clock=lambda: now() + passed_s) as ends:
        writer = ends.link.streams.open_items("audio", deadline_s=5.0)
        stream = await ends.next_stream()
        writer.put(b"stale")
        await settled(ends)
        passed_s = 6.0
        if poured:
            sink = Sink()
            stream.pour_into(sink)
            assert sink.data == b""
        else:
            writer.close()
            with pytest.raises(StopAsyncIteration):
                await anext(stream)


async def test_items_pass_beside_bulk_and_messages(hub) -> None:
    """Bytes, items and messages at once: all messages in order, all bytes, and fresh items."""
    data = pattern(8_000_000)
    received: list[bytes] = []
    async with joined(hub) as ends:
        items = ends.link.streams.open_items("pose", deadline_s=5.0)
        poses = await ends.next_stream()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ends.link.streams.send_bytes, "file", data)
            bulk = await ends.next_stream()

            async def read_bulk() -> None:
                received.append(await read(bulk))

            tasks.start_soon(read_bulk)
            during = 0
            for number in range(200):
                items.put(b"%d" % number)
                ends.link.send("progress", {"attempt": str(number)})
                assert int(await anext(poses)) == number
                during += not received
        assert during > 5
        assert received == [data]
        await ends.link.drained()
    assert [int(body["attempt"]) for body in hub.app.bodies("desk")] == list(range(200))


async def until_soon(condition: Callable[[], Any]) -> None:
    with anyio.fail_after(100):
        while not condition():
            await anyio.lowlevel.checkpoint()
