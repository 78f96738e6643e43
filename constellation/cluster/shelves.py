"""What one credential may put and get of a cluster's artifacts, as `orchestrator.shelves` says.

What is known here of holders is known to all gateways, so it is asked for and not looked up: an
artifact is sent whenever it is put, and one that is got is looked for before it is given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

from constellation.aip.identity import Identity
from constellation.errors import UnknownArtifactError
from constellation.orchestrator.artifacts import ArtifactWriter, is_hash
from constellation.orchestrator.shelves import LOOKED_AT, Evidence

from .artifacts import SharedArtifacts
from .endings import Endings
from .log import Log


class SharedShelf:
    """The artifacts as one credential has them; see `constellation.aip.transfers.Store`.

    Args:
        artifacts: all of them.
        name: of the credential.
        is_bounded: says whether it sees its own constellations alone; asked at each use.
        named: says whether a result of a constellation of its own names an artifact.
    """

    def __init__(
        self,
        artifacts: SharedArtifacts,
        name: str,
        is_bounded: Callable[[], bool],
        named: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._artifacts = artifacts
        self._name = name
        self._is_bounded = is_bounded
        self._named = named
        self._found: set[str] = set()

    def __contains__(self, digest: str) -> bool:
        return digest in self._artifacts.here and self._may_get(digest)

    def _may_get(self, digest: str) -> bool:
        return digest in self._found or not self._is_bounded()

    def has(self, digest: str) -> bool:
        """False: whether it still counts as this credential's, only NATS could say."""
        return False

    def path(self, digest: str) -> Path:
        """Where one lies.

        Raises:
            UnknownArtifactError: it is not here, or not for this credential.
        """
        if not self._may_get(digest):
            raise UnknownArtifactError(f"There is no artifact {digest[:80]!r}.", hash=digest[:80])
        return self._artifacts.here.path(digest)

    def receive(self, digest: str, size: int) -> _SharedWriter:
        """Begin to take one in, which counts as this credential's.

        Raises:
            LimitExceeded, RemoteProtocolError: see `ArtifactStore.receive`.
        """
        writer = self._artifacts.here.receive(digest, size, self._name)
        return _SharedWriter(self._artifacts, digest, self._name, writer)

    async def fetch(self, digest: str) -> None:
        """Bring one here if it is for this credential.

        Raises:
            ConstellationError: it cannot be fetched, or not be said for whom it is.
        """
        if not is_hash(digest):
            return
        if self._is_bounded():
            held = await self._artifacts.is_held(digest, self._name)
            if not held and not await self._named(digest):
                return
        if digest not in self._artifacts.here:
            await self._artifacts.fetch(digest)
        self._found.add(digest)


class _SharedWriter:
    def __init__(
        self, artifacts: SharedArtifacts, digest: str, holder: str, writer: ArtifactWriter
    ) -> None:
        self._artifacts = artifacts
        self._digest = digest
        self._holder = holder
        self._writer = writer
        self.write = writer.write
        self.abort = writer.abort

    def finish(self) -> Awaitable[None]:
        """Put it in its place; what is returned is over once others have it too."""
        self._writer.finish()
        return self._artifacts.share(self._digest, self._holder)


class Naming:
    """Says whether results name artifacts; reads the log for it.

    Args:
        facts: the log.
        endings: what has ended.
        open_of: asks for the constellations of somebody that have not ended.
    """

    def __init__(
        self,
        facts: Log,
        endings: Endings,
        open_of: Callable[[Identity], Awaitable[list[str]]],
    ) -> None:
        self._facts = facts
        self._endings = endings
        self._open_of = open_of

    async def named(self, identity: Identity, digest: str) -> bool:
        """True if a result of somebody's constellation names what was not asked for there.

        Raises:
            JournalError: the log cannot be read.
            HubUnreachable: no orchestrator says what is open.
        """
        open_now = await self._open_of(identity)
        ended = [row["id"] for row in await self._endings.summaries(LOOKED_AT, identity.name)]
        for each in (*open_now, *reversed(ended)):
            if await self._gives(each, digest):
                return True
        return False

    async def _gives(self, constellation: str, digest: str) -> bool:
        evidence = Evidence(digest)
        async with aclosing(self._facts.entries(constellation)) as entries:
            async for entry in entries:
                for _, fact in entry.numbered():
                    evidence.take(fact)
                if evidence.was_asked:
                    break
        return evidence.gives
