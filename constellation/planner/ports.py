"""The port between the hub and whatever plans: words in, edits out.

A planner proposes; it never acts. The hub applies its edits as one batch, so a plan that
contradicts the graph is refused whole, and devices still check every argument and every permission
themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from constellation.aip.cards import DeviceCard
from constellation.graph.edits import Edit
from constellation.llm.spending import Account


@dataclass(frozen=True, slots=True)
class Plan:
    """What a planner proposes for a request.

    Attributes:
        title: a few words that name the whole.
        edits: they build the constellation, in an order that a `Batch` accepts.
        notes: what the planner understood and assumed, in sentences for the person who asked.
    """

    title: str
    edits: tuple[Edit, ...]
    notes: tuple[str, ...] = ()


class Ahead(Protocol):
    """Takes what may run before a plan is whole; whoever calls it need not choose what may."""

    def guess(self, edits: Sequence[Edit]) -> None:
        """What the plan will probably be."""
        ...

    def decide(self, edits: Sequence[Edit]) -> None:
        """The plan as far as it is known; what was said before is in it again."""
        ...


class Planner(Protocol):
    """Turns requests into constellations, and outcomes into changes of them.

    Attributes:
        revise_on: task states after which the hub asks `revise` before it releases what depends
            on that task; empty for a planner that never revises.
    """

    @property
    def revise_on(self) -> frozenset[str]: ...

    async def plan(
        self,
        request: str,
        devices: Sequence[DeviceCard],
        ahead: Ahead | None = None,
        account: Account | None = None,
    ) -> Plan:
        """The constellation for a request, over the devices that are connected now.

        Args:
            request: in words.
            devices: their cards.
            ahead: told what is known before the plan is whole; None if nothing may begin early.
            account: where what models take is counted, also if there is no plan in the end.

        Raises:
            PlanError: the request cannot be planned as it stands. ``details`` then holds
                ``problems``: a list of ``{"clause", "reason", "suggestions"}``, one for each part
                that could not be placed.
        """
        ...

    async def revise(
        self,
        snapshot: Mapping[str, Any],
        event: Mapping[str, Any],
        devices: Sequence[DeviceCard],
        account: Account | None = None,
    ) -> tuple[Edit, ...]:
        """Edits that answer an outcome; empty if the constellation stands as it is.

        Args:
            snapshot: the constellation as plain data, with ``request`` and ``nodes``.
            event: the outcome: ``{"task", "state", "output"?, "error"?}``.
            devices: the cards of the devices connected now.
            account: what planning this constellation has taken so far, and where more is counted.
        """
        ...
