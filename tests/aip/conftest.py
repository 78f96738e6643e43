from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from constellation.aip.auth import CredentialStore, PairingDesk, StoreAuthenticator
from constellation.aip.messages import Hello, Message
from constellation.aip.server import Peer, Server, serve

TIMEOUT_S = 100


class Changes:
    """Lets a test wait for something that it can check."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def happened(self) -> None:
        self._event.set()
        self._event = anyio.Event()

    async def until(self, condition: Callable[[], Any]) -> None:
        with anyio.fail_after(TIMEOUT_S):
            while not condition():
                await self._event.wait()


class App(Changes):
    """An application that writes down what it is told; it secures messages at once.

    Attributes:
        told: ``(what, name, detail)`` in order.
        peers: sessions by name, the newest of each.
        messages: what each name sent.
        secures: False leaves messages unacknowledged.
        on_message: answers, if set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, str, Any]] = []
        self.peers: dict[str, Peer] = {}
        self.hellos: list[Hello] = []
        self.messages: dict[str, list[Message]] = {}
        self.secures = True
        self.on_message: Callable[[Peer, Message], None] | None = None

    def opened(self, peer: Peer, hello: Hello, resumed: bool) -> None:
        self.told.append(("opened", peer.name, resumed))
        self.peers[peer.name] = peer
        self.hellos.append(hello)
        self.happened()

    def received(self, peer: Peer, messages: Sequence[Message]) -> None:
        self.messages.setdefault(peer.name, []).extend(messages)
        if self.on_message is not None:
            for message in messages:
                self.on_message(peer, message)
        if self.secures:
            peer.acknowledge(messages[-1].seq)
        self.happened()

    def detached(self, peer: Peer, reason: str) -> None:
        self.told.append(("detached", peer.name, reason))
        self.happened()

    def closed(self, peer: Peer, reason: str) -> None:
        self.told.append(("closed", peer.name, reason))
        self.happened()

    def names(self, what: str) -> list[str]:
        """Whom it was told that of."""
        return [name for kind, name, _ in self.told if kind == what]

    def bodies(self, name: str) -> list[dict[str, Any]]:
        return [message.body for message in self.messages.get(name, [])]


class Hub:
    """An application behind a server on loopback, with credentials to give away."""

    def __init__(self, path: Path) -> None:
        self.app = App()
        self.credentials = CredentialStore(path)
        self.pairing = PairingDesk()
        self.authenticator = StoreAuthenticator(self.credentials, self.pairing)

    def token(self, name: str, kind: Any = "device") -> str:
        return self.credentials.issue(name, kind, 0.0)[1]

    @asynccontextmanager
    async def serving(self, port: int = 0, **settings: Any) -> AsyncIterator[Server]:
        async with serve(self.app, self.authenticator, "127.0.0.1", port, **settings) as server:
            yield server


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "credentials.json")
