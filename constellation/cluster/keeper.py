"""Does what the lease machine says."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from constellation.errors import Unanswered

from .claims import Claims
from .tenure import (
    Buried,
    Bury,
    Claim,
    ClaimsSeen,
    Event,
    Instruction,
    Kept,
    LeasesSeen,
    LookAround,
    ReadClaims,
    Renew,
    Resign,
    Revoked,
    Tenure,
    Tick,
)

log = logging.getLogger("constellation.cluster")


class Keeper:
    """Keeps the lease of one life of an orchestrator.

    Args:
        tenure: the machine.
        claims: the buckets.
        take: takes over a constellation whose claim has an epoch.
        resigned: called when the lease is over.
    """

    def __init__(
        self,
        tenure: Tenure,
        claims: Claims,
        take: Callable[[str, int], Awaitable[None]],
        resigned: Callable[[], None],
    ) -> None:
        self.tenure = tenure
        self._claims = claims
        self._take = take
        self._resigned = resigned
        self._taking: set[str] = set()
        self._woken = anyio.Event()

    def holds(self) -> bool:
        """True while the lease is surely good."""
        return self.tenure.holds(time.monotonic())

    async def run(self, tasks: TaskGroup) -> None:
        """Keep the lease until it is over or the task is canceled."""
        while True:
            due = self.tenure.deadline()
            if due is None:
                return
            with anyio.move_on_after(max(0.0, due - time.monotonic())):
                await self._woken.wait()
            self._woken = anyio.Event()
            self._feed(Tick(), tasks)

    def _feed(self, event: Event, tasks: TaskGroup) -> None:
        for each in self.tenure.handle(event, time.monotonic()):
            if isinstance(each, Resign):
                self._resigned()
            elif isinstance(each, Claim):
                if each.constellation not in self._taking:
                    self._taking.add(each.constellation)
                    tasks.start_soon(self._take_over, each)
            else:
                tasks.start_soon(self._do, each, tasks)

    async def _do(self, instruction: Instruction, tasks: TaskGroup) -> None:
        asked_at = time.monotonic()
        try:
            event = await self._ask(instruction, asked_at)
        except Unanswered as error:
            log.warning("NATS does not answer: %s", error)
            return
        if event is not None:
            self._feed(event, tasks)
            # What is due next may have changed.
            self._woken.set()

    async def _ask(self, instruction: Instruction, asked_at: float) -> Event | None:
        claims = self._claims
        match instruction:
            case Renew():
                return Kept(asked_at) if await claims.renew() else Revoked()
            case LookAround():
                return LeasesSeen(await claims.leases())
            case Bury(owner, revision):
                return Buried(owner) if await claims.bury(owner, revision) else None
            case ReadClaims():
                found = await claims.all()
                return ClaimsSeen(found, frozenset(await claims.leases()))
        return None

    async def _take_over(self, claim: Claim) -> None:
        try:
            await self._take(claim.constellation, claim.epoch)
        except Unanswered as error:
            log.warning("%s could not be taken over: %s", claim.constellation, error)
        finally:
            self._taking.discard(claim.constellation)
