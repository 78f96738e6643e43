"""What a hub needs of its journal and of those it speaks with, whatever is behind it.

`journal.Journal` keeps it in a SQLite file, `constellation.cluster.journal` in a stream of NATS
JetStream. Both pass the same tests (``tests/orchestrator/test_journal_conformance.py``).

A device or client is a session in the same process (`constellation.aip.server.Peer`), or one that a
gateway holds (`constellation.cluster.remote`); ``tests/cluster/test_routing_conformance.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from constellation.aip.identity import Identity
from constellation.errors import ConstellationError, ProtocolError

from .events import Fact

Ended = Mapping[str, Mapping[str, Any] | None]
NOTHING_ENDED: Ended = MappingProxyType({})


class Saved(NamedTuple):
    """What a constellation is replayed from.

    Attributes:
        constellation: its id.
        state: its snapshot; None if it has none.
        seq: number of the last fact that the snapshot includes, or 0.
    """

    constellation: str
    state: dict[str, Any] | None
    seq: int


class JournalReader(Protocol):
    """Looks into a journal. Numbers of facts rise; that they leave no gap is not said."""

    def facts(self, constellation: str | None = None, after: int = 0) -> Iterator[tuple[int, Fact]]:
        """Yield ``(number, fact)`` in order, of one constellation or of all, after a number.

        Raises:
            JournalError: the journal is damaged or cannot be read.
        """
        ...

    def open_constellations(self) -> list[str]:
        """The ids of constellations that had not ended, oldest first."""
        ...

    def saved(self, constellation: str) -> Saved:
        """The snapshot of a constellation, if there is one."""
        ...

    def summaries(self, limit: int, owner: str | None = None) -> list[dict[str, Any]]:
        """What listings show of the latest constellations that have ended, the latest last.

        Args:
            owner: leave out what others submitted.
        """
        ...

    def last(self, constellation: str) -> int:
        """Number of the last fact about a constellation; 0 if there is none."""
        ...

    def known(self, constellation: str) -> bool:
        """True if any fact about this constellation was ever written."""
        ...

    def learned(self) -> dict[str, Any] | None:
        """What `JournalPort.maintain` was given last."""
        ...


class JournalPort(JournalReader, Protocol):
    """A journal that is open for writing, by one writer of each constellation."""

    @property
    def path(self) -> Path | str:
        """Where it is kept, for people."""

    @property
    def sync(self) -> str:
        """How a commit is secured, for people."""

    @property
    def seq(self) -> int:
        """Number of the last fact; of one that was just opened, a number that none passes."""

    @property
    def syncs(self) -> bool:
        """True if a commit is worth waiting for: then `secure` is used, and `commit` blocks."""

    def commit(self, facts: Sequence[Fact], ended: Ended = NOTHING_ENDED) -> int:
        """Write facts, those about one constellation all or none; return the last one's number.

        Args:
            facts: in the order in which they were made.
            ended: of each constellation that ended with them, what listings show of it; None if it
                had ended and goes on.

        Raises:
            JournalError: they cannot be written. The caller must not act on them.
        """
        ...

    async def secure(self, facts: Sequence[Fact], ended: Ended = NOTHING_ENDED) -> int:
        """Like `commit`, without holding up the event loop."""
        ...

    @property
    def wants_maintenance(self) -> bool:
        """True if so much was written that `maintain` is worth its while."""

    def maintain(self, learned: Mapping[str, Any]) -> None:
        """Do what keeps the journal quick, and store what the scheduler has learned.

        It may run in another thread while commits go on.
        """
        ...

    def save_snapshot(self, constellation: str, state: Mapping[str, Any], seq: int) -> None:
        """Store the state of an open constellation after the fact of that number.

        It may run in another thread while commits go on. Snapshots only save time.
        """
        ...

    def reader(self) -> AbstractContextManager[JournalReader]:
        """Another view of the same journal, for another thread."""
        ...

    def close(self) -> None:
        """Let go of it; a second call does nothing."""
        ...


class PeerPort(Protocol):
    """A session with a device or a client, of which messages come to the hub."""

    @property
    def name(self) -> str:
        """As in its hello."""

    @property
    def role(self) -> str:
        """``device`` or ``client``."""

    @property
    def identity(self) -> Identity:
        """Whose credential it showed."""

    @property
    def address(self) -> str:
        """Where it dialled from; empty if that is not known."""

    @property
    def rtt_s(self) -> float:
        """Smoothed round trip, seconds; 0 before it was first measured."""

    @property
    def pending(self) -> int:
        """Bytes of messages that it has not secured yet, and that are kept here."""

    @property
    def is_full(self) -> bool:
        """True if so much is unsecured that nothing more should be sent."""

    def send(self, type: str, body: Mapping[str, Any]) -> int:
        """Queue a message; `ProtocolError` if it is known that it cannot be taken."""
        ...

    def acknowledge(self, seq: int) -> None:
        """What came from it, up to the message of this number, is secured."""

    def complain(self, error: ConstellationError) -> None:
        """Tell it that something it said cannot be; the session goes on."""

    def give_up(self, error: ProtocolError) -> None:
        """End a session that leaves no room for what it asked for."""

    def flush(self) -> None:
        """Send now what waits for the end of the wake-up."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that only the peer can bring about; `SessionLost` if it cannot."""
