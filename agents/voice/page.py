"""The agent's page, and the AIP sessions of those who have it open, on one port of this machine."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from constellation.aip.admission import Admission
from constellation.aip.auth import Identity
from constellation.aip.heartbeat import Heartbeat
from constellation.aip.limits import Limits
from constellation.aip.messages import Hello, Message
from constellation.aip.server import PATH, Peer, serve
from constellation.errors import AgentError, AuthenticationError, LimitExceeded

from .live import Talk
from .ports import Loudspeaker, Screen
from .wire import Microphone, PageScreen, PageSpeaker, PlayedReports, answered

Make: TypeAlias = Callable[[TaskGroup, Screen, Loudspeaker], Talk]

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/voice.css": ("voice.css", "text/css; charset=utf-8"),
    **{
        f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8")
        for name in ("aip", "audio", "msgpack", "shown", "streams", "voice")
    },
}
_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_GRACE_S = 60.0
_MOST_TALKS = 4
# A person notices within seconds that nobody hears them: so must the page.
_HEARTBEAT = Heartbeat(2.0, 6.0)
_LIMITS = Limits(
    max_frame=65_536, max_body=16_384, max_batch=256, max_outstanding=1_024, max_item=4_096
)
# The secret cannot be guessed, and whoever tries on this machine is not to lock its owner out.
_WRONG_TRIES = 10_000


class _Key:
    """The secret of the page's address; see `constellation.aip.auth.Authenticator`."""

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(24)
        self._owner = Identity("page", "client", "page")

    def authenticate(self, token: str, now: float) -> Identity:
        if not hmac.compare_digest(token.encode(), self.secret.encode()):
            raise AuthenticationError(
                "This is not the address of the agent that runs now.",
                remedy="Open the one that it printed.",
            )
        return self._owner

    def pair(self, code: str, name: str, role: str, now: float) -> tuple[Identity, str]:
        raise AuthenticationError("Nothing is paired here.", remedy="Open the agent's address.")

    def on_revoked(self, callback: Callable[[str], None]) -> Callable[[], None]:
        return lambda: None


@dataclass(frozen=True, slots=True)
class _Visit:
    """Somebody who has the page open."""

    talk: Talk
    scope: anyio.CancelScope


class Page:
    """Serves the page to those who know its secret; see `constellation.aip.peer.Application`.

    It can be opened before there is anybody to talk to, and shows what that waits for.

    Args:
        make: makes the talk of a new visitor; None as long as parts are to be loaded.
        tasks: outlives the page.
        parts: the names of what is to be loaded.

    Attributes:
        url: where it is, with the secret; once it is served.
    """

    def __init__(self, make: Make | None, tasks: TaskGroup, parts: Sequence[str] = ()) -> None:
        self.url = ""
        self._loaded = dict.fromkeys(parts, False)
        self._make = make
        self._tasks = tasks
        self._key = _Key()
        self._origin = ""
        self._visits: dict[Peer, _Visit] = {}

    def loaded(self, part: str) -> None:
        """A part is there; from any thread."""
        self._loaded[part] = True

    def ready(self, make: Make) -> None:
        """All parts are there: visitors can talk."""
        self._make = make

    @asynccontextmanager
    async def served(self, host: str, port: int) -> AsyncIterator[None]:
        """Serve for as long as the context is open; port 0 takes any that is free.

        Raises:
            ConfigError: the port is taken.
        """
        opened = serve(
            self,
            self._key,
            host,
            port,
            name="voice agent",
            limits=_LIMITS,
            heartbeat=_HEARTBEAT,
            grace_s=_GRACE_S,
            admission=Admission(failures=_WRONG_TRIES),
            gate=self._respond,
        )
        async with opened as server:
            self._origin = f"http://{host}:{server.port}"
            server.allowed_origins.add(self._origin)
            self.url = f"{self._origin}/#{self._key.secret}"
            yield

    def _respond(self, request: Request) -> Response | None:
        """A file, or None for the websocket."""
        if request.headers.get_all("Host") != [self._origin.removeprefix("http://")]:
            return _response(HTTPStatus.FORBIDDEN)
        path = request.path.partition("?")[0]
        if path == PATH:
            ours = request.headers.get_all("Origin") == [self._origin]
            return None if ours else _response(HTTPStatus.FORBIDDEN)
        if path == "/loading":
            told = {"ready": self._make is not None, "parts": self._loaded}
            return _response(HTTPStatus.OK, json.dumps(told).encode(), "application/json")
        if path not in _FILES:
            return _response(HTTPStatus.NOT_FOUND)
        name, kind = _FILES[path]
        return _response(HTTPStatus.OK, (files(__package__) / "web" / name).read_bytes(), kind)

    # ── what the server tells ───────────────────────────────────────────────────────────────────

    def opened(self, peer: Peer, hello: Hello, resumed: bool) -> None:
        if resumed:
            return
        if self._make is None:
            early = AgentError("The models are being loaded.", remedy="Try again in a moment.")
            peer.complain(early)
            peer.close(early.message)
            return
        if len(self._visits) >= _MOST_TALKS and not self._make_room():
            full = LimitExceeded("Too many conversations are open.", remedy="Close one of them.")
            peer.complain(full)
            peer.close(full.message)
            return
        screen = PageScreen(peer)
        talk = self._make(self._tasks, screen, PageSpeaker(peer, screen))
        peer.streams.takers["microphone"] = lambda stream: stream.pour_into(Microphone(talk))
        peer.streams.takers["played"] = lambda stream: stream.pour_into(PlayedReports(talk))
        visit = self._visits[peer] = _Visit(talk, anyio.CancelScope())
        self._tasks.start_soon(_run, visit)

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        visit = self._visits.get(peer)
        for message in messages:
            if visit is not None and message.type == "request":
                peer.send("response", answered(visit.talk, message.body))
        peer.acknowledge(messages[-1].seq)

    def detached(self, peer: Peer, reason: str) -> None:
        """The talk is kept for a page that comes back."""

    def closed(self, peer: Peer, reason: str) -> None:
        visit = self._visits.pop(peer, None)
        if visit is not None:
            visit.scope.cancel()

    def _make_room(self) -> bool:
        """End a conversation whose page is gone; False if there is none."""
        gone = next((peer for peer in self._visits if not peer.is_connected), None)
        if gone is not None:
            gone.close("another page needs its place")
        return gone is not None


async def _run(visit: _Visit) -> None:
    with visit.scope:
        await visit.talk.run()
    visit.talk.hang_up()


def _response(status: HTTPStatus, body: bytes = b"", kind: str = "text/plain") -> Response:
    headers = Headers(_SECURITY)
    headers["Content-Type"] = kind
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)
