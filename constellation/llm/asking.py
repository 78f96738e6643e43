"""Asking a model until its answer can be used: ask, check, say what is wrong, ask again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TypeVar

from pydantic import BaseModel

from .chat import ChatMessage, ChatModel, ModelUnavailable, to_mend
from .reply import UnreadableError, read

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


async def ask_until_usable(
    model: ChatModel,
    chat: Sequence[ChatMessage],
    kind: type[M],
    use: Callable[[M], T],
    *,
    repairs: int,
    tokens: int,
    cost: float = inf,
    heard: Callable[[str], None] | None = None,
) -> T:
    """What `use` makes of an answer.

    Args:
        chat: what is asked.
        kind: what the answer shall be.
        use: makes something of it, or raises `UnreadableError`, whose problems the model is told.
        repairs: how often an answer that cannot be used is sent back.
        tokens: of all answers together, prompts included.
        cost: of all answers together.
        heard: told each piece of the first answer as it comes.

    Raises:
        UnreadableError: the last answer could not be used either.
        ModelUnavailable: there was no answer, or too much is spent.
    """
    spent, paid = 0, 0.0
    asked = list(chat)
    while True:
        answer = await model.answer(asked, kind, heard)
        heard = None
        spent += answer.tokens
        paid += answer.cost
        try:
            return use(read(answer.text, kind))
        except UnreadableError as error:
            if not repairs:
                raise
            problems = error.problems
        if spent >= tokens:
            raise ModelUnavailable(
                f"The model used {spent} tokens and gave no answer that can be used; "
                f"{tokens} are allowed.",
                remedy="Raise its tokens in the settings, or say it in fewer words.",
            )
        if paid >= cost:
            raise ModelUnavailable(
                f"The model cost {paid:.4g} and gave no answer that can be used; {cost:.4g} is "
                "allowed.",
                remedy="Raise its cost in the settings, or say it in fewer words.",
            )
        repairs -= 1
        asked += to_mend(answer.text, problems)
