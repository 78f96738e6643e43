"""The agent's page and its websocket, on one port of this machine."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pydantic import ValidationError
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from .live import Talk
from .sound import from_pcm
from .wire import FROM_PAGE

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/voice.css": ("voice.css", "text/css; charset=utf-8"),
    "/voice.js": ("voice.js", "text/javascript; charset=utf-8"),
    "/audio.js": ("audio.js", "text/javascript; charset=utf-8"),
}
_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_MAX_MESSAGE = 16_384
_GRACE_S = 60.0
_MOST_TALKS = 4
_BEHIND = 1_000


class _Session:
    """A talk, and the link it has at the moment."""

    def __init__(self, talk: Talk, scope: anyio.CancelScope) -> None:
        self.talk = talk
        self.scope = scope
        self.link: ServerConnection | None = None
        self.links = 0


class Page:
    """Serves the page to those who know its secret.

    Args:
        make: makes the talk of a new visitor.

    Attributes:
        url: where it is, with the secret; once it is served.
    """

    def __init__(self, make: Callable[[TaskGroup], Talk], tasks: TaskGroup) -> None:
        self.url = ""
        self._make = make
        self._tasks = tasks
        self._secret = secrets.token_urlsafe(24)
        self._origin = ""
        self._sessions: dict[str, _Session] = {}

    @asynccontextmanager
    async def served(self, host: str, port: int) -> AsyncIterator[None]:
        """Serve for as long as the context is open; port 0 takes any that is free."""
        server = serve(self._talk, host, port, process_request=self._respond, max_size=_MAX_MESSAGE)
        async with server as running:
            taken = next(iter(running.sockets)).getsockname()[1]
            self._origin = f"http://{host}:{taken}"
            self.url = f"{self._origin}/#{self._secret}"
            yield

    def _respond(self, connection: ServerConnection, request: Request) -> Response | None:
        """A file, or None for the websocket."""
        path = urlsplit(request.path).path
        if request.headers.get("Host") != self._origin.removeprefix("http://"):
            return _response(HTTPStatus.FORBIDDEN)
        if path == "/talk":
            known = secrets.compare_digest(_query(request.path, "secret"), self._secret)
            if not known or request.headers.get("Origin") != self._origin:
                return _response(HTTPStatus.FORBIDDEN)
            return None
        if path not in _FILES:
            return _response(HTTPStatus.NOT_FOUND)
        name, kind = _FILES[path]
        return _response(HTTPStatus.OK, (files(__package__) / "web" / name).read_bytes(), kind)

    async def _talk(self, link: ServerConnection) -> None:
        request = link.request
        if request is None:
            return
        found = self._sessions.get(_query(request.path, "session"))
        if found is None and len(self._sessions) >= _MOST_TALKS:
            await link.close(1013, "Too many conversations are open.")
            return
        session = found or self._open()
        older, session.link = session.link, link
        session.links += 1
        if older is not None:
            await older.close(1000, "Another page took over.")
        after = _query(request.path, "after")
        await self._serve(session, link, int(after) if after.isdecimal() else 0)
        if session.link is link:
            session.link, session.talk.outbox.send = None, None
            self._tasks.start_soon(self._wait, session)

    def _open(self) -> _Session:
        name = secrets.token_urlsafe(12)
        scope = anyio.CancelScope()
        session = _Session(self._make(self._tasks), scope)
        self._sessions[name] = session
        self._tasks.start_soon(self._run, name, session)
        session.talk.outbox.tell("session", session=name)
        return session

    async def _run(self, name: str, session: _Session) -> None:
        with session.scope:
            await session.talk.run()
        session.talk.hang_up()
        del self._sessions[name]

    async def _serve(self, session: _Session, link: ServerConnection, after: int) -> None:
        """Let both talk until the link is gone."""
        send, receive = anyio.create_memory_object_stream[str | bytes](_BEHIND)
        async with send, anyio.create_task_group() as tasks:
            tasks.start_soon(_forward, receive, link)
            session.talk.outbox.resume(partial(_put, send, tasks), after)
            try:
                async for message in link:
                    if isinstance(message, bytes):
                        session.talk.hear(from_pcm(message[: len(message) // 2 * 2]))
                    else:
                        session.talk.take(FROM_PAGE.validate_json(message))
            except ConnectionClosed:
                pass
            except ValidationError:
                await link.close(1008, "A message was not understood.")
            tasks.cancel_scope.cancel()

    async def _wait(self, session: _Session) -> None:
        """Keep the talk for a page that comes back."""
        links = session.links
        await anyio.sleep(_GRACE_S)
        if session.links == links:
            session.scope.cancel()


def _put(send: MemoryObjectSendStream[str | bytes], tasks: TaskGroup, message: str | bytes) -> None:
    """Hand a message to the link, which is given up if it is too far behind."""
    try:
        send.send_nowait(message)
    except (anyio.WouldBlock, anyio.BrokenResourceError):
        tasks.cancel_scope.cancel()


async def _forward(receive: MemoryObjectReceiveStream[str | bytes], link: ServerConnection) -> None:
    async with receive:
        async for message in receive:
            try:
                await link.send(message)
            except ConnectionClosed:
                return


def _query(path: str, name: str) -> str:
    """A parameter of an address; empty if it is not there."""
    return parse_qs(urlsplit(path).query).get(name, [""])[0]


def _response(status: HTTPStatus, body: bytes = b"", kind: str = "text/plain") -> Response:
    headers = Headers(_SECURITY)
    headers["Content-Type"] = kind
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)
