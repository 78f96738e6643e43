"""The constellations that an orchestrator owns: how they become its own, and cease to be.

One is claimed when it is submitted or begun anew, or taken over when its owner is gone. What the
owner before had told devices is inherited: every gateway says what became of it. Nobody owns what
has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from anyio import to_thread

from constellation.errors import Deposed, Unanswered
from constellation.orchestrator.events import (
    DeviceAccounted,
    Fact,
    FreeResources,
    ResourcesGranted,
    WantResources,
)
from constellation.orchestrator.hub import Hub
from constellation.orchestrator.ports import Ended, Saved
from constellation.orchestrator.run import Run
from constellation.orchestrator.views import summary

from .allotting import Allotting
from .book import Book
from .claims import Claims
from .journal import JetStreamJournal
from .remote import RemoteDevice

log = logging.getLogger("constellation.cluster")

# Verbs that may begin anew what has ended, and so make it ours.
_REOPENING = frozenset({"edit", "retry"})


class Estate:
    """See the module.

    Args:
        hub: with the journal.
        me: names this life of this orchestrator.
        book: where is written who has which exclusive resources.
        patience_s: how long the book is asked for before we give up.
        say_all: says something to every gateway; see `Mesh.say_all`.

    Attributes:
        owned: constellations that we speak for, with our epochs.
        forgotten: says which are being forgotten, because they ended long ago.
        allotting: gets exclusive resources for them.
    """

    def __init__(
        self,
        hub: Hub,
        me: str,
        journal: JetStreamJournal,
        claims: Claims,
        book: Book,
        patience_s: float,
        say_all: Callable[..., None],
    ) -> None:
        self.owned: dict[str, int] = {}
        self.forgotten: Callable[[], Collection[str]] = tuple
        self._hub = hub
        self._me = me
        self._journal = journal
        self._claims = claims
        self._patience_s = patience_s
        self._say_all = say_all
        # Attempts that were taken over and of which no gateway has said yet what became of them.
        self._inherited: dict[str, dict[str, tuple[str, ...]]] = {}
        self.allotting = Allotting(book, me, self.owned, claims.owner, self._granted)
        journal.on_ended = self._ended
        hub.on_resources = self._resources

    # ── resources ───────────────────────────────────────────────────────────────────────────────

    def _resources(self, asked: WantResources | FreeResources) -> None:
        if isinstance(asked, WantResources):
            self.allotting.want(*asked)
        else:
            self.allotting.free(*asked)

    def _granted(self, constellation: str, resources: tuple[str, ...]) -> None:
        self._hub.feed(ResourcesGranted(constellation, resources))
        self._hub.pipeline.flush()

    # ── taking over ─────────────────────────────────────────────────────────────────────────────

    async def take(self, constellation: str, epoch: int) -> None:
        """Take over a constellation whose owner is gone, if its claim still has that epoch."""
        taken = await self._claims.replace(constellation, epoch)
        if taken is None:
            return
        try:
            saved, facts = await to_thread.run_sync(self._read, constellation, taken)
        except Deposed:
            return
        if saved.state is None and not facts:
            # It was claimed and never begun: whoever asked for it asks again.
            await self.let_go(constellation)
            return
        # The log refuses the owner before from now on: what it gets later, it cannot use.
        had = await self.allotting.adopt(constellation, taken, self._patience_s)
        # First what says that nobody else speaks for it any more, then what follows from it.
        self.owned[constellation] = taken
        self._say_all("fence", constellation, taken)
        run = self._hub.pipeline.restore(saved, facts)
        if run.ended_at is not None:
            # Its owner died between its last commit and its release.
            await to_thread.run_sync(self._journal.end, constellation, summary(run))
            self._hub.scheduler.forget(constellation)
            await self.let_go(constellation)
            return
        self._inherit(run)
        log.info("%s took over %s with %d facts.", self._me, constellation, len(facts))
        self._hub.pipeline.take_up(constellation, len(facts))
        if had:
            self._hub.feed(ResourcesGranted(constellation, had))
        self._hub.pipeline.flush()

    def _read(self, constellation: str, epoch: int) -> tuple[Saved, list[Fact]]:
        self._journal.take(constellation, epoch)
        saved = self._journal.saved(constellation)
        return saved, [fact for _, fact in self._journal.facts(constellation, after=saved.seq)]

    def _inherit(self, run: Run) -> None:
        inherited: dict[str, list[str]] = {}
        for task in run.live:
            for attempt in run.attempts(task):
                inherited.setdefault(attempt.device, []).append(attempt.id)
        self._inherited[run.id] = {name: tuple(each) for name, each in inherited.items()}

    def fenced(
        self,
        constellation: str,
        epoch: int,
        devices: Mapping[str, list[Any]],
        there: Collection[RemoteDevice],
    ) -> None:
        """A gateway says what it knows of the attempts of a constellation that we took over.

        Args:
            devices: by name: the session, what runs there and whose results are held.
            there: all devices of that gateway.
        """
        if self.owned.get(constellation) != epoch:
            return
        inherited = self._inherited.get(constellation, {})
        for device in there:
            if device.name not in inherited and device.name not in devices:
                continue
            session, running, held = devices.get(device.name, (device.session, [], []))
            if session == device.session:
                asked = inherited.pop(device.name, ())
                known = frozenset(running) | frozenset(held)
                self._hub.feed(DeviceAccounted(device.name, asked, known))
        self._hub.pipeline.flush()

    # ── claiming ────────────────────────────────────────────────────────────────────────────────

    async def make_ours(self, verb: str, constellation: str) -> bool | None:
        """Claim what a request is about, if it needs that; None if it is another's.

        Raises:
            Unanswered: nobody says whose it is.
            Deposed: somebody else has claimed it meanwhile.
        """
        if constellation in self.forgotten():
            return None
        owner = await self._claims.owner(constellation)
        if owner is not None:
            if verb == "submit":
                # The same submission again: it is known, or somebody is still at work on it.
                known = await to_thread.run_sync(self._journal.note_known, constellation)
                return False if known else None
            return False if owner.owner == self._me else None
        if verb not in _REOPENING and verb != "submit":
            return False
        known = await to_thread.run_sync(self._journal.note_known, constellation)
        if known and verb == "submit":
            return False
        epoch = await self._claims.make(constellation)
        if epoch is None:
            return None
        if known:
            await to_thread.run_sync(self._journal.take, constellation, epoch)
        else:
            self._journal.begin(constellation, epoch)
        self.owned[constellation] = epoch
        return True

    # ── letting go ──────────────────────────────────────────────────────────────────────────────

    def _ended(self, ended: Ended) -> None:
        """A commit ended constellations: once it was acted on, nobody owns them any more."""
        for constellation, told in ended.items():
            if told is not None:
                self._hub.start(self._release, constellation)

    async def _release(self, constellation: str) -> None:
        run = self._hub.scheduler.runs.get(constellation)
        if run is None or run.ended_at is not None:
            await self.let_go(constellation)
            self._say_all("ended", constellation)

    async def let_go(self, constellation: str) -> None:
        """Own a constellation no more: it has ended, or was never begun."""
        epoch = self._journal.epochs.get(constellation)
        self._journal.drop(constellation)
        self.owned.pop(constellation, None)
        self._inherited.pop(constellation, None)
        self.allotting.forget(constellation)
        try:
            if epoch is not None:
                await self._claims.release(constellation, epoch)
        except Unanswered as error:
            # What is found of it later has ended, and is released then.
            log.warning("%s could not be released: %s", constellation, error)
