"""The assistant's loop as a machine: events in, instructions out. Pure.

::

    idle ──Begin──► thinking ──call──► calling ──Called, CallFailed──► thinking
                       │  ▲               │ ▲
                       │  └───Replied──┐  Paused, Resumed
                       ├──ask──► asking┘  │ ▼
                       │                  waiting
                       └──finish, give_up, a budget spent──► ended

Every instruction but `Report` awaits exactly one event, so there is never more than one to wait
for. Time is counted while the model thinks or a skill runs, not while a person is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from constellation.errors import InvalidTransition
from constellation.llm.chat import ChatMessage, to_mend
from constellation.llm.reply import UnreadableError, read
from constellation.llm.spending import DIGITS, money

from .events import (
    Answered,
    AskModel,
    AskPerson,
    Begin,
    Budget,
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
from .prompts import Action, opening, reply, result, said

State = Literal["idle", "thinking", "calling", "waiting", "asking", "ended"]

_COUNTED: frozenset[State] = frozenset({"thinking", "calling"})


class Machine:
    """One task in plain words.

    Attributes:
        state: where it stands; from ``ended`` nothing leads on.
        steps: answers of the model so far.
        tokens, cost: what they took.
    """

    def __init__(self) -> None:
        self.state: State = "idle"
        self.steps = 0
        self.tokens = 0
        self.cost = 0.0
        self._budget = Budget()
        self._names: frozenset[str] = frozenset()
        self._chat: list[ChatMessage] = []
        self._mended = 0
        self._tainted = False
        self._called = ""
        self._left_s = 0.0
        self._since = 0.0

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take in what happened.

        Args:
            now: seconds; never goes back.

        Raises:
            InvalidTransition: this cannot happen in this state.
        """
        transition = _TABLE.get((self.state, type(event)))
        if transition is None:
            raise InvalidTransition("the assistant", self.state, type(event).__name__)
        if self.state in _COUNTED:
            self._left_s -= now - self._since
        self._since = now
        if self.state in _COUNTED and self._left_s <= 0:
            return self._late(event)
        return transition(self, event)

    def deadline(self) -> float | None:
        """When to send `Tick`; None while a person is waited for, and when it is over."""
        return self._since + self._left_s if self.state in _COUNTED else None

    def spent(self) -> dict[str, Any]:
        """What it took so far: ``steps``, ``tokens`` and ``cost``."""
        return {"steps": self.steps, "tokens": self.tokens, "cost": self.cost}

    # ── transitions ─────────────────────────────────────────────────────────────────────────────

    def _begin(self, event: Begin) -> list[Instruction]:
        self._budget = event.budget
        self._left_s = event.budget.time_s
        self._names = frozenset(tool.name for tool in event.tools)
        self._chat = opening(event.instruction, event.tools, event.data)
        self._tainted = event.data is not None
        return self._think()

    def _answered(self, event: Answered) -> list[Instruction]:
        self.steps += 1
        self.tokens += event.tokens
        self.cost = round(self.cost + event.cost, DIGITS)
        try:
            action = read(event.text, Action)
            self._check(action)
        except UnreadableError as error:
            self._mended += 1
            if self._mended > self._budget.repairs:
                reason = f"The model gave no answer that can be used: {error.problems[0]}"
                return self._fail("model", reason)
            self._chat += to_mend(event.text, error.problems)
            return self._think()
        self._mended = 0
        self._chat.append(said(action))
        return self._follow(action)

    def _check(self, action: Action) -> None:
        if action.do == "call" and action.skill not in self._names:
            raise UnreadableError([f"There is no skill {action.skill!r}."])
        if action.do != "call" and not action.text.strip():
            raise UnreadableError([f"'text' is empty, but 'do' is {action.do!r}."])

    def _follow(self, action: Action) -> list[Instruction]:
        match action.do:
            case "finish":
                self.state = "ended"
                return [Finish(action.text, **self.spent())]
            case "give_up":
                return self._fail("impossible", action.text)
            case "ask":
                self.state = "asking"
                return [AskPerson(action.text)]
            case "call":
                self.state = "calling"
                self._called = action.skill
                fraction = self.steps / self._budget.steps
                report = Report(fraction, f"step {self.steps}: {action.skill}")
                return [report, Call(action.skill, action.arguments, self._tainted)]

    def _unanswered(self, event: Unanswered) -> list[Instruction]:
        return self._fail("budget" if event.over_budget else "model", event.reason)

    def _returned(self, event: Called) -> list[Instruction]:
        return self._learn({"output": event.output})

    def _failed(self, event: CallFailed) -> list[Instruction]:
        error = {"code": event.code, "message": event.message, "remedy": event.remedy}
        return self._learn({"error": error})

    def _learn(self, outcome: dict[str, Any]) -> list[Instruction]:
        self._tainted = True
        self._chat.append(result(self._called, outcome))
        return self._think()

    def _replied(self, event: Replied) -> list[Instruction]:
        self._chat.append(reply(event.text))
        return self._think()

    def _paused(self, event: Paused) -> list[Instruction]:
        self.state = "waiting"
        return []

    def _resumed(self, event: Resumed) -> list[Instruction]:
        self.state = "calling"
        return []

    def _late(self, event: Event) -> list[Instruction]:
        return self._fail("time", f"It was not done within {self._budget.time_s:g} s.")

    def _think(self) -> list[Instruction]:
        budget = self._budget
        if self.steps >= budget.steps:
            return self._fail("budget", f"It was not done after {self.steps} steps.")
        if self.tokens >= budget.tokens:
            reason = f"It was not done after {self.tokens:,} tokens; {budget.tokens:,} are allowed."
            return self._fail("budget", reason)
        left = None
        if budget.cost is not None:
            left = round(budget.cost - self.cost, DIGITS)
            if left <= 0:
                reason = f"It was not done for {money(self.cost)}; {money(budget.cost)} is allowed."
                return self._fail("budget", reason)
        self.state = "thinking"
        return [AskModel(tuple(self._chat), budget.tokens - self.tokens, left)]

    def _fail(
        self, why: Literal["budget", "time", "model", "impossible"], message: str
    ) -> list[Instruction]:
        self.state = "ended"
        return [Fail(why, message)]


_TABLE: dict[tuple[State, type], Callable[[Machine, Any], list[Instruction]]] = {
    ("idle", Begin): Machine._begin,
    ("thinking", Answered): Machine._answered,
    ("thinking", Unanswered): Machine._unanswered,
    ("thinking", Tick): Machine._late,
    ("calling", Called): Machine._returned,
    ("calling", CallFailed): Machine._failed,
    ("calling", Paused): Machine._paused,
    ("calling", Tick): Machine._late,
    ("waiting", Resumed): Machine._resumed,
    ("asking", Replied): Machine._replied,
}
