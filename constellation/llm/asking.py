"""Asking a model until its answer can be used: ask, check, say what is wrong, ask again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
) -> T:
    """What `use` makes of an answer.

    Args:
        chat: what is asked.
        kind: what the answer shall be.
        use: makes something of it, or raises `UnreadableError`, whose problems the model is told.
        repairs: how often an answer that cannot be used is sent back.
        tokens: of all answers together, prompts included.

    Raises:
        UnreadableError: the last answer could not be used either.
        ModelUnavailable: there was no answer, or the tokens are spent.
    """
    spent = 0
    asked = list(chat)
    while True:
        answer = await model.answer(asked, kind)
        spent += answer.tokens
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
        repairs -= 1
        asked += to_mend(answer.text, problems)
