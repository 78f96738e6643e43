"""What the assistant's machine hears and what it says. Pure.

Everything here is plain data, so that a trajectory holds all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from constellation.aip.cards import Effect
from constellation.llm.chat import ChatMessage


@dataclass(frozen=True, slots=True)
class Budget:
    """What one task may cost.

    Attributes:
        steps: answers of the model.
        tokens: of all answers together, prompts included.
        cost: of all answers together, at the model's prices; None for no bound.
        time_s: while no person is waited for.
        repairs: answers in a row that cannot be used.
    """

    steps: int = 20
    tokens: int = 100_000
    time_s: float = 600.0
    repairs: int = 2
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A skill of the device, as the model is told of it."""

    name: str
    description: str
    effect: Effect
    input: dict[str, Any]


# ── what it hears ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Begin:
    """A person's words, and what may be used for them.

    Attributes:
        data: what the words are about, if others wrote it; None for nothing.
    """

    instruction: str
    tools: tuple[Tool, ...]
    budget: Budget
    data: Any = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The model answered; ``tokens`` and ``cost`` are what that took, prompt included."""

    text: str
    tokens: int
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The model gave no answer, or was not asked because the answer might have cost too much."""

    reason: str
    over_budget: bool = False


@dataclass(frozen=True, slots=True)
class Called:
    """A skill returned."""

    output: Any


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A skill failed, or was not allowed; the parts are those of an error on the wire."""

    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Replied:
    """A person answered the assistant's question."""

    text: str


@dataclass(frozen=True, slots=True)
class Paused:
    """A person is waited for: time stands still."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The person has decided."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The machine's deadline has come."""


Event = Begin | Answered | Unanswered | Called | CallFailed | Replied | Paused | Resumed | Tick


# ── what it says ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AskModel:
    """Give this chat to the model; hear `Answered` or `Unanswered`.

    Attributes:
        tokens, cost: what that may take; None for no bound.
    """

    chat: tuple[ChatMessage, ...]
    tokens: int
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Call a skill; hear `Called` or `CallFailed`.

    Attributes:
        tainted: True if the model has read what others wrote before it wanted this.
    """

    skill: str
    arguments: dict[str, Any]
    tainted: bool


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Put a question to a person; hear `Replied`."""

    question: str


@dataclass(frozen=True, slots=True)
class Report:
    """Tell how far it is, from 0 to 1."""

    fraction: float
    message: str


@dataclass(frozen=True, slots=True)
class Finish:
    """It is done."""

    answer: str
    steps: int
    tokens: int
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Fail:
    """It is given up.

    Attributes:
        why: ``budget`` (steps, tokens or money), ``time``, ``model`` (no answer, or none that can
            be used) or ``impossible`` (the model's own word).
    """

    why: Literal["budget", "time", "model", "impossible"]
    message: str


Instruction = AskModel | Call | AskPerson | Report | Finish | Fail
