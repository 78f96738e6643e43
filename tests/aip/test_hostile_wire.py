"""Peers that misuse what lies below and around AIP: websockets, hellos, credentials, limits."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from raw_kit import HELLO, raw
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from constellation.aip.codec import MSGPACK
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.limits import Limits
from constellation.aip.session import CloseCode
from constellation.aip.transport import MAX_UNREAD_PONGS

pytestmark = pytest.mark.anyio

DRAIN = MSGPACK.join(0, [MSGPACK.encode("drain", 1, {})])
WHOLE = Frame(Opcode.BINARY, DRAIN).serialize(mask=True)


# ── websockets ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (bytes((WHOLE[0] | 0x40, *WHOLE[1:])), 1002),
        (Frame(Opcode.BINARY, DRAIN).serialize(mask=False), 1002),
        (Frame(Opcode.CONT, DRAIN).serialize(mask=True), 1002),
        (b"\x83\x80abcd", 1002),
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffabcd", 1009),
        (Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True), 1007),
    ],
    ids=["compressed", "unmasked", "a rest of nothing", "no opcode", "far too long", "not UTF-8"],
)
async def test_frames_that_are_none_close_the_connection(hub, wire: bytes, code: int) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        peer.socket.transport.write(wire)
        assert (await peer.ended())[0] == code
        await hub.app.until(lambda: hub.app.names("detached"))
    assert hub.app.messages == {}


async def test_a_message_that_never_ends_is_given_up(hub) -> None:
    heartbeat = Heartbeat(interval_s=0.05, timeout_s=0.2)
    async with hub.serving(heartbeat=heartbeat) as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        peer.socket.transport.write(Frame(Opcode.BINARY, DRAIN, fin=False).serialize(mask=True))
        assert (await peer.ended())[0] == CloseCode.SILENT


async def test_pings_whose_answers_nobody_reads_end_the_connection(hub) -> None:
    pings = Frame(Opcode.PING, b"x" * 125).serialize(mask=True) * MAX_UNREAD_PONGS
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        transport = peer.socket.transport
        transport.pause_reading()
        with anyio.fail_after(100):
            while not hub.app.names("detached"):
                if transport.get_write_buffer_size() == 0:
                    transport.write(pings)
                await anyio.lowlevel.checkpoint()
        transport.abort()


# ── hellos ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "more",
    [
        {"received": "5"},
        {"received": True},
        {"received": -1},
        {"version": ["1"]},
        {"version": True},
        {"limits": {"max_frame": "65536"}},
        {"limits": {"max_frame": -1}},
        {"limits": {"max_batch": 2.5}},
        {"card": {"name": "desk", "capacity": "4"}},
        {"card": {"name": "desk", "capacity": -1}},
        {"card": {"name": "desk", "capacity": 2**40}},
        {"card": {"name": "desk", "skills": [{"name": "s", "capacity": "1"}]}},
        {"card": {"name": "desk", "skills": [{"name": "a b"}]}},
        {"card": {"name": "desk", "labels": {"a": 1}}},
        {"running": "c/t/1"},
        {"session": {"id": 1, "token": "x"}},
        {"role": "hub"},
        {"role": "device\n"},
        {"name": "desk\n"},
    ],
    ids=repr,
)
async def test_a_hello_that_does_not_fit_is_refused(hub, more: dict[str, Any]) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.say(("hello", 0, {**HELLO, **more}))
        assert (await peer.hear_of("error"))["code"] == "protocol.remote"
        assert (await peer.ended())[0] == CloseCode.PROTOCOL
    assert hub.app.told == []


@pytest.mark.parametrize(
    "messages",
    [
        [("drain", 1, {})],
        [("ping", 0, {"t0": 1})],
        [("welcome", 0, {"version": 1, "session": {}, "resumed": False, "received": 0})],
        [("hello", 1, HELLO), ("hello", 1, HELLO)],
        [("hello", 0, HELLO), ("drain", 1, {})],
        [],
    ],
    ids=["a message", "a ping", "a welcome", "two hellos", "a hello and more", "nothing"],
)
async def test_the_first_frame_is_a_hello_alone(hub, messages: list[Any]) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.say(*messages)
        assert (await peer.hear_of("error"))["code"] == "protocol.remote"
        assert (await peer.ended())[0] == CloseCode.PROTOCOL
    assert hub.app.told == []


async def test_a_hello_is_bounded_as_one_message(hub) -> None:
    limits = Limits(max_body=10_000)
    async with hub.serving(limits=limits) as server, raw(server, hub.token("desk")) as peer:
        await peer.say(("hello", 0, {**HELLO, "held": ["c/t/1"] * 2_000}))
        assert (await peer.hear_of("error"))["code"] == "protocol.limit"
        assert (await peer.ended())[0] == CloseCode.LIMIT


async def test_a_stranger_may_say_no_more_than_a_hello(hub) -> None:
    async with hub.serving() as server, raw(server) as peer:
        part = Frame(Opcode.BINARY, bytes(300_000), fin=False).serialize(mask=True)
        more = Frame(Opcode.CONT, bytes(300_000), fin=False).serialize(mask=True)
        for each in (part, more, more, more):
            peer.socket.transport.write(each)
        assert (await peer.ended())[0] == 1009


async def test_a_device_that_showed_its_credential_may_say_more_at_once(hub) -> None:
    token = hub.token("desk")
    async with hub.serving() as server, raw(server) as peer:
        await peer.hello(credential=token, held=["c/t/1"] * 90_000)
        await peer.say(("accept", 1, {"attempts": ["x" * 2_000_000]}))
        await hub.app.until(lambda: hub.app.messages)


async def test_wrong_hellos_shut_an_address_out(hub) -> None:
    async with hub.serving() as server:
        for _ in range(10):
            async with raw(server) as peer:
                await peer.socket.send(b"garbage")
                await peer.ended()
        with pytest.raises(InvalidStatus, match="429"):
            await raw(server).__aenter__()
        async with raw(server, hub.token("desk")) as peer:
            await peer.hello()


async def test_one_who_claims_to_have_seen_the_future_is_refused(hub) -> None:
    token = hub.token("desk")
    async with hub.serving() as server:
        async with raw(server, token) as peer:
            session = (await peer.hello())["session"]
            hub.app.peers["desk"].send("cancel", {"attempt": "c/t/1"})
            await peer.hear_of("cancel")
        await hub.app.until(lambda: hub.app.names("detached"))
        async with raw(server, token) as peer:
            await peer.say(("hello", 0, {**HELLO, "session": session, "received": 2}))
            assert (await peer.hear_of("error"))["code"] == "protocol.remote"
            assert (await peer.ended())[0] == CloseCode.PROTOCOL
        async with raw(server, token) as peer:
            await peer.say(("hello", 0, {**HELLO, "session": session, "received": 0}))
            _, (welcome, *again) = await peer.hear()
            assert welcome.body["resumed"] is True
            assert ("cancel", 1, {"attempt": "c/t/1"}) in again


# ── credentials ─────────────────────────────────────────────────────────────────────────────────


async def test_guesses_burn_a_pairing_code_and_shut_the_guesser_out(hub) -> None:
    code = hub.pairing.offer(0.0, ttl_s=1e12).code
    async with hub.serving() as server:
        for guess in range(5):
            async with raw(server) as peer:
                await peer.say(("hello", 0, {**HELLO, "pair": {"code": f"AAAA-AAA{guess}"}}))
                assert (await peer.hear_of("error"))["code"] == "session.authentication"
                assert (await peer.ended())[0] == CloseCode.UNAUTHENTICATED
        async with raw(server) as peer:
            await peer.say(("hello", 0, {**HELLO, "pair": {"code": code}}))
            assert (await peer.hear_of("error"))["code"] == "session.authentication"
            await peer.ended()
        for _ in range(4):
            async with raw(server) as peer:
                await peer.say(("hello", 0, {**HELLO, "pair": {"code": code}}))
                await peer.ended()
        with pytest.raises(InvalidStatus, match="429"):
            await raw(server).__aenter__()


# ── what is kept for a peer ─────────────────────────────────────────────────────────────────────


async def test_what_is_kept_for_a_peer_is_bounded_whatever_it_says(hub) -> None:
    endless = dict.fromkeys(Limits().to_wire(), 2**62)
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello(limits=endless)
        session = hub.app.peers["desk"]
        while not hub.app.names("closed"):
            session.send("cancel", {"attempt": "c/t/1", "reason": "x" * 1_000_000})
            assert session.pending <= Limits().max_outstanding_bytes


async def test_refusals_that_nobody_acknowledges_are_bounded(hub) -> None:
    limits = Limits(max_streams=1)
    async with hub.serving(limits=limits) as server, raw(server, hub.token("desk")) as peer:
        await peer.hello(limits={"max_outstanding": 100})
        count = 0
        with anyio.fail_after(100):
            while not hub.app.names("detached"):
                opens = [
                    ("open", seq, {"stream": 2 * seq - 1, "qos": "latest"})
                    for seq in range(count + 1, count + 101)
                ]
                count += 100
                await peer.say(*opens)
                await asyncio.sleep(0)
        assert count < 3_000
        assert (await peer.ended())[0] == CloseCode.LIMIT


@pytest.mark.parametrize(("t1", "t2"), [(1e308, -1e308), (1e308, 1e308), (5.0, 4.0)])
async def test_a_clock_that_cannot_be_is_not_believed(hub, t1: float, t2: float) -> None:
    async with hub.serving() as server, raw(server, hub.token("desk")) as peer:
        await peer.hello()
        ping = await peer.hear_of("ping")
        await peer.say(("pong", 0, {"t0": ping["t0"], "t1": t1, "t2": t2}), ("drain", 1, {}))
        await hub.app.until(lambda: "desk" in hub.app.messages)
        assert (hub.app.peers["desk"].rtt_s, hub.app.peers["desk"].offset_s) == (0.0, 0.0)
