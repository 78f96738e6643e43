"""Doing what the assistant's machine says: asking the model, calling skills, asking people."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, BinaryIO

import anyio
from pydantic_core import to_jsonable_python

from constellation.aip.endpoint import Guard
from constellation.errors import (
    ConstellationError,
    LocalProtocolError,
    TaskTimedOut,
)
from constellation.llm.chat import ChatModel, ModelUnavailable
from constellation.llm.spending import Left, OverBudget

from ..context import Context, Port, Said
from ..errors import BudgetSpent, Denied, GaveUp, ModelFailed, SkillCrashed, UnknownSkill
from ..policy import refusal
from ..prompts import approval_prompt
from ..skills import AnySkill, Registry
from .events import (
    Answered,
    AskModel,
    AskPerson,
    Begin,
    Call,
    Called,
    CallFailed,
    Event,
    Fail,
    Finish,
    Instruction,
    Paused,
    Replied,
    Report,
    Resumed,
    Tick,
    Unanswered,
)
from .machine import Machine
from .prompts import Action
from .trajectory import line_of

log = logging.getLogger("constellation.agent")

_FAILURES: dict[str, tuple[type[ConstellationError], str]] = {
    "budget": (BudgetSpent, "Give it less to do at once, or raise the budget in the settings."),
    "time": (TaskTimedOut, "Give it less to do at once, or raise assistant.time_s."),
    "model": (ModelFailed, "See that the model's server is up, or take a more capable model."),
    "impossible": (GaveUp, "Say it in other words, or to another device."),
}


class Assistant:
    """One task in plain words, on its way.

    Args:
        registry: the skills that it may use.
        model: what thinks.
        context: of the task.
        write: takes each line of the trajectory.
    """

    def __init__(
        self,
        registry: Registry,
        model: ChatModel,
        context: Context,
        write: Callable[[str], None],
    ) -> None:
        self._registry = registry
        self._model = model
        self._context = context
        self._write = write
        self._machine = Machine()
        self._begun = anyio.current_time()
        self._scope = anyio.CancelScope()
        self._waits = 0

    async def run(self, begin: Begin) -> Finish:
        """Work until it is done.

        Raises:
            BudgetSpent, TaskTimedOut, ModelFailed, GaveUp: it is not.
        """
        instructions = self._handle(begin)
        while True:
            *reports, wanted = instructions
            for report in reports:
                if isinstance(report, Report):
                    self._context.progress(report.fraction, report.message)
            if isinstance(wanted, Finish):
                return wanted
            if isinstance(wanted, Fail):
                kind, remedy = _FAILURES[wanted.why]
                raise kind(wanted.message, remedy=remedy, **self._machine.spent())
            instructions = self._handle(await self._do(wanted))

    async def _do(self, wanted: Instruction) -> Event:
        match wanted:
            case AskPerson(question):
                return Replied(await self._context.ask(question))
            case Call():
                return await self._in_time(self._call(wanted))
            case AskModel():
                return await self._in_time(self._ask_model(wanted))
        raise LocalProtocolError(f"The assistant cannot do {wanted!r}.")

    def _handle(self, event: Event) -> list[Instruction]:
        at = anyio.current_time() - self._begun
        self._write(line_of(event, at))
        instructions = self._machine.handle(event, at)
        for each in instructions:
            self._write(line_of(each, at))
        return instructions

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    async def _in_time(self, work: Awaitable[Event]) -> Event:
        with anyio.CancelScope(deadline=self._deadline()) as self._scope:
            return await work
        return Tick()

    def _deadline(self) -> float:
        left = self._machine.deadline()
        return math.inf if left is None else self._begun + left

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """While a person is waited for, within a call."""
        self._waits += 1
        if self._waits == 1:
            self._handle(Paused())
            self._scope.deadline = self._deadline()
        try:
            yield
        finally:
            self._waits -= 1
            if not self._waits:
                self._handle(Resumed())
                self._scope.deadline = self._deadline()

    # ── what takes time ─────────────────────────────────────────────────────────────────────────

    async def _ask_model(self, asked: AskModel) -> Event:
        left = Left(asked.tokens, math.inf if asked.cost is None else asked.cost)
        try:
            answer = await self._model.answer(asked.chat, Action, left=left)
        except ModelUnavailable as error:
            return Unanswered(error.message)
        except OverBudget as error:
            return Unanswered(error.message, over_budget=True)
        self._context.spent(answer.tokens, answer.cost)
        return Answered(answer.text, answer.tokens, answer.cost)

    async def _call(self, call: Call) -> Event:
        skill = self._registry.get(call.skill)
        if skill is None:
            return CallFailed(UnknownSkill.code, f"The skill {call.skill} is gone.")
        try:
            bound = skill.bind(call.arguments)
            await self._permit(skill, bound, call)
            return Called(await self._run(skill, bound))
        except ConstellationError as error:
            return CallFailed(error.code, error.message, error.remedy)

    async def _run(self, skill: AnySkill, bound: Mapping[str, Any]) -> Any:
        crashes: list[Exception] = []
        output = None
        with Guard(crashes.append), anyio.fail_after(skill.timeout_s):
            context = self._context.through(partial(StepPort, self.paused))
            async with self._context.calling(skill.name, skill.card.capacity):
                output = await skill.run(bound, context)
        for error in crashes:
            if isinstance(error, ConstellationError):
                raise error
            if isinstance(error, TimeoutError):
                raise TaskTimedOut(f"{skill.name} did not end within {skill.timeout_s} s.")
            log.error("%s crashed in %s.", skill.name, self._context.attempt, exc_info=error)
            raise SkillCrashed(f"The code of {skill.name} crashed: {type(error).__name__}.")
        return to_jsonable_python(output, fallback=str)

    async def _permit(self, skill: AnySkill, bound: Mapping[str, Any], call: Call) -> None:
        """Have the policy, and where it says so a person, allow a call.

        Raises:
            PermissionDenied: the policy forbids it.
            Denied: the person does not want it.
        """
        intent = None if skill.intent is None else skill.intent(**bound)
        decision = self._context.policy.decide(skill.name, skill.card.effect, intent)
        if decision.rule == "deny":
            raise refusal(skill.name, decision)
        # What others wrote may have talked the model into it: a rule for all skills of an effect
        # was not made for that.
        if call.tainted:
            decision = decision.in_doubt(skill.card.effect, intent)
        if decision.rule == "allow":
            return
        told = approval_prompt(skill.card, bound, intent)
        async with self.paused():
            allowed = await self._context.approve(f"The assistant wants to: {told}")
        if not allowed:
            raise Denied(f"A person was asked and did not allow {skill.name}.")


class StepPort:
    """What a skill says that is one step of a task: its progress is not the task's own.

    Args:
        paused: entered while the skill asks a person.
        port: of the task.
    """

    def __init__(self, paused: Callable[[], AbstractAsyncContextManager[None]], port: Port) -> None:
        self._paused = paused
        self._port = port

    def progress(self, attempt: str, fraction: float | None, message: str) -> None:
        if message:
            self._port.progress(attempt, None, message)

    def output(self, attempt: str, channel: str, data: Any) -> None:
        self._port.output(attempt, channel, data)

    async def emit(self, attempt: str, item: Any) -> None:
        await self._port.emit(attempt, item)

    def inputs(self, attempt: str, source: str) -> AsyncIterator[Any]:
        return self._port.inputs(attempt, source)

    def spent(self, attempt: str, tokens: int, cost: float) -> None:
        self._port.spent(attempt, tokens, cost)

    async def ask(self, attempt: str, kind: str, prompt: str, options: Sequence[str]) -> Said:
        async with self._paused():
            return await self._port.ask(attempt, kind, prompt, options)

    def calling(self, skill: str, limit: int | None) -> AbstractAsyncContextManager[None]:
        return self._port.calling(skill, limit)

    async def put_artifact(self, file: BinaryIO, name: str) -> tuple[str, int]:
        return await self._port.put_artifact(file, name)

    async def get_artifact(self, digest: str, file: BinaryIO) -> int:
        return await self._port.get_artifact(digest, file)
