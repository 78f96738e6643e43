"""The page's AIP, in a real browser: golden frames, and a session with our server through cuts."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import msgpack
import pytest
from chromium import browsing, wants_chromium
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

import agents.voice
from constellation.aip.auth import Identity
from constellation.aip.codec import JSON, MSGPACK
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.limits import Limits
from constellation.aip.messages import Hello, Message
from constellation.aip.server import PATH, Peer, serve
from constellation.aip.writers import ByteWriter
from constellation.errors import AuthenticationError, ConstellationError

pytestmark = [pytest.mark.full, pytest.mark.anyio, wants_chromium]

WEB = Path(agents.voice.__path__[0]) / "web"
VECTORS = Path(__file__).parents[2] / "vectors" / "frames.json"
MESSAGES = 300
BYTES = 400_000


class Sums:
    """Takes bytes in, and tells their sum."""

    def __init__(self) -> None:
        self.size = 0
        self.sum = sha256()

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self.sum.update(data)

    def close(self, error: ConstellationError | None) -> None:
        pass


class Hub:
    """An application, an authenticator and the files of the page.

    Attributes:
        asked: the requests that came, by their parameters.
        items: of the page's real-time stream.
        opened: for each connection, whether it resumed the session.
    """

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.bytes = Sums()
        self.items: list[int] = []
        self.opens: list[bool] = []
        self.peer: Peer | None = None
        self.goodbye: str | None = None
        self._news = anyio.Event()
        self._writer: ByteWriter | None = None

    def respond(self, request: Request) -> Response | None:
        path = request.path
        if path == PATH:
            return None
        if path == "/":
            body, kind = (
                b"<!doctype html><title>AIP</title><link rel=icon href=data:,>",
                "text/html",
            )
        else:
            body, kind = (WEB / path.lstrip("/")).read_bytes(), "text/javascript"
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
        return Response(HTTPStatus.OK, "OK", Headers(headers), body)

    def authenticate(self, token: str, now: float) -> Identity:
        if token != "secret":
            raise AuthenticationError("Not this one.")
        return Identity("page", "client", "page")

    def pair(self, code: str, name: str, role: str, now: float) -> tuple[Identity, str]:
        raise AuthenticationError("Nothing is paired here.")

    def on_revoked(self, callback: Any) -> Any:
        return lambda: None

    def opened(self, peer: Peer, hello: Hello, resumed: bool) -> None:
        self.peer = peer
        self.opens.append(resumed)
        if resumed:
            return
        peer.streams.takers["bytes"] = lambda stream: stream.pour_into(self.bytes)
        peer.streams.takers["items"] = lambda stream: stream.pour_into(self)
        self._writer = peer.streams.open_bytes("back", {"size": BYTES})
        for begin in range(0, BYTES, 1000):
            self._writer.put(random.Random(begin).randbytes(1000))

    def write(self, item: bytes) -> None:
        self.items.append(int.from_bytes(item))

    def close(self, error: ConstellationError | None) -> None:
        pass

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        for message in messages:
            number = message.body["params"]["number"]
            self.asked.append(number)
            peer.send("response", {"id": message.body["id"], "result": {"number": number}})
        peer.acknowledge(messages[-1].seq)
        self._happened()

    def detached(self, peer: Peer, reason: str) -> None:
        self._happened()

    def closed(self, peer: Peer, reason: str) -> None:
        self.goodbye = reason
        self._happened()

    def _happened(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def until_asked(self, count: int) -> None:
        while len(self.asked) < count:
            await self._news.wait()

    async def until_closed(self) -> None:
        while self.goodbye is None:
            await self._news.wait()

    def cut(self) -> None:
        """Break the connection off, as a cable that is pulled."""
        assert self.peer is not None
        if self.peer._transport is not None:
            self.peer._transport.transport.abort()


@asynccontextmanager
async def serving(hub: Hub) -> AsyncIterator[str]:
    async with serve(hub, hub, gate=hub.respond, heartbeat=Heartbeat(0.5, 1.5)) as server:
        origin = f"http://127.0.0.1:{server.port}"
        server.allowed_origins.add(origin)
        yield origin


def values() -> list[Any]:
    """Plain data of all kinds, at the borders between their forms."""
    found: list[Any] = [None, True, False, 0.5, -1e300, 5e-324, [], {}, "", b""]
    for bits in (5, 6, 7, 8, 15, 16, 31, 32, 52, 62):
        found += [sign * 2**bits + more for sign in (1, -1) for more in (-1, 0, 1)]
    found += [2**63, 2**64 - 1, -(2**63)]
    for size in (15, 16, 31, 32, 255, 256, 65_535, 65_536):
        found += ["ü" * (size // 2) + "x" * (size % 2), bytes(size), [1] * size]
    found += [{str(n): n for n in range(size)} for size in (15, 16, 65_536)]
    found += [{"__proto__": {"a": [None, {"🦊": "\0"}]}}]
    return found


WRONG = [
    b"",
    b"\xc1",
    b"\x01\x01",
    b"\xd4\x01\x00",
    b"\x81\x01\x02",
    b"\x82\xa1a\x01\xa1a\x02",
    b"\xa2\xff\xff",
    b"\x92\x01",
    b"\xc4\x05abc",
    b"\xcf\x00",
]


async def test_frames_are_read_and_written_as_by_others() -> None:
    rows = json.loads(VECTORS.read_text())
    frames = [bytes.fromhex(row["msgpack"]) for row in rows]
    frames += [msgpack.packb(value) for value in values()]
    hub = Hub()
    async with serving(hub) as origin, browsing(origin) as page:
        again = await page.evaluate(
            """async (frames) => {
              const { decode, encode } = await import("/msgpack.js");
              const pairs = (text) => text.match(/../g) ?? [];
              const unhex = (text) => Uint8Array.from(pairs(text), (pair) => parseInt(pair, 16));
              const digits = (byte) => byte.toString(16).padStart(2, "0");
              const hex = (bytes) => Array.from(bytes, digits).join("");
              return frames.map((frame) => {
                try { return hex(encode(decode(unhex(frame)))); } catch { return "refused"; }
              });
            }""",
            [frame.hex() for frame in [*frames, *WRONG]],
        )
        texts = await page.evaluate(
            """async (frames) => {
              const { read } = await import("/aip.js");
              const bytes = (text) => Uint8Array.from(text.match(/../g), (b) => parseInt(b, 16));
              const base64 = (data) => btoa(String.fromCharCode(...data));
              return frames.map((frame) => JSON.stringify(read(bytes(frame)), (name, value) =>
                value instanceof Uint8Array ? base64(value) : value));
            }""",
            [row["msgpack"] for row in rows],
        )
    assert again[len(frames) :] == ["refused"] * len(WRONG)
    for frame, back in zip(frames[: len(rows)], again, strict=False):
        # A whole number may be said as an integer or as a float: the two are equal.
        assert MSGPACK.decode(bytes.fromhex(back), Limits()) == MSGPACK.decode(frame, Limits())
    for frame, back in zip(frames[len(rows) :], again[len(rows) :], strict=False):
        assert back == frame.hex()
    for row, text in zip(rows, texts, strict=True):
        assert JSON.decode(text, Limits()) == JSON.decode(row["json"], Limits())


async def test_session_goes_on_through_cuts_and_nothing_is_lost_or_comes_twice() -> None:
    hub = Hub()
    async with serving(hub) as origin, browsing(origin) as page:
        await page.evaluate(
            """async ([messages, bytes]) => {
              const { Session, clock } = await import("/aip.js");
              const url = `ws://${location.host}/aip`;
              const hello = { role: "client", name: "page", credential: "secret" };
              const state = (window.state = { answers: [], back: [], got: 0, opened: [] });
              const session = (window.session = new Session(url, hello, {
                opened: (resumed) => state.opened.push(resumed),
                message: (type, body) => state.answers.push(body.result.number),
                stream: (incoming) => (incoming.ondata = (data) => {
                  state.back.push(data.slice());
                  state.got += data.length;
                }),
              }));
              const writer = session.openBytes("bytes");
              const items = session.openItems("items", 60000);
              let number = 0;
              const more = setInterval(() => {
                session.send("request", { id: String(number), verb: "say", params: { number } });
                writer.write(new Uint8Array(bytes / messages).fill(number));
                items.put(Uint8Array.of(number >> 8, number & 255), clock());
                if (++number === messages) clearInterval(more);
              }, 5);
            }""",
            [MESSAGES, BYTES],
        )
        with anyio.fail_after(100):
            for count in range(20, MESSAGES, 40):
                await hub.until_asked(count)
                hub.cut()
            await hub.until_asked(MESSAGES)
            await page.wait_for_function(
                f"state.answers.length === {MESSAGES} && state.got === {BYTES}"
            )
        state = await page.evaluate(
            """async () => {
              const back = await new Blob(state.back).arrayBuffer();
              const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", back));
              const { rtt_s, offset_s, unsecured } = session;
              session.close("that was all");
              return { ...state, back: 0, sum: [...sum], rtt_s, offset_s, left: unsecured.length };
            }"""
        )
        with anyio.fail_after(100):
            await hub.until_closed()
    assert hub.asked == state["answers"] == list(range(MESSAGES))
    sent = b"".join(bytes([n % 256]) * (BYTES // MESSAGES) for n in range(MESSAGES))
    assert hub.bytes.size == len(sent)
    assert hub.bytes.sum.digest() == sha256(sent).digest()
    told = b"".join(random.Random(begin).randbytes(1000) for begin in range(0, BYTES, 1000))
    assert bytes(state["sum"]) == sha256(told).digest()
    # Items keep their order; those that were on their way when the cable was pulled are gone.
    assert hub.items == sorted(set(hub.items))
    assert len(hub.items) > MESSAGES / 2
    assert hub.opens == state["opened"] == [False] + [True] * (len(hub.opens) - 1)
    assert len(hub.opens) > 3
    assert 0 < state["rtt_s"] < 1
    assert abs(state["offset_s"]) < 1
    assert state["left"] == 0
    assert hub.goodbye == "that was all"


async def test_peer_that_refuses_is_not_dialed_again() -> None:
    hub = Hub()
    async with serving(hub) as origin, browsing(origin) as page:
        ended = await page.evaluate(
            """async () => {
              const { Session } = await import("/aip.js");
              const hello = { role: "client", name: "page", credential: "wrong" };
              return new Promise((done) => {
                const ended = (code, reason) => done([code, reason]);
                new Session(`ws://${location.host}/aip`, hello, { ended });
              });
            }"""
        )
    assert ended == [4001, "Not this one."]
