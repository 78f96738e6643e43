"""What answers as a hub may speak AIP wrongly: whoever dialed survives it, and dials again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import msgpack
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from constellation.aip.client import Link, connect
from constellation.aip.codec import MSGPACK
from constellation.aip.endpoint import MAX_REFUSALS
from constellation.aip.limits import Limits
from constellation.aip.messages import Message

pytestmark = pytest.mark.anyio

WELCOME: dict[str, Any] = {
    "version": 1,
    "session": {"id": "s", "token": "t"},
    "resumed": False,
    "received": 0,
}
ASSIGN = {"attempt": "c/t/1", "skill": "work", "arguments": {}}


def packed(*frame: Any) -> bytes:
    packed = msgpack.packb(list(frame))
    assert isinstance(packed, bytes)
    return packed


def joined(*messages: tuple[str, int, dict[str, Any]], ack: int = 0) -> bytes:
    return MSGPACK.join(ack, [MSGPACK.encode(*message) for message in messages])


class FakeHub:
    """Answers the first hello as the test says, and every later one as a hub does.

    Attributes:
        hellos: those that came.
        heard: types of the other messages that came.
        closed: with which code each connection was closed.
    """

    def __init__(self, *frames: bytes | str) -> None:
        self.hellos: list[dict[str, Any]] = []
        self.heard: list[Message] = []
        self.closed: list[int | None] = []
        self._frames = frames

    async def take(self, socket: ServerConnection) -> None:
        _, (hello, *_) = MSGPACK.decode(bytes(await socket.recv(decode=False)), Limits())
        self.hellos.append(hello.body)
        try:
            if len(self.hellos) == 1:
                for frame in self._frames:
                    await socket.send(frame)
            else:
                await socket.send(joined(("welcome", 0, WELCOME), ("assign", 1, ASSIGN)))
            while True:
                _, messages = MSGPACK.decode(bytes(await socket.recv(decode=False)), Limits())
                self.heard += messages
        except ConnectionClosed:
            self.closed.append(socket.close_code)


@asynccontextmanager
async def device_of(hub: FakeHub, taken: list[Message], **more: Any) -> AsyncIterator[Link]:
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    listening = serve_websockets(
        hub.take,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol(MSGPACK.subprotocol)],
        compression=None,
        ping_interval=None,
        close_timeout=1,
    )
    async with listening as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with connect(
            url,
            role="device",
            name="desk",
            credential="token",
            on_messages=taken.extend,
            sleep=lambda seconds: anyio.lowlevel.checkpoint(),
            **more,
        ) as link:
            yield link
    assert faults == []


async def until(condition: Any) -> None:
    with anyio.fail_after(100):
        while not condition():
            await anyio.lowlevel.checkpoint()


# ── what comes instead of a welcome ─────────────────────────────────────────────────────────────

NO_WELCOME: dict[str, bytes | str] = {
    "a message": joined(("assign", 1, ASSIGN)),
    "a hello": joined(("hello", 0, {"version": [1], "role": "hub", "name": "hub"})),
    "nothing in a frame": packed(0),
    "garbage": b"\xc1",
    "text": "[0]",
    "a welcome with a number": packed(0, ["welcome", 1, {}]),
    "a welcome of nothing": joined(("welcome", 0, {})),
    "a welcome without a session": joined(("welcome", 0, {**WELCOME, "session": {}})),
    "a welcome to a number": joined(("welcome", 0, {**WELCOME, "session": {"id": 1, "token": 2}})),
    "a welcome of the future": joined(("welcome", 0, {**WELCOME, "version": 2})),
    "a welcome with no room": joined(("welcome", 0, {**WELCOME, "limits": {"max_frame": 1}})),
    "limits of text": joined(("welcome", 0, {**WELCOME, "limits": {"max_frame": "65536"}})),
    "it saw what was never sent": joined(
        ("welcome", 0, {**WELCOME, "resumed": True, "received": 5})
    ),
    "its heart beats in words": joined(("welcome", 0, {**WELCOME, "heartbeat_s": "often"})),
}


@pytest.mark.parametrize("frame", NO_WELCOME.values(), ids=NO_WELCOME)
async def test_what_is_no_welcome_is_left_and_dialed_again(caplog, frame: bytes | str) -> None:
    hub, taken = FakeHub(frame), list[Message]()
    async with device_of(hub, taken) as link:
        await until(lambda: taken)
        assert link.welcome["session"] == WELCOME["session"]
    assert len(hub.hellos) == 2
    assert hub.closed[0] in (4000, 4002)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# ── what comes after it: told, and the session goes on ──────────────────────────────────────────

TOLD: dict[str, tuple[str, int, dict[str, Any]]] = {
    "another welcome": ("welcome", 0, WELCOME),
    "a message of a device": ("result", 1, {"attempt": "c/t/1", "state": "failed"}),
    "a request of a client": ("request", 1, {"id": "1", "verb": "list"}),
    "a type that there is not": ("levitate", 1, {}),
    "an assignment of nothing": ("assign", 1, {}),
    "arguments of text": ("assign", 1, {**ASSIGN, "arguments": "all"}),
    "a timeout of text": ("assign", 1, {**ASSIGN, "timeout_s": "1"}),
    "a timeout that is no number": ("assign", 1, {**ASSIGN, "timeout_s": float("nan")}),
}


@pytest.mark.parametrize("wrong", TOLD.values(), ids=TOLD)
async def test_what_a_hub_says_wrongly_is_told_and_the_session_goes_on(wrong: Any) -> None:
    following = wrong[1] + 1 if wrong[1] else 1
    hub = FakeHub(joined(("welcome", 0, WELCOME)), joined(wrong, ("assign", following, ASSIGN)))
    taken: list[Message] = []
    async with device_of(hub, taken):
        await until(lambda: taken and [each for each in hub.heard if each.type == "error"])
    assert [each.body for each in taken] == [ASSIGN]
    assert len(hub.hellos) == 1


# ── ignored ─────────────────────────────────────────────────────────────────────────────────────

IGNORED: dict[str, tuple[str, int, dict[str, Any]]] = {
    "an answer to no question": ("response", 1, {"id": "r9", "result": 1}),
    "an event of no subscription": (
        "event",
        1,
        {"subscription": "s9", "time": 0, "constellation": "c", "kind": "k", "body": {}},
    ),
    "bytes of no stream": ("data", 0, {"stream": 8, "payload": b"x", "offset": 0}),
    "a window of no stream": ("window", 0, {"stream": 7, "offset": 9, "limit": 9}),
    "the end of no stream": ("close", 1, {"stream": 8}),
    "an artifact that nobody asked for": ("artifact", 1, {"hash": "ab", "id": "a1", "stream": 4}),
    "a confirmation of nothing": ("artifact", 1, {"hash": "ab"}),
    "an answer to no ping": ("pong", 0, {"t0": 1, "t1": 1, "t2": 1}),
    "an error for no reason": ("error", 0, {"code": "x", "message": "no\nreason"}),
}


@pytest.mark.parametrize("odd", IGNORED.values(), ids=IGNORED)
async def test_what_nobody_asked_for_changes_nothing(odd: Any) -> None:
    following = odd[1] + 1 if odd[1] else 1
    hub = FakeHub(joined(("welcome", 0, WELCOME)), joined(odd, ("assign", following, ASSIGN)))
    taken: list[Message] = []
    async with device_of(hub, taken):
        await until(lambda: taken and taken[-1].type == "assign")
    assert len(hub.hellos) == 1


# ── closed, and dialed again ────────────────────────────────────────────────────────────────────

CLOSED: dict[str, tuple[bytes, int]] = {
    "an ack of the future": (packed(7), 4000),
    "a number skipped": (joined(("assign", 2, ASSIGN)), 4000),
    "a message without its number": (joined(("assign", 0, ASSIGN)), 4000),
    "a stream with a number of ours": (
        joined(("open", 1, {"stream": 1, "qos": "latest"})),
        4000,
    ),
    "a list without end": (b"\x92\x00\xdd\xff\xff\xff\xff", 4000),
    "more nesting than may be": (packed(0, ["assign", 1, {"a": [[[[[]]]]]}]), 4003),
}


@pytest.mark.parametrize(("wrong", "code"), CLOSED.values(), ids=CLOSED)
async def test_what_breaks_the_protocol_closes_and_the_session_is_resumed(
    wrong: bytes, code: int
) -> None:
    hub, taken = FakeHub(joined(("welcome", 0, WELCOME)), wrong), list[Message]()
    async with device_of(hub, taken, limits=Limits(max_depth=3)):
        await until(lambda: taken)
    assert hub.closed[0] == code
    assert hub.hellos[1]["session"] == WELCOME["session"]


async def test_a_credential_that_was_not_asked_for_is_not_kept() -> None:
    kept: list[str] = []
    hub = FakeHub(joined(("welcome", 0, {**WELCOME, "credential": "another"})))
    async with device_of(hub, [], on_credential=kept.append) as link:
        with anyio.fail_after(100):
            await link.ready()
        assert link.credential == "token"
    assert kept == []


async def test_complaints_without_end_fill_no_log(caplog) -> None:
    complaint = ("error", 0, {"code": "x", "message": "line\n" * 10_000})
    hub = FakeHub(
        joined(("welcome", 0, WELCOME)), joined(*[complaint] * 100), joined(("assign", 1, ASSIGN))
    )
    taken: list[Message] = []
    async with device_of(hub, taken):
        await until(lambda: taken)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == MAX_REFUSALS
    assert all(len(each) < 1_000 and "\n" not in each for each in said)
