"""Peers that speak AIP wrongly: each gets a typed error or loses its connection, and no more.

Every case runs beside a session that behaves, which must not notice. What the hub was told before
stays told, once; a session whose connection was closed can be resumed; no fault is logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import pytest
from raw_kit import HELLO, Raw, raw

from constellation.aip.limits import Limits
from constellation.aip.messages import TYPES
from constellation.aip.server import Server
from constellation.aip.session import CloseCode
from constellation.aip.streams import WINDOW_BYTES
from constellation.orchestrator.artifacts import ArtifactStore

pytestmark = pytest.mark.anyio

LIMITS = Limits(max_frame=4_000_000, max_batch=64, max_streams=4, max_item=1024)
DIGEST = "ab" * 32
NAN, INFINITY = float("nan"), float("inf")

OPEN = ("open", 2, {"stream": 1, "qos": "reliable"})
ITEMS = ("open", 2, {"stream": 1, "qos": "latest"})


# A body of each message that a client does not send.
BODIES: dict[str, dict[str, Any]] = {
    "accept": {"attempts": []},
    "answer": {"attempt": "a", "question": "q", "answer": 1},
    "assign": {"attempt": "a", "skill": "s", "arguments": {}},
    "cancel": {"attempt": "a"},
    "card": {"card": {"name": "person"}},
    "drain": {},
    "event": {"subscription": "s", "time": 1, "constellation": "c", "kind": "k", "body": {}},
    "have": {"hashes": []},
    "read": {"attempt": "a", "task": "t", "index": 0},
    "input_required": {"attempt": "a", "question": {"id": "q", "kind": "text", "prompt": "?"}},
    "output": {"attempt": "a", "index": 0, "data": 1},
    "progress": {"attempt": "a"},
    "reject": {"attempt": "a", "error": {"code": "x"}},
    "response": {"id": "1"},
    "result": {"attempt": "a", "state": "failed"},
    "unread": {"attempt": "a", "task": "t", "error": {"code": "x"}},
    "welcome": {"version": 1, "session": {}, "resumed": False, "received": 0},
}


def data(**body: Any) -> tuple[str, int, dict[str, Any]]:
    return ("data", 0, {"stream": 1, "payload": b"x", **body})


def packed(*frame: Any) -> bytes:
    packed = msgpack.packb(list(frame))
    assert isinstance(packed, bytes)
    return packed


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@asynccontextmanager
async def beside(
    hub: Any, caplog: pytest.LogCaptureFixture, **settings: Any
) -> AsyncIterator[Server]:
    """A hub with a session that behaves, and which must not notice."""
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    async with (
        hub.serving(**{"limits": LIMITS, **settings}) as server,
        raw(server, hub.token("tablet")) as tablet,
    ):
        await tablet.hello(name="tablet")
        yield server
        await tablet.say(("accept", 1, {"attempts": ["c/t/1"]}))
        await hub.app.until(lambda: "tablet" in hub.app.messages)
        hub.app.peers["tablet"].send("cancel", {"attempt": "c/t/1"})
        await tablet.hear_of("cancel")
    assert faults == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def arrive(hub: Any, peer: Raw) -> dict[str, Any]:
    """Say hello and one message, which must neither be lost nor doubled; return the session."""
    welcome = await peer.hello()
    await peer.say(("accept", 1, {"attempts": ["before"]}))
    await hub.app.until(lambda: "desk" in hub.app.messages)
    session: dict[str, Any] = welcome["session"]
    return session


# ── told, and the session goes on ───────────────────────────────────────────────────────────────

TOLD: dict[str, tuple[str, int, dict[str, Any]]] = {
    "a second hello": ("hello", 0, HELLO),
    "a welcome of a device": ("welcome", 0, {"version": 1}),
    "an assignment of a device": ("assign", 2, {"attempt": "a", "skill": "s", "arguments": {}}),
    "a cancel of a device": ("cancel", 2, {"attempt": "a"}),
    "an answer of a device": ("answer", 2, {"attempt": "a", "question": "q", "answer": 1}),
    "an event of a device": (
        "event",
        2,
        {"subscription": "s", "time": 1, "constellation": "c", "kind": "k", "body": {}},
    ),
    "a response of a device": ("response", 2, {"id": "1"}),
    "a request of a device": ("request", 2, {"id": "1", "verb": "list"}),
    "a type that there is not": ("levitate", 2, {}),
    "a type that there is not, without a number": ("levitate", 0, {}),
    "a type as long as a book": ("x" * 100_000, 2, {}),
    "a field left out": ("result", 2, {"attempt": "a"}),
    "a null where there is none": ("result", 2, {"attempt": None, "state": "failed"}),
    "a number for a text": ("result", 2, {"attempt": 7, "state": "failed"}),
    "a text for a number": ("output", 2, {"attempt": "a", "index": "1", "data": 1}),
    "a truth for a number": ("output", 2, {"attempt": "a", "index": True, "data": 1}),
    "a number below zero": ("output", 2, {"attempt": "a", "index": -1, "data": 1}),
    "a list for a map": ("card", 2, {"card": []}),
    "a list of numbers for names": ("accept", 2, {"attempts": [1]}),
    "a state that there is not": ("result", 2, {"attempt": "a", "state": "perhaps"}),
    "an error without a code": ("reject", 2, {"attempt": "a", "error": {"message": "x"}}),
    "a question of no kind": ("input_required", 2, {"attempt": "a", "question": {"id": "q"}}),
    "options that are none": (
        "input_required",
        2,
        {
            "attempt": "a",
            "question": {"id": "q", "kind": "choice", "prompt": "?", "options": [1]},
        },
    ),
    "a time that is no number": ("ping", 0, {"t0": NAN}),
    "a time without end": ("ping", 0, {"t0": INFINITY}),
    "a stream of no quality": ("open", 2, {"stream": 1, "qos": "best"}),
    "a payload of text": ("data", 0, {"stream": 1, "payload": "text"}),
    "a window below zero": ("window", 0, {"stream": 2, "offset": -1, "limit": 1}),
}


@pytest.mark.parametrize("wrong", TOLD.values(), ids=TOLD)
async def test_what_is_wrong_is_told_and_the_session_goes_on(hub, caplog, wrong: Any) -> None:
    name, seq, _ = wrong
    async with beside(hub, caplog) as server, raw(server, hub.token("desk")) as peer:
        await arrive(hub, peer)
        await peer.say(wrong, ("accept", seq + 1 if seq else 2, {"attempts": ["after"]}))
        error = await peer.hear_of("error")
        assert error["code"] == "protocol.remote"
        assert error["details"] == {"type": name[:64], "seq": seq}
        await hub.app.until(lambda: len(hub.app.messages["desk"]) == 2)
    assert hub.app.bodies("desk") == [{"attempts": ["before"]}, {"attempts": ["after"]}]


@pytest.mark.parametrize(
    "type", sorted(name for name, kind in TYPES.items() if "client" not in kind.senders)
)
async def test_a_client_is_no_device_and_no_hub(hub, caplog, type: str) -> None:
    seq = 1 if TYPES[type].numbered else 0
    async with (
        beside(hub, caplog) as server,
        raw(server, hub.token("person", "client")) as peer,
    ):
        await peer.hello(role="client", name="person")
        await peer.say((type, seq, BODIES[type]))
        assert f"{type}: a client does not send it" in (await peer.hear_of("error"))["message"]
    assert "person" not in hub.app.messages


# ── refused stream by stream ────────────────────────────────────────────────────────────────────

REFUSED_STREAMS: dict[str, tuple[list[Any], str]] = {
    "a deadline that is not said": (
        [("open", 2, {"stream": 1, "qos": "deadline"})],
        "protocol.remote",
    ),
    "a deadline below zero": (
        [("open", 2, {"stream": 1, "qos": "deadline", "deadline_ms": -1})],
        "protocol.remote",
    ),
    "one more than may be": (
        [("open", 2 + n, {"stream": 1 + 2 * n, "qos": "latest"}) for n in range(5)],
        "protocol.limit",
    ),
    "one that nobody takes": (
        [("open", 2, {"stream": 1, "qos": "latest", "label": "unheard of"})],
        "session.permission",
    ),
    "items for an artifact": (
        [("open", 2, {"stream": 1, "qos": "latest", "label": "artifact"})],
        "protocol.remote",
    ),
    "an artifact of no hash": (
        [
            ("open", 2, {"stream": 1, "qos": "reliable", "label": "artifact"}),
            ("artifact_put", 3, {"hash": "../../etc/passwd", "size": 1, "stream": 1}),
        ],
        "protocol.remote",
    ),
    "an artifact larger than any disk": (
        [
            ("open", 2, {"stream": 1, "qos": "reliable", "label": "artifact"}),
            ("artifact_put", 3, {"hash": DIGEST, "size": 2**63, "stream": 1}),
        ],
        "protocol.limit",
    ),
    "more bytes than were announced": (
        [
            ("open", 2, {"stream": 1, "qos": "reliable", "label": "artifact"}),
            ("artifact_put", 3, {"hash": DIGEST, "size": 3, "stream": 1}),
            data(offset=0, payload=b"four"),
        ],
        "protocol.remote",
    ),
    "bytes that are not what was announced": (
        [
            ("open", 2, {"stream": 1, "qos": "reliable", "label": "artifact"}),
            ("artifact_put", 3, {"hash": DIGEST, "size": 4, "stream": 1}),
            data(offset=0, payload=b"four", last=True),
        ],
        "protocol.remote",
    ),
}


@pytest.mark.parametrize(("wrong", "code"), REFUSED_STREAMS.values(), ids=REFUSED_STREAMS)
async def test_a_stream_is_refused_and_the_session_goes_on(
    hub, caplog, tmp_path, wrong: list[Any], code: str
) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    async with (
        beside(hub, caplog, artifacts=store) as server,
        raw(server, hub.token("desk")) as peer,
    ):
        await arrive(hub, peer)
        await peer.say(*wrong)
        while (close := await peer.hear_of("close"))["error"]["code"] != code:
            assert close["error"]["code"] == "session.permission"
        last = max(seq for _, seq, _ in wrong)
        # What was refused is over: its bytes are nobody's, and its number is used up.
        await peer.say(data(), ("accept", last + 1, {"attempts": ["after"]}))
        await hub.app.until(lambda: hub.app.bodies("desk")[-1] == {"attempts": ["after"]})
    assert list((tmp_path / "artifacts").glob("*.part")) == []


@pytest.mark.parametrize(
    ("type", "body", "code"),
    [
        ("artifact_get", {"id": "1", "hash": DIGEST}, "unknown.artifact"),
        ("artifact_get", {"id": "1", "hash": "../../etc/passwd"}, "unknown.artifact"),
        ("artifact_put", {"hash": DIGEST, "size": 1, "stream": 99}, "protocol.remote"),
    ],
    ids=["unknown", "a path", "without its stream"],
)
async def test_what_cannot_be_put_or_got_is_answered(
    hub, caplog, tmp_path, type: str, body: Any, code: str
) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    async with (
        beside(hub, caplog, artifacts=store) as server,
        raw(server, hub.token("desk")) as peer,
    ):
        await arrive(hub, peer)
        await peer.say((type, 2, body))
        assert (await peer.hear_of("artifact"))["error"]["code"] == code


# ── closed, and the session may be resumed ──────────────────────────────────────────────────────

CLOSED: dict[str, tuple[list[Any] | bytes | str, int]] = {
    "an ack of the future": (packed(7), CloseCode.PROTOCOL),
    "an ack below zero": (packed(-1), CloseCode.PROTOCOL),
    "an ack of text": (packed("1"), CloseCode.PROTOCOL),
    "a number of text": (packed(0, ["drain", "2", {}]), CloseCode.PROTOCOL),
    "a number below zero": (packed(0, ["drain", -2, {}]), CloseCode.PROTOCOL),
    "a number that is a fraction": (packed(0, ["drain", 2.0, {}]), CloseCode.PROTOCOL),
    "a number skipped": ([("drain", 3, {})], CloseCode.PROTOCOL),
    "the last number of all": ([("drain", 2**64 - 1, {})], CloseCode.PROTOCOL),
    "a result without a number": (
        [("result", 0, {"attempt": "a", "state": "failed"})],
        CloseCode.PROTOCOL,
    ),
    "a ping with a number": ([("ping", 2, {"t0": 1})], CloseCode.PROTOCOL),
    "a body of text": (packed(0, ["drain", 2, "body"]), CloseCode.PROTOCOL),
    "a body of nothing": (packed(0, ["drain", 2, None]), CloseCode.PROTOCOL),
    "a message of two parts": (packed(0, ["drain", 2]), CloseCode.PROTOCOL),
    "keys that are no text": (packed(0, ["drain", 2, {1: 2}]), CloseCode.PROTOCOL),
    "the same key twice": (b"\x92\x00\x93\xa5drain\x02\x82\xa1a\x01\xa1a\x02", CloseCode.PROTOCOL),
    "an extension": (packed(0, ["drain", 2, {"a": msgpack.ExtType(5, b"x")}]), CloseCode.PROTOCOL),
    "bytes behind the end": (packed(0) + b"\x00", CloseCode.PROTOCOL),
    "half a frame": (packed(0, ["drain", 2, {}])[:-1], CloseCode.PROTOCOL),
    "nothing at all": (b"", CloseCode.PROTOCOL),
    "text on the binary subprotocol": ("[0]", CloseCode.PROTOCOL),
    "nesting without end": (packed(0, ["drain", 2, nested(200)]), CloseCode.LIMIT),
    "nesting past any stack": (b"\x92\x00" + b"\x91" * 100_000 + b"\x00", CloseCode.PROTOCOL),
    "a list that claims more than it has": (b"\x92\x00\xdd\xff\xff\xff\xff", CloseCode.PROTOCOL),
    "more messages than may be": ([("ping", 0, {"t0": 1})] * 65, CloseCode.LIMIT),
    "a stream opened twice": ([OPEN, ("open", 3, OPEN[2])], CloseCode.PROTOCOL),
    "a stream with a number of ours": (
        [("open", 2, {"stream": 2, "qos": "latest"})],
        CloseCode.PROTOCOL,
    ),
    "a stream with the number nought": (
        [("open", 2, {"stream": 0, "qos": "latest"})],
        CloseCode.PROTOCOL,
    ),
    "a stream number used again": (
        [ITEMS, ("close", 3, {"stream": 1}), ("open", 4, ITEMS[2])],
        CloseCode.PROTOCOL,
    ),
    "a stream number that was passed over": (
        [("open", 2, {"stream": 9, "qos": "latest"}), ("open", 3, {"stream": 7, "qos": "latest"})],
        CloseCode.PROTOCOL,
    ),
    "bytes that are missing": ([OPEN, data(offset=5)], CloseCode.PROTOCOL),
    "bytes of no offset": ([OPEN, data()], CloseCode.PROTOCOL),
    "bytes past the window": (
        [OPEN, data(offset=0, payload=bytes(WINDOW_BYTES + 1))],
        CloseCode.PROTOCOL,
    ),
    "bytes after the end": (
        [OPEN, data(offset=0, last=True), data(offset=1)],
        CloseCode.PROTOCOL,
    ),
    "an item of no time": ([ITEMS, data(index=0)], CloseCode.PROTOCOL),
    "an item larger than may be": (
        [ITEMS, data(index=0, time=0, payload=bytes(1025))],
        CloseCode.LIMIT,
    ),
}


@pytest.mark.parametrize(("wrong", "code"), CLOSED.values(), ids=CLOSED)
async def test_what_cannot_be_read_closes_the_connection_and_loses_nothing(
    hub, caplog, wrong: Any, code: int
) -> None:
    token = hub.token("desk")
    async with beside(hub, caplog, on_stream=lambda peer, stream: None) as server:
        async with raw(server, token) as peer:
            session = await arrive(hub, peer)
            if isinstance(wrong, list):
                await peer.say(*wrong)
            else:
                await peer.socket.send(wrong)
            assert (await peer.ended())[0] == code
        await hub.app.until(lambda: "desk" in hub.app.names("detached"))
        async with raw(server, token) as peer:
            welcome = await peer.hello(session=session, received=0)
            assert welcome["resumed"] is True
            # What came before the mistake is not to be said again; the mistake was no message.
            await peer.say(("accept", welcome["received"] + 1, {"attempts": ["after"]}))
            await hub.app.until(lambda: hub.app.bodies("desk")[-1] == {"attempts": ["after"]})
    assert hub.app.bodies("desk") == [{"attempts": ["before"]}, {"attempts": ["after"]}]
