"""What could not be placed in a request, and the error that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from constellation.errors import PlanError


@dataclass(frozen=True, slots=True)
class Problem:
    """One part of a request that cannot be planned as it stands.

    Attributes:
        clause: that part, as typed.
        reason: why, one sentence.
        suggestions: what could be said instead, best first.
    """

    clause: str
    reason: str
    suggestions: tuple[str, ...] = ()


class UnplacedError(Exception):
    """Carries a problem from where it is found to where problems are collected.

    Args:
        follows: it may only be there because an earlier clause could not be placed.
    """

    def __init__(
        self, clause: str, reason: str, suggestions: Sequence[str] = (), *, follows: bool = False
    ) -> None:
        super().__init__(reason)
        self.problem = Problem(clause, reason, tuple(dict.fromkeys(suggestions)))
        self.follows = follows


def shortened(text: str, length: int = 200) -> str:
    """A text that fits into a message: its start and an ellipsis if it is longer."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def refusal(problems: Sequence[Problem]) -> PlanError:
    """One error for all that could not be placed; ``details["problems"]`` lists it."""
    first = problems[0]
    message = f"I cannot place “{shortened(first.clause)}”: {first.reason}"
    others = [f"“{shortened(problem.clause)}”" for problem in problems[1:]]
    if others:
        message += f" Nor {' nor '.join(others)}."
    remedy = f"Did you mean: {' — or — '.join(first.suggestions)}?" if first.suggestions else ""
    return PlanError(message, remedy=remedy, problems=[asdict(problem) for problem in problems])
