"""A constellation that begins before its plan is whole, and what ends that: the plan, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from constellation.aip.cards import DeviceCard
from constellation.errors import ConstellationError, GraphError, PlanError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch, Edit
from constellation.llm.spending import Account
from constellation.planner.headstart import HeadStart, reading
from constellation.planner.ports import Plan
from constellation.redaction import redact

from .events import CancelRequested, EditRequested, Planned, PlannerPaid, Submitted
from .run import Run

if TYPE_CHECKING:
    from .hub import Hub

# Of the request, which is the name until the plan gives one.
MAX_NAME = 80
_NOTE = "begun before the plan was whole"


class Beginning:
    """Submits a request: what only reads as soon as it is known, the rest with the whole plan.

    As a context it cancels what was begun if its block fails.

    Args:
        hub: where it runs.
        submitted: all of it but the tasks.
        devices: those it is planned for.
        account: what its plan takes.
    """

    def __init__(
        self, hub: Hub, submitted: Submitted, devices: Sequence[DeviceCard], account: Account
    ) -> None:
        self._hub = hub
        self._submitted = submitted
        self._devices = devices
        self._account = account
        self._head = HeadStart()
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run = self._run()
        if run is not None and run.planning:
            known = isinstance(error, ConstellationError)
            reason = f"there is no plan: {error}" if known else "nobody waits for its plan"
            self._hub.feed(PlannerPaid(run.id, self._account.tokens, self._account.cost))
            self._hub.feed(CancelRequested(run.id, reason))

    # ── while it is planned ─────────────────────────────────────────────────────────────────────

    def guess(self, edits: Sequence[Edit]) -> None:
        """See `Ahead.guess`."""
        self._begin(edits, guessed=True)

    def decide(self, edits: Sequence[Edit]) -> None:
        """See `Ahead.decide`."""
        self._begin(edits, guessed=False)

    def _begin(self, edits: Sequence[Edit], *, guessed: bool) -> None:
        submitted, run = self._submitted, self._run()
        if self._begun and (run is None or not run.planning):
            return
        graph = Constellation(submitted.constellation) if run is None else run.constellation
        take = self._head.guess if guessed else self._head.decide
        try:
            edits = self._hub.vault.seal(submitted.constellation, edits)
            found = take(graph, reading(edits, self._devices))
            if not found:
                return
            batch = Batch(found, author="planner", note=_NOTE)
            if run is None:
                name = submitted.name or submitted.request[:MAX_NAME]
                begun = replace(submitted, batch=batch, name=name, planning=True)
                self._hub.feed(begun)
            else:
                self._hub.feed(EditRequested(run.id, batch))
        except GraphError:
            # What is wrong with it is told of the whole plan.
            return
        self._begun = True
        self._hub.pipeline.flush()

    # ── once it is ──────────────────────────────────────────────────────────────────────────────

    def finish(self, plan: Plan) -> None:
        """Bring in the whole plan.

        Raises:
            GraphError: it contradicts itself.
            PlanError: what was begun of it was canceled meanwhile.
        """
        submitted = self._submitted
        name = submitted.name or redact(plan.title)
        tokens, cost = self._account.tokens, self._account.cost
        sealed = self._hub.vault.seal(submitted.constellation, plan.edits)
        if not self._begun:
            batch = replace(submitted.batch, edits=sealed)
            self._hub.feed(replace(submitted, batch=batch, name=name, tokens=tokens, cost=cost))
            return
        run = self._run()
        if run is None or not run.planning:
            raise PlanError(
                f"{submitted.constellation} was canceled before its plan was whole.",
                remedy="Ask for it again if it is wanted after all.",
                constellation=submitted.constellation,
            )
        edits = self._head.settle(run.constellation, sealed)
        batch = replace(submitted.batch, edits=edits)
        self._hub.feed(Planned(run.id, batch, name, tokens, cost))

    def _run(self) -> Run | None:
        return self._hub.scheduler.runs.get(self._submitted.constellation) if self._begun else None
