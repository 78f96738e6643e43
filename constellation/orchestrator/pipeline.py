"""The one path of everything that happens in a hub.

Events go into the scheduler machine; its instructions gather until the wake-up ends; then their
facts are written to the journal in one commit, and only after it the rest is acted on. With
``synchronous=FULL`` the commit waits for the disk in a thread, and wake-ups gather meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from anyio import to_thread
from anyio.abc import TaskGroup

from constellation.errors import JournalError

from .events import Event, Fact, Instruction, Tick
from .journal import Journal
from .run import Run
from .scheduler import Scheduler
from .views import summary

SNAPSHOT_FACTS = 20_000


class Pipeline:
    """Scheduler, journal and clock, joined.

    Args:
        scheduler: the machine.
        journal: where facts go before anything is acted on.
        act: does one instruction that is not a `Fact`.
        publish: told of facts just committed, with the number of the last.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        journal: Journal,
        *,
        act: Callable[[Instruction], None],
        publish: Callable[[list[Fact], int], None],
    ) -> None:
        self.scheduler = scheduler
        self.journal = journal
        self._act_on = act
        self._publish = publish
        self._instructions: list[Instruction] = []
        self._afterwards: list[Callable[[], object]] = []
        self._wanted = asyncio.Event()
        self._failed: asyncio.Future[None] | None = None
        self._tasks: TaskGroup | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._epoch = time.time() - time.monotonic()
        self._changed: dict[str, None] = {}
        self._facts_since_snapshot = 0

    def now(self) -> float:
        """Seconds: monotonic while the hub lives, near Unix time across restarts."""
        return self._epoch + time.monotonic()

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def recover(self) -> int:
        """Rebuild the scheduler from the journal; return how many facts were replayed.

        Raises:
            JournalError: the journal is damaged.
        """
        learned = self.journal.learned()
        if learned is not None:
            self.scheduler.restore_learned(learned)
        for state in self.journal.open_snapshots():
            self.scheduler.restore_run(state)
        for _, fact in self.journal.tail():
            self.scheduler.restore(fact)
            self._changed[fact.constellation] = None
            self._facts_since_snapshot += 1
        for name in [name for name, run in self.scheduler.runs.items() if run.ended_at is not None]:
            self._archive(name)
        self._instructions += self.scheduler.recover(self.now())
        return self._facts_since_snapshot

    async def run(self, tasks: TaskGroup) -> None:
        """Serve until the journal fails or the task is canceled.

        Raises:
            JournalError: the journal cannot be written; nothing was acted on that it lacks.
        """
        self._tasks = tasks
        self._failed = asyncio.get_running_loop().create_future()
        if self.journal.syncs:
            tasks.start_soon(self._commit_in_thread)
        self.flush()
        await self._failed

    def close(self) -> None:
        """Write snapshots, so that the next start is quick, and close the journal."""
        if self._timer is not None:
            self._timer.cancel()
        self._save_snapshots()
        self.journal.close()

    # ── events in, instructions out ─────────────────────────────────────────────────────────────

    def feed(self, event: Event) -> None:
        """Give one event to the scheduler; `flush` ends the wake-up and lets its effects out.

        Raises:
            ConstellationError: the event was refused; nothing changed.
        """
        self._instructions += self.scheduler.handle(event, self.now())

    def afterwards(self, callback: Callable[[], object]) -> None:
        """Call back once everything fed so far is in the journal and acted on."""
        self._afterwards.append(callback)

    def flush(self) -> None:
        """End a wake-up: commit what is to be remembered, then act."""
        if self.journal.syncs:
            self._wanted.set()
            return
        while self._instructions or self._afterwards:
            instructions, afterwards, facts = self._take()
            try:
                if facts:
                    self.journal.commit(facts)
            except JournalError as error:
                self._fail(error)
                return
            self._act(instructions, afterwards, facts)
        self._arm_timer()

    async def _commit_in_thread(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            instructions, afterwards, facts = self._take()
            try:
                if facts:
                    await to_thread.run_sync(self.journal.commit, facts)
            except JournalError as error:
                self._fail(error)
                return
            self._act(instructions, afterwards, facts)
            if self._instructions or self._afterwards:
                self._wanted.set()
            self._arm_timer()

    def _take(self) -> tuple[list[Instruction], list[Callable[[], object]], list[Fact]]:
        instructions, self._instructions = self._instructions, []
        afterwards, self._afterwards = self._afterwards, []
        return instructions, afterwards, [each for each in instructions if isinstance(each, Fact)]

    def _act(
        self,
        instructions: list[Instruction],
        afterwards: list[Callable[[], object]],
        facts: list[Fact],
    ) -> None:
        for each in instructions:
            if not isinstance(each, Fact):
                self._act_on(each)
        if facts:
            self._publish(facts, self.journal.seq)
        for callback in afterwards:
            callback()
        if facts:
            self._keep_house(facts)

    def _fail(self, error: JournalError) -> None:
        # What cannot be remembered must not be done: the hub stops, and devices keep their results.
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def _arm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.scheduler.deadline()
        if due is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, due - self.now()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.feed(Tick())
        self.flush()

    # ── snapshots ───────────────────────────────────────────────────────────────────────────────

    def find_run(self, constellation: str) -> Run | None:
        """A constellation, open or ended; an ended one is read back from the journal."""
        run = self.scheduler.runs.get(constellation)
        if run is None:
            state = self.journal.snapshot(constellation)
            run = None if state is None else Run.restore(state)
        return run

    def _keep_house(self, facts: list[Fact]) -> None:
        self._facts_since_snapshot += len(facts)
        for fact in facts:
            self._changed[fact.constellation] = None
        for fact in facts:
            if fact.kind == "ended":
                self._archive(fact.constellation)
        if self._facts_since_snapshot > SNAPSHOT_FACTS:
            open_tasks = sum(len(run.constellation.nodes) for run in self.scheduler.runs.values())
            if self._facts_since_snapshot > 2 * open_tasks:
                self._save_snapshots()
        if self.journal.wants_maintenance and self._tasks is not None:
            self._tasks.start_soon(to_thread.run_sync, self.journal.maintain)

    def _archive(self, constellation: str) -> None:
        """An ended constellation leaves memory."""
        self._save_snapshot(constellation, ended=True)
        self.scheduler.forget(constellation)
        self._changed.pop(constellation, None)

    def _save_snapshots(self) -> None:
        if self._instructions:
            # The scheduler is ahead of the journal: a snapshot now would hold facts twice.
            return
        for constellation in self._changed:
            if constellation in self.scheduler.runs:
                self._save_snapshot(constellation, ended=False)
        self._changed.clear()
        self.journal.save_learned(self.scheduler.snapshot_learned())
        self.journal.covered()
        self._facts_since_snapshot = 0

    def _save_snapshot(self, constellation: str, *, ended: bool) -> None:
        self.journal.save_snapshot(
            constellation,
            self.scheduler.snapshot_run(constellation),
            ended=ended,
            summary=summary(self.scheduler.runs[constellation]),
        )
