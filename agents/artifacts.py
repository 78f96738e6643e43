"""Artifacts on their way between a device's files and the fabric."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import BinaryIO, TypeVar

from constellation.aip.client import Link
from constellation.errors import SessionLost

T = TypeVar("T")


class Artifacts:
    """Moves bytes by content hash over the device's connection, and again if a session is lost.

    Attributes:
        link: the connection; set before it is open.
    """

    def __init__(self) -> None:
        self.link: Link | None = None

    async def put(self, file: BinaryIO, name: str) -> tuple[str, int]:
        """Hand in the whole of a file; return its SHA-256 in hexadecimal and its size in bytes.

        Raises:
            PermissionDenied, LimitExceeded: the hub does not take it.
        """
        return await self._until_done(lambda link: link.artifacts.put(file, name))

    async def get(self, digest: str, file: BinaryIO) -> int:
        """Write an artifact to a file; return its size in bytes.

        Raises:
            UnknownArtifactError: the hub does not have it.
            RemoteProtocolError: what came is not what its hash says.
        """

        def begin(link: Link) -> Awaitable[int]:
            file.seek(0)
            file.truncate()
            return link.artifacts.get(digest, file)

        return await self._until_done(begin)

    async def _until_done(self, transfer: Callable[[Link], Awaitable[T]]) -> T:
        """Make a transfer; whoever waits for it bounds the time."""
        if self.link is None:
            raise SessionLost("There is no connection to the hub yet.")
        while True:
            await self.link.ready()
            try:
                return await transfer(self.link)
            except SessionLost:
                continue
