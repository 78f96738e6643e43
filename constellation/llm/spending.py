"""What models cost: counted as their servers say, and bounded before they are asked. Pure.

How many tokens a prompt has is known only afterwards. So an estimate of it decides whether a model
may be asked, and how long its answer may be; what is counted then is the server's own figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from constellation.errors import PlanError

# A shorter answer is none.
LEAST_TOKENS = 16
# Of amounts of money that are told: sums of floats have more.
DIGITS = 9


class OverBudget(PlanError):
    """Asking the model might pass what may be spent on it."""

    code = "plan.budget"


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a million tokens of prompts and of answers, in any one currency."""

    prompts: float = 0.0
    answers: float = 0.0

    def of(self, prompt_tokens: float, answer_tokens: float) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompts + answer_tokens * self.answers) / 1e6


@dataclass(frozen=True, slots=True)
class Left:
    """What may still be spent.

    Attributes:
        tokens: of prompts and answers.
        cost: in the currency of the prices.
    """

    tokens: float = inf
    cost: float = inf

    def longest(self, prompt_tokens: int, prices: Prices, most: int) -> int:
        """How many tokens the answer to a prompt may have.

        Args:
            prompt_tokens: of the prompt, estimated.
            most: how many it may have whatever is left.

        Raises:
            OverBudget: the prompt leaves no room for an answer.
        """
        least = min(LEAST_TOKENS, most)
        room = min(self.tokens - prompt_tokens, most)
        if room < least:
            left = f"{max(0, int(self.tokens)):,} tokens are"
            raise _over(left, f"has {prompt_tokens:,}")
        prompt_cost = prices.of(prompt_tokens, 0)
        if prompt_cost + prices.of(0, least) > self.cost:
            raise _over(f"{money(max(0.0, self.cost))} is", f"costs {money(prompt_cost)}")
        if prices.answers:
            room = min(room, (self.cost - prompt_cost) * 1e6 / prices.answers)
        return int(room)


@dataclass(slots=True)
class Account:
    """What was spent on one piece of work.

    Attributes:
        tokens: of prompts and answers.
        cost: in the currency of the prices.
        max_cost: what may be spent, whatever the budget of who asks.
    """

    tokens: int = 0
    cost: float = 0.0
    max_cost: float = inf

    def pay(self, tokens: int, cost: float) -> None:
        """Count what an answer took."""
        self.tokens += tokens
        self.cost = round(self.cost + cost, DIGITS)

    def left(self, tokens: float, cost: float) -> Left:
        """What is left of a budget."""
        return Left(tokens - self.tokens, min(cost, self.max_cost) - self.cost)


def money(amount: float) -> str:
    """An amount in words: two decimals, and up to six where it has them."""
    whole, _, decimals = f"{amount:.6f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def _over(left: str, needed: str) -> OverBudget:
    return OverBudget(
        f"Asking the model might pass its budget: {left} left of it, and the prompt alone {needed} "
        "or so.",
        remedy="Raise the budget in the settings, or ask for less at once.",
    )
