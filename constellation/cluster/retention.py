"""Forgets constellations that ended long ago, so that NATS does not grow for ever."""

from __future__ import annotations

import logging
import time

import anyio
from anyio import to_thread

from constellation.errors import JournalError, Unanswered

from .claims import Claims
from .journal import JetStreamJournal

log = logging.getLogger("constellation.cluster")

LOOK_S = 60.0
AT_ONCE = 200


class Retention:
    """Every orchestrator does it, and claims what it forgets: nobody can go on with it meanwhile.

    Args:
        journal: whose constellations they are.
        claims: who owns what.
        keep_s: how long what has ended is kept.

    Attributes:
        at_work: what is being forgotten: its claim is ours, and yet nobody speaks for it.
    """

    def __init__(self, journal: JetStreamJournal, claims: Claims, keep_s: float) -> None:
        self.at_work: set[str] = set()
        self._journal = journal
        self._claims = claims
        self._keep_s = keep_s

    async def run(self) -> None:
        """Look once a minute, until canceled."""
        while True:
            try:
                while await self.step(time.time()) == AT_ONCE:
                    pass
            except (JournalError, Unanswered) as error:
                log.warning("What ended long ago is kept for now: %s", error)
            await anyio.sleep(LOOK_S)

    async def step(self, now: float) -> int:
        """Forget some; return how many were forgotten.

        Args:
            now: Unix seconds.
        """
        journal = self._journal
        due = await to_thread.run_sync(journal.ended_before, now - self._keep_s, AT_ONCE)
        return sum([await self._forget(each) for each in due])

    async def _forget(self, constellation: str) -> bool:
        self.at_work.add(constellation)
        try:
            epoch = await self._claims.make(constellation, anew=True)
            if epoch is None:
                # It goes on, or another orchestrator is at it.
                return False
            try:
                return await to_thread.run_sync(self._journal.purge, constellation)
            finally:
                await self._claims.release(constellation, epoch)
        finally:
            self.at_work.discard(constellation)
