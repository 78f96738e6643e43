"""What becomes of a request before it is a websocket: let in, answered, or turned away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from constellation.errors import AuthenticationError, ConstellationError

from .admission import Admission
from .auth import Authenticator
from .endpoint import Clock
from .transport import ServerTransport, address_of
from .trust import AUTHORITY_PATH

PATH = "/aip"
Refused = Callable[[str, str, ConstellationError], None]


@dataclass(slots=True)
class Doorway:
    """Looks at requests; the arguments are those of `constellation.aip.server.serve`.

    Attributes:
        allowed_origins: origins of web pages that may connect; may be changed.
        authority: PEM text that is shown at `AUTHORITY_PATH`; None shows none.
    """

    authenticator: Authenticator
    admission: Admission
    clock: Clock
    allowed_origins: set[str]
    gate: Callable[[Request], Response | None] | None
    authority: str | None
    on_refused: Refused

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request that is not to become a session; None lets the websocket open."""
        answer = None if self.gate is None else self.gate(request)
        if answer is not None:
            return answer
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return connection.respond(HTTPStatus.OK, "ok\n")
        if path == AUTHORITY_PATH and self.authority is not None:
            return connection.respond(HTTPStatus.OK, self.authority)
        if path != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, f"AIP is spoken at {PATH}.\n")
        if not self.allowed_origins.issuperset(request.headers.get_all("Origin")):
            # Browsers name the page's origin: none may use a hub on its visitor's machine.
            return connection.respond(HTTPStatus.FORBIDDEN, "This origin is not allowed.\n")
        tokens = request.headers.get_all("Authorization")
        if tokens:
            return self._check_token(cast(ServerTransport, connection), tokens[0])
        if self.admission.blocked(address_of(connection), self.clock()):
            return connection.respond(HTTPStatus.TOO_MANY_REQUESTS, "Too many failures.\n")
        return None

    def _check_token(self, transport: ServerTransport, header: str) -> Response | None:
        scheme, _, token = header.partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise AuthenticationError("The credential is a bearer token.")
            transport.identity = self.authenticator.authenticate(token.strip(), time.time())
        except AuthenticationError as error:
            self.admission.failed(address_of(transport), self.clock())
            self.on_refused(address_of(transport), "", error)
            response = transport.respond(HTTPStatus.UNAUTHORIZED, f"{error}\n")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        return None
