"""What keeps a hub quick to start and small in memory, beside the path of the tasks.

Constellations that have ended leave memory. Those of which a start would replay many facts get
snapshots, and the journal's log is folded in: both in another thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from anyio import to_thread

from .archive import save_snapshot
from .events import Fact
from .ports import JournalPort
from .scheduler import Scheduler

# A start replays at most this many facts, or this many for each task of the open constellations.
REPLAYED_FACTS = 20_000
REPLAYED_FACTS_PER_TASK = 4


class Housekeeping:
    """Counts what a start would replay, and sees to it that it does not become too much.

    Args:
        scheduler: whose constellations they are.
        journal: where their facts and snapshots are.
    """

    def __init__(self, scheduler: Scheduler, journal: JournalPort) -> None:
        self._scheduler = scheduler
        self._journal = journal
        # Facts behind the last snapshot, by open constellation, and their sum.
        self._unsaved: Counter[str] = Counter()
        self._unsaved_sum = 0
        self._limit = REPLAYED_FACTS
        self._at_work = False

    def replayed(self, constellation: str, facts: int) -> None:
        """This start replayed so many facts, as the next one would."""
        self._unsaved[constellation] += facts
        self._unsaved_sum += facts

    def count(self, facts: Sequence[Fact], ended: Mapping[str, bool]) -> None:
        """Take note of what was just committed.

        Args:
            ended: constellations that ended with it (True), which leave memory, or went on (False).
        """
        unsaved = self._unsaved
        for fact in facts:
            unsaved[fact.constellation] += 1
        self._unsaved_sum += len(facts)
        for constellation, over in ended.items():
            if over:
                self._unsaved_sum -= unsaved.pop(constellation)
                self._scheduler.forget(constellation)

    @property
    def due(self) -> bool:
        """True if `run` has something to do and is not at it."""
        if self._at_work:
            return False
        return self._unsaved_sum > self._limit or self._journal.wants_maintenance

    async def run(self) -> None:
        """Fold the log in, and make the snapshots that are worth it; nothing unless it is `due`.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        if not self.due:
            return
        self._at_work = True
        try:
            learned = self._scheduler.snapshot_learned()
            await to_thread.run_sync(self._journal.maintain, learned)
            for constellation in self._worth_a_snapshot():
                await self._save_snapshot(constellation)
        finally:
            self._at_work = False

    def _worth_a_snapshot(self) -> list[str]:
        runs = self._scheduler.runs
        allowed = {
            name: REPLAYED_FACTS_PER_TASK * len(run.constellation.nodes)
            for name, run in runs.items()
        }
        self._limit = max(REPLAYED_FACTS, sum(allowed.values()))
        if self._unsaved_sum <= self._limit:
            return []
        # If there are too many in all, then at least one constellation has too many for itself.
        return [name for name, facts in self._unsaved.items() if facts > allowed[name]]

    async def _save_snapshot(self, constellation: str) -> None:
        included = self._unsaved[constellation]
        await to_thread.run_sync(save_snapshot, self._journal, constellation)
        if constellation in self._unsaved:
            self._unsaved[constellation] -= included
            self._unsaved_sum -= included
