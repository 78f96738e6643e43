"""Planning with a language model: ask, check, say what is wrong, ask again, give up clearly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.edits import Edit
from constellation.graph.export import from_json
from constellation.llm.asking import ask_until_usable
from constellation.llm.chat import ChatMessage, ChatModel
from constellation.llm.reply import UnreadableError
from constellation.planner.ports import Plan

from .compiling import compile_plan, compile_revision
from .prompts import to_plan, to_revise
from .proposal import Proposal, Revision

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Budget:
    """What one plan or revision may cost.

    Attributes:
        repairs: how often an answer that cannot be used is sent back.
        tokens: of all answers together, prompts included.
        tasks: how many a plan may have.
    """

    repairs: int = 2
    tokens: int = 100_000
    tasks: int = 200


class LlmPlanner:
    """A `Planner` that asks a model.

    Args:
        model: what to ask.
        budget: what it may cost.
        revise_on: task states after which the model is asked whether the plan should change.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        budget: Budget | None = None,
        revise_on: frozenset[str] = frozenset({"failed", "rejected"}),
    ) -> None:
        self.revise_on = revise_on
        self._model = model
        self._budget = budget or Budget()

    async def plan(self, request: str, devices: Sequence[DeviceCard]) -> Plan:
        """See `Planner.plan`.

        Raises:
            PlanError: the model found that it cannot be done, or gave no plan that can be used.
            ModelUnavailable: it gave no answer.
        """

        def compiled(proposal: Proposal) -> Plan:
            edits = compile_plan(proposal, devices, request, max_tasks=self._budget.tasks)
            if not edits and not proposal.problems:
                raise UnreadableError(["The plan has neither tasks nor problems."])
            if proposal.problems:
                raise _refusal(proposal)
            return Plan(proposal.title or request[:80], edits, proposal.notes)

        return await self._ask(to_plan(request, devices), Proposal, compiled)

    async def revise(
        self,
        snapshot: Mapping[str, Any],
        event: Mapping[str, Any],
        devices: Sequence[DeviceCard],
    ) -> tuple[Edit, ...]:
        """See `Planner.revise`."""

        def compiled(revision: Revision) -> tuple[Edit, ...]:
            # Each try works on a graph of its own: trying an edit changes it.
            return compile_revision(
                revision,
                devices,
                from_json(snapshot),
                read=f"how {event['task']} ended",
                max_tasks=self._budget.tasks,
            )

        chat = to_revise(snapshot["request"], from_json(snapshot), event["task"], devices)
        return await self._ask(chat, Revision, compiled)

    async def _ask(self, chat: list[ChatMessage], kind: type[M], compiled: Callable[[M], T]) -> T:
        try:
            return await ask_until_usable(
                self._model,
                chat,
                kind,
                compiled,
                repairs=self._budget.repairs,
                tokens=self._budget.tokens,
            )
        except UnreadableError as error:
            raise PlanError(
                f"The model gave no plan that can be used: {error.problems[0]}",
                remedy="Say it in other words, or plan offline.",
                problems=[_problem(problem) for problem in error.problems],
            ) from None


def _refusal(proposal: Proposal) -> PlanError:
    return PlanError(
        f"This cannot be planned: {' '.join(proposal.problems)}",
        remedy="See which devices and skills there are: `constellation devices`.",
        problems=[_problem(problem) for problem in proposal.problems],
    )


def _problem(reason: str) -> dict[str, Any]:
    return {"clause": "", "reason": reason, "suggestions": []}
