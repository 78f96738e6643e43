"""Budgets of models: whatever is left, no answer that is asked for can pass it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.llm.spending import Account, Left, OverBudget, Prices, money

price = st.floats(0, 1e4) | st.just(0.0)
amount = st.floats(0, 1e6) | st.just(float("inf"))
count = st.integers(0, 10**9)


@given(amount, amount, count, price, price, st.integers(1, 10**6))
def test_an_answer_never_passes_what_is_left(
    tokens: float, cost: float, prompt: int, of_prompts: float, of_answers: float, most: int
) -> None:
    prices = Prices(of_prompts, of_answers)
    try:
        longest = Left(tokens, cost).longest(prompt, prices, most)
    except OverBudget:
        return
    assert 1 <= longest <= most
    assert prompt + longest <= tokens
    assert prices.of(prompt, longest) <= cost * (1 + 1e-9)


@given(st.lists(st.tuples(count, st.floats(0, 100))))
def test_an_account_adds_up(answers: list[tuple[int, float]]) -> None:
    account = Account()
    for each in answers:
        account.pay(*each)
    assert account.tokens == sum(tokens for tokens, _ in answers)
    assert account.cost == pytest.approx(sum(cost for _, cost in answers), abs=1e-6)
    left = account.left(10.0, 5.0)
    assert (left.tokens, left.cost) == (10.0 - account.tokens, 5.0 - account.cost)


@pytest.mark.parametrize(
    ("amount", "said"),
    [(0, "0.00"), (0.5, "0.50"), (12, "12.00"), (0.000544, "0.000544"), (1e-9, "0.00")],
)
def test_amounts_in_words(amount: float, said: str) -> None:
    assert money(amount) == said
