"""Artifacts that all gateways share: in JetStream's object store, with a copy where they are used.

An artifact that was put is confirmed once the object store has it and it is counted. One that is
asked for and not here is fetched from there. The folder is bounded as that of a hub is, the object
store by what each credential may fill (`holdings`).
"""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress

from anyio import to_thread
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from nats.js.object_store import ObjectStore

from constellation.errors import ConstellationError, RemoteProtocolError
from constellation.orchestrator.artifacts import ArtifactStore, is_hash

from .holdings import Holdings, Kept
from .names import Names


class SharedArtifacts:
    """What `shelves` gives out to each who connects.

    Args:
        here: the gateway's own folder.
        jetstream: the connection.
        objects: what all gateways share.
        holdings: what is kept there, and for whom.
    """

    def __init__(
        self,
        here: ArtifactStore,
        jetstream: JetStreamContext,
        objects: ObjectStore,
        holdings: Holdings,
    ) -> None:
        self.here = here
        self._jetstream = jetstream
        self._objects = objects
        self._holdings = holdings

    @classmethod
    async def open(
        cls, jetstream: JetStreamContext, names: Names, here: ArtifactStore
    ) -> SharedArtifacts:
        """Find them on NATS; ``here`` says how much one credential may fill."""
        bucket = await jetstream.key_value(names.holdings)
        objects = await jetstream.object_store(names.artifacts)
        return cls(here, jetstream, objects, Holdings(bucket, here.max_bytes_each))

    async def is_held(self, digest: str, holder: str) -> bool:
        """True if somebody has put an artifact, and not so long ago that it was lost to others.

        Raises:
            ConstellationError: no node answers.
        """
        try:
            kept = await self._holdings.find(digest)
        except (TimeoutError, NatsError) as error:
            raise RemoteProtocolError(f"The artifact cannot be looked for: {error}.") from None
        return kept is not None and holder in kept.holders

    async def fetch(self, digest: str) -> None:
        """Bring one here that another gateway took in; nothing if there is none.

        Raises:
            ConstellationError: it is there and cannot be fetched.
        """
        if not is_hash(digest):
            return
        try:
            kept = await self._holdings.find(digest)
            if kept is None:
                return
            writer = self.here.receive(digest, kept.size)
            try:
                await self._objects.get(kept.object, writeinto=writer)  # type: ignore[arg-type]
            except BaseException:
                writer.abort()
                raise
        except NotFoundError:
            return  # it was removed in this moment
        except (TimeoutError, NatsError) as error:
            raise RemoteProtocolError(f"The artifact cannot be fetched: {error}.") from None
        await to_thread.run_sync(writer.finish)

    async def share(self, digest: str, holder: str) -> None:
        """Give one that is here to the others, as put by somebody.

        Raises:
            ConstellationError: it cannot be stored.
        """
        token = secrets.token_hex(8)
        path = self.here.path(digest)
        size = path.stat().st_size
        try:
            while not await self._holdings.hold(digest, holder, token):
                name = f"{digest}.{secrets.token_hex(8)}"
                with path.open("rb") as file:
                    await self._objects.put(name, file)
                if await self._holdings.begin(digest, Kept(name, size, {holder: token})):
                    break
                await self._remove(name)  # another gateway was quicker
            await self._holdings.charge(digest, size, holder, token, self._remove)
        except (TimeoutError, NatsError, OSError) as error:
            raise ConstellationError(
                f"The artifact cannot be shared: {error}.", remedy="Put it again."
            ) from None

    async def _remove(self, name: str) -> None:
        with suppress(NotFoundError):
            await self._objects.delete(name)
        # The name does not come again: nor need be kept that it is gone.
        store = self._objects._name
        encoded = base64.urlsafe_b64encode(name.encode()).decode()
        await self._jetstream.purge_stream(f"OBJ_{store}", subject=f"$O.{store}.M.{encoded}")
