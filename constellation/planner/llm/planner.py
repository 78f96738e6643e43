"""Planning with a language model: ask, check, say what is wrong, ask again, give up clearly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

import anyio
from pydantic import BaseModel

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.edits import Edit
from constellation.graph.export import from_json
from constellation.llm.asking import ask_until_usable
from constellation.llm.chat import ChatMessage, ChatModel, ModelUnavailable
from constellation.llm.reply import UnreadableError
from constellation.llm.spending import Account
from constellation.planner.ports import Ahead, Plan

from .compiling import compile_plan, compile_revision
from .listening import Listener
from .prompts import to_plan, to_revise
from .proposal import Proposal, Revision

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Budget:
    """What planning a request may cost.

    Attributes:
        repairs: how often an answer that cannot be used is sent back.
        tokens: of all answers together, prompts and revisions included.
        cost: of all answers together, at the model's prices, revisions included.
        time_s: for a plan, and for each revision.
        tasks: how many a plan may have.
    """

    repairs: int = 2
    tokens: int = 100_000
    cost: float = inf
    time_s: float = inf
    tasks: int = 200


class LlmPlanner:
    """A `Planner` that asks a model.

    Args:
        model: what to ask.
        budget: what it may cost.
        revise_on: task states after which the model is asked whether the plan should change.
        streams: tell what of a plan may begin while the model still writes.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        budget: Budget | None = None,
        revise_on: frozenset[str] = frozenset({"failed", "rejected"}),
        streams: bool = True,
    ) -> None:
        self.revise_on = revise_on
        self._model = model
        self._budget = budget or Budget()
        self._streams = streams

    async def plan(
        self,
        request: str,
        devices: Sequence[DeviceCard],
        ahead: Ahead | None = None,
        account: Account | None = None,
    ) -> Plan:
        """See `Planner.plan`.

        Raises:
            PlanError: the model found that it cannot be done, or gave no plan that can be used.
            ModelUnavailable: it gave no answer.
            OverBudget: another answer might cost too much.
        """

        def compiled(proposal: Proposal) -> Plan:
            edits = compile_plan(proposal, devices, request, max_tasks=self._budget.tasks)
            if not edits and not proposal.problems:
                raise UnreadableError(["The plan has neither tasks nor problems."])
            if proposal.problems:
                raise _refusal(proposal)
            return Plan(proposal.title or request[:80], edits, proposal.notes)

        heard = None
        if ahead is not None and self._streams:
            heard = Listener(ahead, devices, request, self._budget.tasks).hear
        return await self._ask(to_plan(request, devices), Proposal, compiled, account, heard)

    async def revise(
        self,
        snapshot: Mapping[str, Any],
        event: Mapping[str, Any],
        devices: Sequence[DeviceCard],
        account: Account | None = None,
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
        return await self._ask(chat, Revision, compiled, account)

    async def _ask(
        self,
        chat: list[ChatMessage],
        kind: type[M],
        compiled: Callable[[M], T],
        account: Account | None,
        heard: Callable[[str], None] | None = None,
    ) -> T:
        budget = self._budget
        try:
            with anyio.fail_after(budget.time_s):
                return await ask_until_usable(
                    self._model,
                    chat,
                    kind,
                    compiled,
                    repairs=budget.repairs,
                    tokens=budget.tokens,
                    cost=budget.cost,
                    account=account,
                    heard=heard,
                )
        except TimeoutError:
            raise ModelUnavailable(
                f"The model gave no answer that can be used within {budget.time_s:g} s.",
                remedy="Raise its time in the settings, or take a faster model.",
            ) from None
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
