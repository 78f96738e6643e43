"""A quick planner's guess, begun while a slow planner thinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.edits import Edit
from constellation.llm.spending import Account

from .ports import Ahead, Plan, Planner


class SpeculativePlanner:
    """Lets one planner guess what another will plan.

    Only what reads is begun on a guess (`constellation.planner.headstart`); the other one's plan
    decides what is kept of it.

    Args:
        quick: guesses, in far less time than the other takes.
        thorough: plans and revises.
    """

    def __init__(self, quick: Planner, thorough: Planner) -> None:
        self._quick = quick
        self._thorough = thorough

    @property
    def revise_on(self) -> frozenset[str]:
        """See `Planner.revise_on`."""
        return self._thorough.revise_on

    async def plan(
        self,
        request: str,
        devices: Sequence[DeviceCard],
        ahead: Ahead | None = None,
        account: Account | None = None,
    ) -> Plan:
        """See `Planner.plan`."""
        if ahead is not None:
            try:
                guess = await self._quick.plan(request, devices)
            except PlanError:
                # What is beyond it is not guessed.
                pass
            else:
                ahead.guess(guess.edits)
        return await self._thorough.plan(request, devices, ahead, account)

    async def revise(
        self,
        snapshot: Mapping[str, Any],
        event: Mapping[str, Any],
        devices: Sequence[DeviceCard],
        account: Account | None = None,
    ) -> tuple[Edit, ...]:
        """See `Planner.revise`."""
        return await self._thorough.revise(snapshot, event, devices, account)
