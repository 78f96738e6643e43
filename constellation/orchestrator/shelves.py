"""What one credential may put and get of a hub's artifacts.

Devices, and clients that see all constellations, get whatever they name by its hash. A client that
sees its own constellations alone gets what it has put, and what a result of a constellation of its
own names, unless the hash stands in what that constellation was asked to do: else whoever knows a
hash could have it told back. What it may not get is, for it, not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from anyio import to_thread

from constellation.errors import UnknownArtifactError

from .artifacts import ArtifactStore, ArtifactWriter
from .events import Fact
from .ports import JournalPort

# So many of its constellations that have ended are looked through, the latest.
LOOKED_AT = 200
# The facts that hold what somebody asked for, and what came of it.
_ASKED = frozenset({"created", "edited"})
_CAME = "finished"


class Shelf:
    """The artifacts as one credential has them; see `constellation.aip.transfers.Store`.

    Args:
        store: all of them.
        name: of the credential.
        is_bounded: says whether it sees its own constellations alone; asked at each use.
        named: says whether a result of a constellation of its own names an artifact; it reads the
            journal, and is called in a thread.
    """

    def __init__(
        self,
        store: ArtifactStore,
        name: str,
        is_bounded: Callable[[], bool],
        named: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._name = name
        self._is_bounded = is_bounded
        self._named = named
        self._found: set[str] = set()

    def __contains__(self, digest: str) -> bool:
        return digest in self._store and self._may_get(digest)

    def _may_get(self, digest: str) -> bool:
        if not self._is_bounded():
            return True
        return digest in self._found or self._store.holders.has(digest, self._name)

    def path(self, digest: str) -> Path:
        """Where one lies.

        Raises:
            UnknownArtifactError: it is not here, or not for this credential.
        """
        if not self._may_get(digest):
            raise UnknownArtifactError(f"There is no artifact {digest[:80]!r}.", hash=digest[:80])
        return self._store.path(digest)

    def has(self, digest: str) -> bool:
        """True if it need not be sent to be put; then it counts as put.

        A client that may not get it must send it, and so show that it has it.
        """
        if digest not in self:
            return False
        self._store.hold(digest, self._name)
        return True

    def receive(self, digest: str, size: int) -> ArtifactWriter:
        """Begin to take one in, which counts as this credential's; see `ArtifactStore.receive`."""
        return self._store.receive(digest, size, self._name)

    async def fetch(self, digest: str) -> None:
        """See whether one that is here is for this credential after all.

        Raises:
            JournalError: the journal cannot be read.
        """
        if digest in self._store and await to_thread.run_sync(self._named, digest):
            self._found.add(digest)


def named_by_results(
    journal: JournalPort, open_now: Iterable[str], owner: str, digest: str
) -> bool:
    """True if a result of somebody's constellation names an artifact that was not asked for there.

    Args:
        open_now: their constellations that have not ended.

    Raises:
        JournalError: the journal is damaged or cannot be read.
    """
    with journal.reader() as reader:
        ended = [row["id"] for row in reader.summaries(LOOKED_AT, owner)]
        return any(
            _gives((fact for _, fact in reader.facts(each)), digest)
            for each in (*open_now, *reversed(ended))
        )


def _gives(facts: Iterable[Fact], digest: str) -> bool:
    evidence = Evidence(digest)
    for fact in facts:
        evidence.take(fact)
        if evidence.was_asked:
            break
    return evidence.gives


class Evidence:
    """What the facts of one constellation say of an artifact.

    Attributes:
        was_asked: its hash stands in what the constellation was asked to do: no more need be read.
    """

    def __init__(self, digest: str) -> None:
        self.was_asked = False
        self._digest = digest
        self._came = False

    def take(self, fact: Fact) -> None:
        """Take in the next fact."""
        if fact.kind in _ASKED:
            self.was_asked = self.was_asked or mentions(fact.body, self._digest)
        elif fact.kind == _CAME:
            self._came = self._came or mentions(fact.body, self._digest)

    @property
    def gives(self) -> bool:
        """True if a result names it, and nobody had asked with it."""
        return self._came and not self.was_asked


def mentions(value: Any, digest: str) -> bool:
    """True if a text in plain data holds a hash."""
    if isinstance(value, str):
        return digest in value
    if isinstance(value, Mapping):
        return any(mentions(each, digest) for each in (*value.keys(), *value.values()))
    return isinstance(value, list | tuple) and any(mentions(each, digest) for each in value)
