"""What the page's AIP session costs beside bare websocket messages, measured in Chromium.

For every 20 ms of the microphone the page gets one small message back: by the session, and by bare
binary and JSON messages over a websocket of their own, in turn in the same page.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import Any

import anyio
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from agents.voice.wire import SUBSCRIPTION
from bench.harness import quantile
from constellation.aip.auth import Identity
from constellation.aip.messages import Hello, Message
from constellation.aip.server import PATH, Peer, serve
from constellation.errors import AuthenticationError, ConfigError, ConstellationError

# Of each websocket message to the server, with a payload of 126 bytes to 64 KiB.
_HEADER = 8
_WORDS = "how full is the disk of the server"
_SCRIPT = """async ([frames, bare]) => {
  const { Session, clock } = await import("/aip.js");
  const sent = { aip: 0, bare: 0 }, waits = { aip: [], bare: [] };
  const pending = { aip: [], bare: [] };
  const came = (which) => waits[which].push(performance.now() - pending[which].shift());
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    sent[this.url === bare ? "bare" : "aip"] += (data.byteLength ?? data.length) + HEADER;
    send.call(this, data);
  };
  const raw = new WebSocket(bare);
  await new Promise((done) => (raw.onopen = done));
  raw.onmessage = ({ data }) => JSON.parse(data) && came("bare");
  const session = await new Promise((done) => {
    const hello = { role: "client", name: "page", credential: "bench" };
    const made = new Session(`ws://${location.host}PATH`, hello, {
      opened: () => done(made), message: () => came("aip"),
    });
  });
  const microphone = session.openItems("microphone", 3000);
  await new Promise((done) => setTimeout(done, 200));
  sent.aip = sent.bare = 0;
  const sound = new Uint8Array(640).fill(7);
  for (let n = 0; n < 2 * frames; n++) {
    const which = n % 2 ? "aip" : "bare";
    pending[which].push(performance.now());
    if (which === "aip") microphone.put(sound.slice(), clock());
    else raw.send(sound.slice());
    await new Promise((done) => setTimeout(done, 10));
  }
  await new Promise((done) => setTimeout(done, 500));
  session.close("done");
  return { sent, waits };
}""".replace("HEADER", str(_HEADER)).replace("PATH", PATH)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one way.

    Attributes:
        p50_ms, p95_ms: from a frame of sound to the message that it brought.
        bytes_s: that the page sends, for a microphone that is always open.
    """

    p50_ms: float
    p95_ms: float
    bytes_s: float


class _Agent:
    """Serves the page's files and answers each frame; application and authenticator at once."""

    def respond(self, request: Request) -> Response | None:
        if request.path == PATH:
            return None
        kind, body = "text/html", b"<!doctype html><title>Bench</title><link rel=icon href=data:,>"
        if request.path != "/":
            kind = "text/javascript"
            body = (files("agents.voice") / "web" / request.path.lstrip("/")).read_bytes()
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
        return Response(HTTPStatus.OK, "OK", Headers(headers), body)

    def authenticate(self, token: str, now: float) -> Identity:
        return Identity("page", "client", "page")

    def pair(self, code: str, name: str, role: str, now: float) -> tuple[Identity, str]:
        raise AuthenticationError("Nothing is paired here.")

    def on_revoked(self, callback: Callable[[str], None]) -> Callable[[], None]:
        return lambda: None

    def opened(self, peer: Peer, hello: Hello, resumed: bool) -> None:
        sink = _Echo(peer)
        peer.streams.takers["microphone"] = lambda stream: stream.pour_into(sink)

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        peer.acknowledge(messages[-1].seq)

    def detached(self, peer: Peer, reason: str) -> None:
        pass

    def closed(self, peer: Peer, reason: str) -> None:
        pass


class _Echo:
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def write(self, data: bytes) -> None:
        event = {"subscription": SUBSCRIPTION, "constellation": "", "time": self._peer.now()}
        self._peer.send("event", {**event, "kind": "hearing", "body": {"text": _WORDS}})

    def close(self, error: ConstellationError | None) -> None:
        pass


async def _answer(link: ServerConnection) -> None:
    seq = 0
    async for _ in link:
        seq += 1
        await link.send(json.dumps({"seq": seq, "type": "hearing", "text": _WORDS}))


@asynccontextmanager
async def _browsing(url: str) -> AsyncIterator[Any]:
    chromium = shutil.which("chromium")
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        raise ConfigError("This part needs Debian's chromium, and playwright.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--no-first-run"]
        )
        page = await browser.new_page()
        await page.goto(url)
        yield page
        await browser.close()


async def _measure(frames: int) -> dict[str, Cost]:
    agent = _Agent()
    async with (
        serve_websocket(_answer, "127.0.0.1", 0, compression=None) as bare,
        serve(agent, agent, gate=agent.respond) as server,
    ):
        origin = f"http://127.0.0.1:{server.port}"
        server.allowed_origins.add(origin)
        port = next(iter(bare.sockets)).getsockname()[1]
        async with _browsing(origin) as page:
            found = await page.evaluate(_SCRIPT, [frames, f"ws://127.0.0.1:{port}/"])
    return {
        name: Cost(
            quantile(found["waits"][name], 0.5),
            quantile(found["waits"][name], 0.95),
            50 * found["sent"][name] / frames,
        )
        for name in ("aip", "bare")
    }


def cost_of_the_session(frames: int) -> dict[str, Cost]:
    """Send so many frames each way: ``aip`` and ``bare``.

    Raises:
        ConfigError: there is no browser.
    """
    return anyio.run(_measure, frames)
