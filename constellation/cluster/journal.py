"""The journal of an orchestrator in JetStream; `orchestrator.ports` says what a journal does.

Its connection lives in a thread of its own, so that a thread that replays or a caller that blocks
is served while the orchestrator's event loop goes on, and the other way round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, aclosing, nullcontext, suppress
from typing import Any, TypeVar

import msgpack
from anyio.from_thread import start_blocking_portal
from nats.js.errors import NotFoundError

from constellation.orchestrator.events import Fact
from constellation.orchestrator.ports import NOTHING_ENDED, Ended, Saved

from .bus import connected, prepare, shown
from .endings import Endings
from .log import FACTS, Log
from .names import Names

T = TypeVar("T")

LEARNED = "learned"
# Facts that are handed over from its thread at once.
PAGE_FACTS = 2_000
MOST_KNOWN = 10_000


class JetStreamJournal:
    """A journal in a stream, of which this process writes the constellations that it owns.

    Args:
        servers: addresses of NATS, such as ``nats://127.0.0.1:4222``.
        names: of the streams.
        writer: tells this writer's messages from those of others.
        replicas: on how many nodes everything is kept.
        patience_s: how long a commit is tried while no node acknowledges it; elections take up to
            ten seconds.

    Attributes:
        seq: number of the last fact that was written here; at first, of the last that is there.
        epochs: by constellation that is ours; what is sent about it carries it.
        on_ended: called in the event loop with what ended by a commit that was secured.

    Raises:
        HubUnreachable: no NATS server answers.
        ConfigError: they cannot keep what is needed.
    """

    def __init__(
        self,
        servers: Sequence[str],
        names: Names,
        *,
        writer: str,
        replicas: int = 1,
        patience_s: float = 20.0,
    ) -> None:
        self.path = f"{names.journal} at {shown(servers)}"
        self.sync = f"jetstream, {replicas} replicas"
        self.epochs: dict[str, int] = {}
        self.on_ended: Callable[[Ended], None] = lambda ended: None
        self._known: set[str] = set()
        self._names = names
        self._stack = ExitStack()
        try:
            self._portal = self._stack.enter_context(start_blocking_portal())
            self._log = self._portal.call(self._open, servers, writer, replicas, patience_s)
            self.seq = self._call(self._log.end_of_stream)
        except BaseException:
            self.close()
            raise

    async def _open(
        self, servers: Sequence[str], writer: str, replicas: int, patience_s: float
    ) -> Log:
        self._inner = AsyncExitStack()
        nats = await self._inner.enter_async_context(connected(servers, f"journal of {writer}"))
        await prepare(nats.jetstream(), self._names, replicas)
        self._snapshots = await nats.jetstream().object_store(self._names.snapshots)
        self._endings = Endings(nats, self._names, patience_s)
        return Log(nats, self._names, writer, patience_s)

    def _call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        return self._portal.call(function, *arguments)

    # ── writing ─────────────────────────────────────────────────────────────────────────────────

    @property
    def syncs(self) -> bool:
        """Always: a commit waits for an answer of NATS."""
        return True

    def commit(self, facts: Sequence[Fact], ended: Ended = NOTHING_ENDED) -> int:
        """Write facts, those about one constellation all or none; return the last one's number.

        Raises:
            Deposed: some of them are about a constellation that is not ours any more. Facts about
                others may have been written.
            JournalError: no node acknowledges them.
        """
        self.seq = max(self.seq, self._call(self._commit, facts, ended))
        return self.seq

    async def secure(self, facts: Sequence[Fact], ended: Ended = NOTHING_ENDED) -> int:
        """Like `commit`, without holding up the event loop."""
        writing = self._portal.start_task_soon(self._commit, facts, ended)
        self.seq = max(self.seq, await asyncio.wrap_future(writing))
        if ended:
            self.on_ended(ended)
        return self.seq

    async def _commit(self, facts: Sequence[Fact], ended: Ended) -> int:
        by_constellation: dict[str, list[Fact]] = {}
        for fact in facts:
            by_constellation.setdefault(fact.constellation, []).append(fact)
        appended = await asyncio.gather(
            *(
                self._log.append(name, self.epochs.get(name, 0), group)
                for name, group in by_constellation.items()
            ),
            return_exceptions=True,
        )
        for each in appended:
            if isinstance(each, BaseException):
                raise each
        for name, summary in ended.items():
            await self._endings.end(name, summary)
        return max(each for each in appended if isinstance(each, int))

    def take(self, constellation: str, epoch: int) -> None:
        """Become the writer of a constellation: what earlier owners write is refused from now on.

        Raises:
            Deposed: an owner of a later epoch has done so already.
            JournalError: no node answers.
        """
        self._call(self._log.take, constellation, epoch)
        self.epochs[constellation] = epoch

    def begin(self, constellation: str, epoch: int) -> None:
        """Be the writer of a constellation of which nothing was written yet."""
        self.epochs[constellation] = epoch

    def drop(self, constellation: str) -> None:
        """Be its writer no more."""
        self.epochs.pop(constellation, None)
        self._log.last.pop(constellation, None)

    def end(self, constellation: str, summary: Mapping[str, Any]) -> None:
        """Keep what listings show of a constellation that has ended by an earlier commit."""
        self._call(self._endings.end, constellation, summary)

    @property
    def wants_maintenance(self) -> bool:
        """NATS looks after itself."""
        return False

    def maintain(self, learned: Mapping[str, Any]) -> None:
        """Store what the scheduler has learned."""
        self._call(self._put, LEARNED, learned)

    def save_snapshot(self, constellation: str, state: Mapping[str, Any], seq: int) -> None:
        """Store the state of an open constellation after the fact of that number."""
        self._call(self._put, f"run/{constellation}", {"seq": seq, "state": state})

    async def _put(self, name: str, value: Mapping[str, Any]) -> None:
        packed = msgpack.packb(value, use_bin_type=True)
        await self._log.insist("written", lambda: self._snapshots.put(name, packed))

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def reader(self) -> nullcontext[JetStreamJournal]:
        """The same: it may be read in any thread."""
        return nullcontext(self)

    def facts(self, constellation: str | None = None, after: int = 0) -> Iterator[tuple[int, Fact]]:
        """Yield ``(number, fact)`` in order, of one constellation or of all, after a number."""
        pattern = constellation or "*"
        while True:
            # The message that holds a number may hold others after it.
            page, is_last = self._call(self._page, pattern, after)
            yield from page
            if is_last:
                return
            after = page[-1][0]

    async def _page(self, pattern: str, after: int) -> tuple[list[tuple[int, Fact]], bool]:
        page: list[tuple[int, Fact]] = []
        entries = self._log.entries(pattern, max(0, after // FACTS - 1))
        async with aclosing(entries):
            async for entry in entries:
                if len(page) >= PAGE_FACTS:
                    return page, False
                page += [each for each in entry.numbered() if each[0] > after]
        return page, True

    def open_constellations(self) -> list[str]:
        """The ids of constellations that had not ended, oldest first, whoever owns them."""
        return self._call(self._log.open_constellations)

    def saved(self, constellation: str) -> Saved:
        """The snapshot of a constellation, if there is one."""
        found = self._call(self._get, f"run/{constellation}")
        if found is None:
            return Saved(constellation, None, 0)
        return Saved(constellation, found["state"], found["seq"])

    def learned(self) -> dict[str, Any] | None:
        """What `maintain` was given last, by whichever orchestrator."""
        return self._call(self._get, LEARNED)

    async def _get(self, name: str) -> dict[str, Any] | None:
        try:
            found = await self._log.insist("read", lambda: self._snapshots.get(name))
        except NotFoundError:
            return None
        value: dict[str, Any] = msgpack.unpackb(found.data or b"", strict_map_key=False)
        return value

    def summaries(self, limit: int, owner: str | None = None) -> list[dict[str, Any]]:
        """What listings show of the latest constellations that have ended, the latest last."""
        return self._call(self._endings.summaries, limit, owner)

    def ended_before(self, time: float, most: int) -> list[str]:
        """Constellations that ended before a time, so many at most, the longest gone first."""
        return self._call(self._endings.ended_before, time, most)

    def purge(self, constellation: str) -> bool:
        """Forget a constellation that has ended and is claimed; False if it goes on, and stays."""
        purged = self._call(self._endings.purge, constellation)
        if purged:
            self._known.discard(constellation)
            self._log.last.pop(constellation, None)
            self._call(self._drop_snapshot, constellation)
        return purged

    async def _drop_snapshot(self, constellation: str) -> None:
        with suppress(NotFoundError):
            await self._log.insist(
                "written", lambda: self._snapshots.delete(f"run/{constellation}")
            )

    def last(self, constellation: str) -> int:
        """Number of the last fact about a constellation; 0 if there is none."""
        return self._call(self._log.last_number, constellation)

    def known(self, constellation: str) -> bool:
        """True if any fact about this constellation was ever written."""
        if constellation in self.epochs:
            return constellation in self._log.last
        return constellation in self._known or self.note_known(constellation)

    def note_known(self, constellation: str) -> bool:
        """The same, asked of NATS, and remembered: `known` need not block then."""
        found = self._call(self._log.is_known, constellation)
        if found:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known.add(constellation)
        return found

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Let go of the connection; a second call does nothing."""
        if hasattr(self, "_inner"):
            inner, self._inner = self._inner, AsyncExitStack()
            self._portal.call(inner.aclose)
        self._stack.close()
