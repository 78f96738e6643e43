"""The terminal interface in a browser, through textual-serve (extra ``web``).

Whoever can drive it can drive the devices, and any page that a browser shows can reach loopback. So
it is served to those who have its key: the address that is printed holds it, and a cookie keeps it
that pages of other origins cannot use.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Sequence
from hmac import compare_digest

from aiohttp import web
from textual_serve.server import Server

HOST = "127.0.0.1"
COOKIE = "constellation"


class GuardedServer(Server):
    """Serves a command to those who have the key.

    Args:
        command: the program and its arguments; one process for each page that is open.
        port: on this machine.
        ready: called with the address of the page, with the key, once it is served.
    """

    def __init__(self, command: Sequence[str], port: int, ready: Callable[[str], None]) -> None:
        super().__init__(shlex.join(command), host=HOST, port=port, title="Constellation")
        self._key = secrets.token_urlsafe(24)
        self._ready = ready

    def initialize_logging(self) -> None:
        """Say nothing of every request: the address of the first holds the key."""

    def serve(self, debug: bool = False) -> None:
        """Serve until a signal ends it.

        Raises:
            OSError: the port cannot be used.
        """
        self.debug = debug
        # What is printed by default is printed once the port is open.
        web.run_app(self._make_app(), host=self.host, port=self.port, print=self._tell)

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing yet: the port is not open."""

    def _tell(self, _: str) -> None:
        self._ready(f"{self.public_url}/?key={self._key}")

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        """The page, for whoever comes with the key; a cookie holds it from then on."""
        key = request.query.get("key", request.cookies.get(COOKIE, ""))
        self._check(request, key)
        page: web.StreamResponse = await super().handle_index(request)
        page.set_cookie(COOKIE, self._key, httponly=True, samesite="Strict")
        page.headers["Referrer-Policy"] = "no-referrer"
        return page

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """The interface itself, for the page that we served."""
        self._check(request, request.cookies.get(COOKIE, ""))
        if request.headers.get("Origin") != self.public_url:
            raise web.HTTPForbidden(text="This page may not use the interface.")
        served: web.WebSocketResponse = await super().handle_websocket(request)
        return served

    async def handle_download(self, request: web.Request) -> web.StreamResponse:
        """A file that the interface hands over."""
        self._check(request, request.cookies.get(COOKIE, ""))
        handed: web.StreamResponse = await super().handle_download(request)
        return handed

    def _check(self, request: web.Request, key: str) -> None:
        # A host of another name is somebody else's, pointed at this machine.
        if request.host != f"{HOST}:{self.port}" or not compare_digest(
            key.encode(), self._key.encode()
        ):
            raise web.HTTPForbidden(text="Open the address that `constellation tui --serve` says.")
