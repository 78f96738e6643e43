"""The one path of everything that happens in a hub.

Events go into the scheduler machine; its instructions gather until the wake-up ends; then their
facts are written to the journal in one commit, and only after it the rest is acted on. Where a
commit has to be waited for (``synchronous=FULL``, a cluster), wake-ups gather meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from anyio import to_thread
from anyio.abc import TaskGroup

from constellation.errors import JournalError

from .archive import read_back, replay
from .events import Event, Fact, Instruction, Tick
from .housekeeping import Housekeeping
from .ports import JournalPort, Saved
from .run import Run
from .scheduler import Scheduler
from .telemetry import Telemetry
from .views import summary

# How long an ended constellation that somebody looked at stays in memory.
LOOKED_AT_S = 30.0


class Wake:
    """What gathers in one wake-up.

    Attributes:
        instructions: of the scheduler, but for the facts.
        facts: to be written first.
        ended: constellations that end with these facts (True), or go on after they had (False).
        afterwards: called once all is done.
    """

    __slots__ = ("afterwards", "ended", "facts", "instructions")

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.facts: list[Fact] = []
        self.ended: dict[str, bool] = {}
        self.afterwards: list[Callable[[], object]] = []

    def __bool__(self) -> bool:
        return bool(self.instructions or self.facts or self.afterwards)

    def add(self, instructions: list[Instruction]) -> None:
        """Take in what the scheduler returned."""
        for each in instructions:
            if type(each) is Fact:
                self.facts.append(each)
                if each.kind == "ended" or each.kind == "reopened":
                    self.ended[each.constellation] = each.kind == "ended"
            else:
                self.instructions.append(each)


class Pipeline:
    """Scheduler, journal and clock, joined.

    Args:
        scheduler: the machine.
        journal: where facts go before anything is acted on.
        act: does one instruction that is not a `Fact`.
        publish: told of facts just committed, with the number of the last.
        telemetry: counts what happens.

    Attributes:
        replayed: how many facts the start replayed.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        journal: JournalPort,
        *,
        act: Callable[[Instruction], None],
        publish: Callable[[list[Fact], int], None],
        telemetry: Telemetry,
    ) -> None:
        self.scheduler = scheduler
        self.journal = journal
        self._act_on = act
        self._publish = publish
        self.replayed = 0
        self._telemetry = telemetry
        self._wake = Wake()
        self._wanted = asyncio.Event()
        self._failed: asyncio.Future[None] | None = None
        self._tasks: TaskGroup | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._epoch = time.time() - time.monotonic()
        self._looked_at: dict[str, Run] = {}
        self._housekeeping = Housekeeping(scheduler, journal)

    def now(self) -> float:
        """Seconds: monotonic while the hub lives, near Unix time across restarts."""
        return self._epoch + time.monotonic()

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def recover(self) -> None:
        """Rebuild the scheduler from the journal.

        Raises:
            JournalError: the journal is damaged.
        """
        learned = self.journal.learned()
        if learned is not None:
            self.scheduler.restore_learned(learned)
        with _without_collector():
            for name in self.journal.open_constellations():
                facts = replay(self.journal, name, self.scheduler).facts
                self._housekeeping.replayed(name, facts)
                self.replayed += facts
        self._wake.add(self.scheduler.recover(self.now()))

    def restore(self, saved: Saved, facts: Sequence[Fact]) -> Run:
        """Rebuild a constellation that another hub had; `take_up` goes on with it.

        Args:
            saved: what it is replayed from.
            facts: those that followed.

        Raises:
            JournalError: the facts do not follow from one another.
        """
        if saved.state is not None:
            self.scheduler.restore_run(saved.state)
        for fact in facts:
            self.scheduler.restore(fact)
        return self.scheduler.runs[saved.constellation]

    def take_up(self, constellation: str, facts: int) -> None:
        """Go on with a constellation that was restored; `flush` lets the effects out.

        Args:
            facts: how many were replayed.
        """
        self._housekeeping.replayed(constellation, facts)
        self._wake.add(self.scheduler.take_up(constellation, self.now()))

    async def run(self, tasks: TaskGroup) -> None:
        """Serve until the journal fails or the task is canceled.

        Raises:
            JournalError: the journal cannot be written; nothing was acted on that it lacks.
        """
        self._tasks = tasks
        self._failed = asyncio.get_running_loop().create_future()
        if self.journal.syncs:
            tasks.start_soon(self._secure_beside)
        self.flush()
        await self._failed

    def close(self) -> None:
        """Store what was learned, and close the journal; a second call does nothing.

        Raises:
            JournalError: the journal cannot be written.
        """
        if self._timer is not None:
            self._timer.cancel()
        self.journal.maintain(self.scheduler.snapshot_learned())
        self.journal.close()

    # ── events in, instructions out ─────────────────────────────────────────────────────────────

    def feed(self, event: Event) -> None:
        """Give one event to the scheduler; `flush` ends the wake-up and lets its effects out.

        Raises:
            ConstellationError: the event was refused; nothing changed.
        """
        self._wake.add(self.scheduler.handle(event, self.now()))

    def afterwards(self, callback: Callable[[], object]) -> None:
        """Call back once everything fed so far is in the journal and acted on."""
        self._wake.afterwards.append(callback)

    def flush(self) -> None:
        """End a wake-up: commit what is to be remembered, then act."""
        if self.journal.syncs:
            self._wanted.set()
            return
        while self._wake:
            wake = self._take()
            try:
                if wake.facts:
                    self._commit(wake.facts, self._summaries(wake.ended))
            except JournalError as error:
                self.fail(error)
                return
            self._act(wake)
        self._arm_timer()

    async def _secure_beside(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            wake = self._take()
            try:
                if wake.facts:
                    began = time.perf_counter()
                    await self.journal.secure(wake.facts, self._summaries(wake.ended))
                    self._telemetry.committed(wake.facts, time.perf_counter() - began)
            except JournalError as error:
                self.fail(error)
                return
            self._act(wake)
            if self._wake:
                self._wanted.set()
            self._arm_timer()

    def _take(self) -> Wake:
        wake, self._wake = self._wake, Wake()
        return wake

    def _summaries(self, ended: dict[str, bool]) -> dict[str, dict[str, Any] | None]:
        if not ended:
            return {}
        runs = self.scheduler.runs
        return {name: summary(runs[name]) if over else None for name, over in ended.items()}

    def _commit(self, facts: list[Fact], ended: dict[str, dict[str, Any] | None]) -> None:
        began = time.perf_counter()
        self.journal.commit(facts, ended)
        self._telemetry.committed(facts, time.perf_counter() - began)

    def _act(self, wake: Wake) -> None:
        for each in wake.instructions:
            self._act_on(each)
        if wake.facts:
            self._publish(wake.facts, self.journal.seq)
        for name in wake.ended:
            self._looked_at.pop(name, None)
        for callback in wake.afterwards:
            callback()
        if wake.facts:
            self._housekeeping.count(wake.facts, wake.ended)
            if self._tasks is not None and self._housekeeping.due:
                self._tasks.start_soon(self._keep_house)

    async def _keep_house(self) -> None:
        try:
            await self._housekeeping.run()
        except JournalError as error:
            self.fail(error)

    def fail(self, error: JournalError) -> None:
        """Stop the hub: something cannot be remembered."""
        # What cannot be remembered must not be done: the hub stops, and devices keep their results.
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def _arm_timer(self) -> None:
        """See to it that we wake by the scheduler's deadline.

        A timer that is set too early is left: it fires, finds nothing due, and is set anew. So a
        deadline that moves away with every task costs no timer each.
        """
        due = self.scheduler.deadline()
        if due is None or (self._timer is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer_due = due
        self._timer = loop.call_later(max(0.0, due - self.now()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.feed(Tick())
        self.flush()

    # ── what ended ──────────────────────────────────────────────────────────────────────────────

    async def find_run(self, constellation: str) -> Run | None:
        """A constellation, open or ended; an ended one is read back from the journal.

        Raises:
            JournalError: the journal is damaged.
        """
        run = self.scheduler.runs.get(constellation) or self._looked_at.get(constellation)
        if run is None and self.journal.known(constellation):
            run = await to_thread.run_sync(read_back, self.journal, constellation)
            if run is not None and run.ended_at is not None:
                # One is enough: it is for those who look at a large one part by part.
                self._looked_at = {constellation: run}
                loop = asyncio.get_running_loop()
                loop.call_later(LOOKED_AT_S, self._looked_at.pop, constellation, None)
        return run


@contextmanager
def _without_collector() -> Iterator[None]:
    """Build much that stays: looking through it for garbage again and again takes half the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
