"""What the bridges that listen on HTTP share: serving, and the credential of a request."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from hmac import compare_digest

import anyio
import uvicorn
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from constellation.errors import AuthenticationError, ConfigError

STOP_GRACE_S = 2
SCHEME = "bearer "
MOST_BYTES = 4 * 1024 * 1024


class Bounded:
    """Refuses the body of a request that is larger than `MOST_BYTES`, with status 413.

    Bodies are read before anybody asks who sent them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count what is read of it."""
        left = MOST_BYTES

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, "The request is too large.")
            return message

        await self._app(scope, counted, send)


class Guarded:
    """Lets requests pass that show one credential; others get status 401."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the credential of a request."""
        try:
            shown = credential(Headers(scope=scope), "Send it as a bearer token.")
            if not compare_digest(shown.encode(), self._token.encode()):
                raise AuthenticationError(
                    "The credential is not the one that this bridge uses for its hub.",
                    remedy="Send that one as a bearer token.",
                )
        except AuthenticationError as error:
            answer = PlainTextResponse(str(error), 401, {"WWW-Authenticate": "Bearer"})
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@asynccontextmanager
async def listening(host: str, port: int) -> AsyncIterator[socket.socket]:
    """A listener for as long as the context is open; port 0 takes a free one.

    Raises:
        ConfigError: the address cannot be bound.
    """
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise ConfigError(
            f"Nobody can listen on {host}:{port}: {error.strerror or error}.",
            remedy="Choose another --listen, or stop what uses it.",
        ) from None
    with listener:
        yield listener


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application for as long as the context is open."""
    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", timeout_graceful_shutdown=STOP_GRACE_S
    )
    server = _Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        yield
        server.should_exit = True


def credential(headers: Mapping[str, str], remedy: str) -> str:
    """The bearer credential of a request.

    Args:
        remedy: for a person whose request has none.

    Raises:
        AuthenticationError: it has none.
    """
    header = headers.get("authorization", "")
    if not header.lower().startswith(SCHEME):
        raise AuthenticationError("The request has no credential.", remedy=remedy)
    return header[len(SCHEME) :].strip()


class _Server(uvicorn.Server):
    """A server that leaves signals to the command that started it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield
