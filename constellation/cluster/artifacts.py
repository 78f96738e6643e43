"""Artifacts that all gateways share: in JetStream's object store, with a copy where they are used.

An artifact that was put is confirmed once the object store has it. One that is asked for and not
here is fetched from there. The folder is bounded as that of a hub is; the object store keeps all.
"""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

from anyio import to_thread
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from nats.js.object_store import ObjectStore

from constellation.errors import ConstellationError, RemoteProtocolError
from constellation.orchestrator.artifacts import ArtifactStore, ArtifactWriter, is_hash


class SharedArtifacts:
    """See `constellation.aip.transfers.Store`.

    Args:
        here: the gateway's own folder.
        objects: what all gateways share.
    """

    def __init__(self, here: ArtifactStore, objects: ObjectStore) -> None:
        self._here = here
        self._objects = objects

    def __contains__(self, digest: str) -> bool:
        return digest in self._here

    def has(self, digest: str) -> bool:
        """True if it need not be sent to be put."""
        return digest in self._here

    def path(self, digest: str) -> Path:
        """Where one lies; `UnknownArtifactError` if it is not here."""
        return self._here.path(digest)

    def receive(self, digest: str, size: int) -> _SharedWriter:
        """Begin to take one in; `ConstellationError` if it cannot be taken."""
        return _SharedWriter(self, digest, self._here.receive(digest, size))

    async def fetch(self, digest: str) -> None:
        """Bring one here that another gateway took in; nothing if there is none.

        Raises:
            ConstellationError: it is there and cannot be fetched.
        """
        if not is_hash(digest):
            return
        try:
            info = await self._objects.get_info(digest)
            writer = self._here.receive(digest, int(info.size or 0))
            try:
                await self._objects.get(digest, writeinto=writer)  # type: ignore[arg-type]
            except BaseException:
                writer.abort()
                raise
        except NotFoundError:
            return
        except (TimeoutError, NatsError) as error:
            raise RemoteProtocolError(f"The artifact cannot be fetched: {error}.") from None
        await to_thread.run_sync(writer.finish)

    async def share(self, digest: str) -> None:
        """Give one that is here to the others.

        Raises:
            ConstellationError: it cannot be stored.
        """
        try:
            try:
                await self._objects.get_info(digest)
            except NotFoundError:
                with self._here.path(digest).open("rb") as file:
                    await self._objects.put(digest, file)
        except (TimeoutError, NatsError) as error:
            raise ConstellationError(
                f"The artifact cannot be shared: {error}.", remedy="Put it again."
            ) from None


class _SharedWriter:
    def __init__(self, store: SharedArtifacts, digest: str, writer: ArtifactWriter) -> None:
        self._store = store
        self._digest = digest
        self._writer = writer
        self.write = writer.write
        self.abort = writer.abort

    def finish(self) -> Awaitable[None]:
        """Put it in its place; what is returned is over once others have it too."""
        self._writer.finish()
        return self._store.share(self._digest)
