"""What a person typed, as the answer to a question that a task asks.

A question is AIP's ``{"id", "kind", "prompt", "options"?}``; the answer to an ``approval`` is true
or false, to a ``choice`` one of its options, to a ``text`` any text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

YES = frozenset({"y", "yes", "true", "approve", "ok"})
NO = frozenset({"", "n", "no", "false", "deny"})


def parse_answer(question: Mapping[str, Any], text: str) -> Any:
    """Turn what a person typed into an answer.

    Raises:
        ValueError: it is none of the possible answers; the message says which are.
    """
    word = text.strip()
    kind = question["kind"]
    if kind == "approval":
        if word.lower() not in YES | NO:
            raise ValueError(f"{word!r} is neither yes nor no.")
        return word.lower() in YES
    if kind == "choice":
        options = question["options"]
        found = next((each for each in options if str(each) == word), None)
        if found is None:
            raise ValueError(f"{word!r} is not one of {', '.join(str(each) for each in options)}.")
        return found
    return word
