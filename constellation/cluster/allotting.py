"""Gets exclusive resources for the constellations of an orchestrator, and gives them back.

The table (`allotment`) is changed by compare-and-set, so who has what is decided in one place. It
is looked at whenever somebody has changed it and one of our wishes waits, and once a second in case
that was missed. Then it is also looked whose constellations have ended without a word, since their
orchestrator was killed in that moment: what they had is free. A constellation whose orchestrator
is gone has an owner by claim until another takes it over, and keeps what it has until then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping

import anyio

from constellation.errors import JournalError, Unanswered

from .allotment import Allotment
from .asking import Asking
from .book import Book
from .tenure import Claimed

log = logging.getLogger("constellation.cluster")

LOOK_S = 1.0
RETRY_S = 0.2


class Allotting:
    """See the module.

    Args:
        book: where the table is.
        me: names this life of this orchestrator.
        owned: constellations that are ours, with our epochs.
        owner_of: asks who owns a constellation; None if it has ended.
        granted: is told of resources that a constellation has now.
    """

    def __init__(
        self,
        book: Book,
        me: str,
        owned: Mapping[str, int],
        owner_of: Callable[[str], Awaitable[Claimed | None]],
        granted: Callable[[str, tuple[str, ...]], None],
    ) -> None:
        self._book = book
        self._asking = Asking(me)
        self._owned = owned
        self._owner_of = owner_of
        self._granted = granted
        self._due = anyio.Event()
        self._at_work = anyio.Lock()

    # ── for the orchestrator ────────────────────────────────────────────────────────────────────

    def want(self, constellation: str, resources: tuple[str, ...]) -> None:
        """Get all of these for a constellation; nothing if it is not ours any more."""
        epoch = self._owned.get(constellation)
        if epoch is not None:
            self._asking.want(constellation, epoch, resources)
            self._due.set()

    def free(self, constellation: str, resources: tuple[str, ...]) -> None:
        """A constellation has let go of these."""
        self._asking.free(constellation, resources)
        self._due.set()

    def forget(self, constellation: str) -> None:
        """A constellation is not ours any more, as it has ended."""
        self._asking.forget(constellation)
        self._due.set()

    async def adopt(self, constellation: str, epoch: int, patience_s: float) -> tuple[str, ...]:
        """Take over what a constellation has, before anything is done with it; return that.

        Raises:
            JournalError: the table cannot be reached for so long.
        """
        until = time.monotonic() + patience_s
        self._asking.adopt(constellation, epoch)
        while True:
            try:
                await self._step()
            except Unanswered as error:
                if time.monotonic() > until:
                    raise JournalError(
                        f"What {constellation} has of exclusive resources is not known: {error}.",
                        remedy="Look after the NATS servers; more than half of them must run.",
                    ) from None
                await anyio.sleep(RETRY_S)
            else:
                return self._asking.had(constellation)

    # ── at work ─────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Keep in step with the table until canceled."""
        await self._book.watch(self._changed)
        look_at = time.monotonic() + LOOK_S
        while True:
            with anyio.move_on_after(LOOK_S if self._asking.waits else None):
                await self._due.wait()
            self._due = anyio.Event()
            looks = self._asking.waits and time.monotonic() >= look_at
            if looks:
                look_at = time.monotonic() + LOOK_S
            try:
                await self._step(looks)
            except Unanswered as error:
                log.warning("Exclusive resources cannot be asked for: %s", error)
                await anyio.sleep(RETRY_S)
                self._due.set()

    def _changed(self) -> None:
        if self._asking.waits:
            self._due.set()

    async def _step(self, looks: bool = False) -> None:
        """Bring the table in line with what we want; then say what came of it.

        Args:
            looks: see as well which constellations there have ended.
        """
        async with self._at_work:
            while True:
                data, revision = await self._book.read()
                table = Allotment.read(data)
                gone = await self._ended(table) if looks else ()
                self._asking.edit(table, self._owned, gone)
                packed = table.pack()
                if packed != data and not await self._book.write(packed, revision):
                    continue
                fulfilled = self._asking.seen(table)
                for constellation, resources in fulfilled:
                    self._granted(constellation, resources)
                # Where a wish was fulfilled, another one may have taken its place.
                if not fulfilled or not self._asking.waits:
                    return

    async def _ended(self, table: Allotment) -> list[str]:
        return [
            each
            for each in sorted(table.constellations - self._owned.keys())
            if await self._owner_of(each) is None
        ]
