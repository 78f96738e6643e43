"""Dialing a hub: address, TLS, credential, and what a failure means."""

from __future__ import annotations

import ssl as tls
from collections import deque
from http import HTTPStatus
from socket import gaierror
from typing import Literal, cast
from urllib.parse import urlsplit

from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from constellation.errors import (
    AuthenticationError,
    ConfigError,
    HubUnreachable,
    PermissionDenied,
    RemoteProtocolError,
)

from .codec import Codec
from .limits import Limits
from .tls import client_context
from .transport import CLOSE_TIMEOUT_S, WRITE_LIMIT_BYTES, ClientTransport

PATH = "/aip"
DIAL_TIMEOUT_S = 10.0
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Dialer:
    """Opens connections to one hub, or to one of the gateways of a cluster.

    Args:
        url: ``ws://`` or ``wss://``; the path is `PATH` unless it names another. Of several,
            separated by commas, the next one is dialed once one does not answer.
        ssl: for ``wss``; None trusts the system's authorities.
        codec: what is spoken.
        limits: what the hub may send.

    Raises:
        ConfigError: the address is none.
    """

    def __init__(
        self, url: str, *, ssl: tls.SSLContext | None, codec: Codec, limits: Limits
    ) -> None:
        self._addresses = deque(_address(each) for each in url.split(","))
        self.codec = codec
        self._max_frame = limits.max_frame
        self._ssl = ssl or (client_context() if "wss://" in url else None)

    @property
    def url(self) -> str:
        """What is dialed next."""
        return self._addresses[0]

    async def dial(self, credential: str | None) -> ClientTransport:
        """Open a connection.

        Raises:
            HubUnreachable: nobody answers, or not as a hub does; it may help to try again.
            AuthenticationError: the credential was refused, or the hub's certificate is not one
                that we trust.
            PermissionDenied: we may not connect from here.
            RemoteProtocolError: what answers speaks no AIP that we know.
        """
        parts = urlsplit(self.url)
        # The environment may name a proxy; this machine is not reached through one.
        proxy: Literal[True] | None = None if parts.hostname in LOCAL_HOSTS else True
        headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
        attempt = _Dial(
            self.url,
            ssl=self._ssl if parts.scheme == "wss" else None,
            subprotocols=[Subprotocol(self.codec.subprotocol)],
            additional_headers=headers,
            compression=None,
            proxy=proxy,
            open_timeout=DIAL_TIMEOUT_S,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=self._max_frame,
            write_limit=WRITE_LIMIT_BYTES,
            create_connection=ClientTransport,
        )
        try:
            transport = cast(ClientTransport, await attempt)
        except InvalidStatus as error:
            raise self._refused(error) from None
        except tls.SSLCertVerificationError as error:
            raise AuthenticationError(
                f"The certificate of {self.url} is not trusted: {error.verify_message}.",
                remedy="Name the authority that signed it.",
            ) from None
        except (OSError, WebSocketException) as error:
            unreachable = HubUnreachable(
                f"The hub at {self.url} cannot be reached: {self._told(error)}.",
                remedy="Check that it runs and that its address is right.",
                url=self.url,
            )
            self._addresses.rotate(-1)
            raise unreachable from None
        if transport.subprotocol != self.codec.subprotocol:
            transport.transport.abort()
            raise RemoteProtocolError(f"What answers at {self.url} is no hub.", url=self.url)
        return transport

    def _told(self, error: OSError | WebSocketException) -> str:
        """What went wrong, in words."""
        parts = urlsplit(self.url)
        port = parts.port or (80 if parts.scheme == "ws" else 443)
        at = f"{parts.hostname}:{port}"
        match error:
            case ConnectionRefusedError():
                return f"nothing listens at {at}"
            case TimeoutError():
                return f"{at} does not answer"
            case gaierror():
                return f"there is no host named {parts.hostname}"
            case tls.SSLError():
                return f"{at} does not speak TLS as we do"
            case ConnectionResetError() | BrokenPipeError():
                return f"{at} hung up"
            case OSError(errno=None):
                # Several addresses of one name were tried, each in vain.
                return f"nothing listens at {at}"
            case OSError():
                return f"{at}: {error.strerror}"
        return f"what answers at {at} is no hub: {error}"

    def _refused(
        self, error: InvalidStatus
    ) -> AuthenticationError | PermissionDenied | (RemoteProtocolError | HubUnreachable):
        status = error.response.status_code
        said = (error.response.body or b"").decode(errors="replace").strip()[:200]
        match status:
            case HTTPStatus.UNAUTHORIZED:
                return AuthenticationError(
                    f"The hub refused the credential: {said}", remedy="Pair again.", url=self.url
                )
            case HTTPStatus.FORBIDDEN:
                return PermissionDenied(f"The hub refused the connection: {said}", url=self.url)
            case HTTPStatus.BAD_REQUEST:
                return RemoteProtocolError(
                    f"What answers at {self.url} speaks no AIP that we know: {said}",
                    remedy="Install a matching version.",
                    url=self.url,
                )
            case _:
                return HubUnreachable(
                    f"{self.url} answers with status {status}: {said}", url=self.url
                )


def _address(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ConfigError(
            f"{text!r} is not the address of a hub.",
            remedy="Write it as wss://host:port or ws://host:port.",
        )
    return parts._replace(path=PATH if parts.path in ("", "/") else parts.path).geturl()


class _Dial(websocket_connect):
    """Follows no redirect: the credential would go to whoever it names."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc
