"""Reading a model's answer: JSON, however it is wrapped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)

MAX_PROBLEMS = 10
_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_DECODER = json.JSONDecoder()


class UnreadableError(Exception):
    """An answer that cannot be used.

    Attributes:
        problems: what is wrong with it, one sentence each, for the model to mend.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def read(text: str, kind: type[M]) -> M:
    """Find the JSON object in an answer and read it.

    Models without structured output think aloud, fence their JSON or talk around it; the first
    object that can be decoded counts.

    Raises:
        UnreadableError: there is none, or it is not what was asked for.
    """
    found = _first_object(_THOUGHTS.sub("", text))
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise UnreadableError(list(_problems(error))) from None


def _first_object(text: str) -> dict[str, Any]:
    first_mistake = ""
    for match in re.finditer(r"\{", text):
        try:
            value, _ = _DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError) as error:
            # Braces inside an object that is broken are no objects of their own.
            first_mistake = first_mistake or str(error)
            break
        if isinstance(value, dict):
            return value
    if first_mistake:
        raise UnreadableError([f"The answer is not valid JSON: {first_mistake}."])
    raise UnreadableError(["The answer holds no JSON object."])


def _problems(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False)[:MAX_PROBLEMS]:
        where = ".".join(str(part) for part in each["loc"]) or "the answer"
        yield f"{where}: {each['msg']}."
