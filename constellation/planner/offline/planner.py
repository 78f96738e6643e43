"""The planner of a hub without a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio.to_thread

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.edits import Edit
from constellation.llm.spending import Account
from constellation.planner.ports import Ahead, Plan

from .build import Builder
from .clauses import split
from .devices import DeviceGrammar
from .names import check_not_torn
from .problems import Problem, UnplacedError, refusal, shortened
from .revise import stand_in
from .skills import SkillIndex
from .tokens import Phrase, tokenize

MAX_CHARACTERS = 4_000
_TITLE_LENGTH = 60


class OfflinePlanner:
    """Plans requests in plain English over the skills of the connected devices.

    The same request and cards give the same plan. It never guesses: what it cannot place, or would
    have to guess in order to write or run something, it refuses with suggestions.

    Args:
        revise_on: task states after which `revise` is asked; ``{"failed"}`` lets it move failed
            work to another device when the request asked for that and none was there in time.
    """

    def __init__(self, revise_on: frozenset[str] = frozenset()) -> None:
        self.revise_on = revise_on

    async def plan(
        self,
        request: str,
        devices: Sequence[DeviceCard],
        ahead: Ahead | None = None,
        account: Account | None = None,
    ) -> Plan:
        """See `Planner.plan`; reads in a thread, so that a long request holds up nobody."""
        return await anyio.to_thread.run_sync(plan_request, request, tuple(devices))

    async def revise(
        self,
        snapshot: Mapping[str, Any],
        event: Mapping[str, Any],
        devices: Sequence[DeviceCard],
        account: Account | None = None,
    ) -> tuple[Edit, ...]:
        """See `Planner.revise`; without a ``request`` in the snapshot there is nothing to do."""
        request = snapshot.get("request")
        if not request:
            return ()
        try:
            planned = (await self.plan(request, devices)).edits
        except PlanError:  # a device that the request names has left: no advice then
            return ()
        return stand_in(snapshot, event, planned)


def plan_request(request: str, devices: Sequence[DeviceCard]) -> Plan:
    """The plan of a request.

    Raises:
        PlanError: parts of it cannot be placed.
    """
    if len(request) > MAX_CHARACTERS:
        raise PlanError(
            f"The request has more than {MAX_CHARACTERS} characters.",
            remedy="Say it in fewer words, or write a runbook.",
        )
    cards = sorted(devices, key=lambda card: card.name)
    index = SkillIndex(cards)
    names = [card.name for card in cards]
    words = Phrase(list(tokenize(request, names)))
    try:
        check_not_torn(words)
    except UnplacedError as error:
        raise refusal([error.problem]) from None
    phrase = DeviceGrammar(cards).collapse(words, index.vocabulary)
    clauses = split(phrase, index.verbs)
    if not clauses:
        raise refusal([Problem(request.strip(), "It says nothing to do.")])
    builder = Builder(cards, index, phrase)
    for clause, following in zip(clauses, [*clauses[1:], None], strict=True):
        builder.take(clause, following)
    if builder.problems:
        raise refusal(builder.problems)
    return Plan(_title(request), builder.draft.edits(), tuple(builder.notes))


def _title(request: str) -> str:
    return shortened(" ".join(request.split()), _TITLE_LENGTH)
