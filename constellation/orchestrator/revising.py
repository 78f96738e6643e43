"""Revisions: the planner answers an outcome while what depends on it waits, for a bounded time.

Several outcomes are answered at the same time. An answer was thought of with one version of the
constellation in mind; if what it changes has been edited since, by a person or by another answer,
the planner is asked again and shown what stands now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import anyio

from constellation.aip.endpoint import Guard
from constellation.errors import ConstellationError, GraphError, PlanError
from constellation.graph.edits import Batch, Edit
from constellation.graph.export import to_json
from constellation.llm.spending import Account

from .events import EditRequested, Notify, PlannerPaid, Revise, RevisionClosed
from .spending import Spent, left_of
from .views import check_size

if TYPE_CHECKING:
    from constellation.aip.cards import DeviceCard

    from .hub import Hub
    from .run import Run

# Outcomes about which planners are asked at the same time; others wait their turn.
MAX_REVISIONS = 16
# How often the planner is asked about one outcome, if its answers come too late for what stands.
MAX_ASKED = 3


class Revising:
    """Puts outcomes to the planner of a hub.

    Args:
        hub: where the outcomes are, and the edits go.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._places = anyio.CapacityLimiter(MAX_REVISIONS)

    async def answer(self, asked: Revise) -> None:
        """Let the planner answer; whatever happens, what waits for it is released."""
        hub = self._hub
        with Guard(partial(hub.report, f"A revision of {asked.constellation}")):
            try:
                await self._in_time(asked)
            except ConstellationError as error:
                notice = Notify(
                    hub.pipeline.now(), asked.constellation, "revision", error.to_wire()
                )
                hub.notify(notice)
            finally:
                if self._held(asked) is not None:
                    hub.feed(RevisionClosed(asked.constellation, asked.task))
                hub.pipeline.flush()

    async def _in_time(self, asked: Revise) -> None:
        left_s = asked.until - self._hub.pipeline.now()
        with anyio.move_on_after(left_s) as limit:
            async with self._places:
                with self._hub.traces.revising(asked) as notes:
                    notes["constellation.edits"] = await self._ask(asked)
        if limit.cancelled_caught:
            raise PlanError(
                f"The planner did not answer the end of {asked.task} in time.",
                remedy="Edit the constellation yourself, or take a faster model.",
                task=asked.task,
            )

    async def _ask(self, asked: Revise) -> int:
        """Ask until an answer fits what stands; return how many edits were made."""
        hub = self._hub
        for count in range(1, MAX_ASKED + 1):
            run = self._held(asked)
            if run is None:
                return 0
            seen = run.constellation.version
            snapshot = {**to_json(run.constellation), "request": run.request}
            # It acts for whoever submitted the constellation, and may do no more than they.
            scope = hub.gate.owner_scope(run)
            edits = await self._revise(run, snapshot, asked, scope.cards(hub.cards()))
            if not edits or self._held(asked) is None:
                return 0
            hub.gate.check_edits(scope, run.owner, edits, run)
            check_size(edits)
            batch = Batch(
                hub.vault.seal(run.id, edits, run),
                base_version=seen,
                author="planner",
                note=f"after {asked.task}",
            )
            try:
                hub.feed(EditRequested(asked.constellation, batch))
            except GraphError:
                if count == MAX_ASKED:
                    raise
            else:
                return len(edits)
        return 0

    async def _revise(
        self, run: Run, snapshot: Mapping[str, Any], asked: Revise, cards: Sequence[DeviceCard]
    ) -> tuple[Edit, ...]:
        """Ask once; what it took is counted whether or not there is an answer."""
        hub = self._hub
        before = run.spent_by.get("planner", Spent())
        most = inf if run.max_cost is None else before.cost + max(0.0, left_of(run))
        account = Account(*before, max_cost=most)
        try:
            return await hub.planner.revise(snapshot, _told(asked), cards, account)
        finally:
            tokens, cost = account.tokens - before.tokens, account.cost - before.cost
            if tokens and self._held(asked) is not None:
                hub.feed(PlannerPaid(run.id, tokens, cost))

    def _held(self, asked: Revise) -> Run | None:
        """The run in which the outcome still waits for its answer, if it does."""
        run = self._hub.scheduler.runs.get(asked.constellation)
        return run if run is not None and asked.task in run.revisions else None


def _told(asked: Revise) -> dict[str, Any]:
    outcome = asked.outcome
    return {
        "task": asked.task,
        "state": str(outcome.state),
        "output": outcome.output,
        "error": outcome.error,
    }
