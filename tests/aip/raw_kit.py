"""Raw websockets that speak AIP frame by frame, rightly or wrongly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from constellation.aip.codec import CODECS, MSGPACK
from constellation.aip.limits import Limits
from constellation.aip.messages import Message
from constellation.aip.server import Server

TIMEOUT_S = 100
HELLO = {"version": [1], "role": "device", "name": "desk"}


class Raw:
    """A websocket that speaks AIP frame by frame."""

    def __init__(self, socket: ClientConnection, codec: Any) -> None:
        self.socket = socket
        self.codec = codec

    async def say(self, *messages: tuple[str, int, Mapping[str, Any]], ack: int = 0) -> None:
        frame = self.codec.join(ack, [self.codec.encode(*message) for message in messages])
        await self.socket.send(frame)

    async def hear(self) -> tuple[int, list[Message]]:
        with anyio.fail_after(TIMEOUT_S):
            frame = await self.socket.recv()
        ack, messages = self.codec.decode(frame, Limits())
        return ack, messages

    async def hear_of(self, type: str) -> dict[str, Any]:
        """The body of the next message of a type."""
        while True:
            _, messages = await self.hear()
            for message in messages:
                if message.type == type:
                    return message.body

    async def hello(self, **more: Any) -> dict[str, Any]:
        await self.say(("hello", 0, {**HELLO, **more}))
        return await self.hear_of("welcome")

    async def ended(self) -> tuple[int, str]:
        """Read to the end: the close code and its reason."""
        try:
            with anyio.fail_after(TIMEOUT_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return self.socket.close_code or 0, self.socket.close_reason or ""


@asynccontextmanager
async def raw(
    server: Server, token: str | None = None, subprotocol: str = MSGPACK.subprotocol, **more: Any
) -> AsyncIterator[Raw]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    headers |= more.pop("headers", {})
    async with dial(
        more.pop("url", server.url),
        additional_headers=headers,
        subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
        compression=None,
        proxy=None,
        close_timeout=1,
        max_size=None,
        **more,
    ) as socket:
        yield Raw(socket, CODECS.get(subprotocol))
