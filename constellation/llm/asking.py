"""Asking a model until its answer can be used: ask, check, say what is wrong, ask again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic import BaseModel

from .chat import ChatMessage, ChatModel, to_mend
from .reply import UnreadableError, read
from .spending import Account

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


async def ask_until_usable(
    model: ChatModel,
    chat: Sequence[ChatMessage],
    kind: type[M],
    use: Callable[[M], T],
    *,
    repairs: int,
    tokens: float,
    cost: float,
    account: Account | None = None,
    heard: Callable[[str], None] | None = None,
) -> T:
    """What `use` makes of an answer.

    Args:
        chat: what is asked.
        kind: what the answer shall be.
        use: makes something of it, or raises `UnreadableError`, whose problems the model is told.
        repairs: how often an answer that cannot be used is sent back.
        tokens: of all answers together, prompts included.
        cost: of all answers together, at the model's prices.
        account: what has been spent of that before, and where it is counted.
        heard: told each piece of the first answer as it comes.

    Raises:
        UnreadableError: the last answer could not be used either.
        ModelUnavailable: there was no answer.
        OverBudget: the next one might cost too much.
    """
    account = account or Account()
    asked = list(chat)
    while True:
        answer = await model.answer(asked, kind, heard, account.left(tokens, cost))
        heard = None
        account.pay(answer.tokens, answer.cost)
        try:
            return use(read(answer.text, kind))
        except UnreadableError as error:
            if not repairs:
                raise
            problems = error.problems
        repairs -= 1
        asked += to_mend(answer.text, problems)
