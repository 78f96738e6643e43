"""Questions that tasks ask: finding them, wording them, reading a person's answer.

A question is AIP's ``{"id", "kind", "prompt", "options"?}``; the answer to an ``approval`` is true
or false, to a ``choice`` one of its options, to a ``text`` any text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from constellation.telling.text import clean

YES = frozenset({"y", "yes", "true", "approve", "ok"})
NO = frozenset({"", "n", "no", "false", "deny"})


def open_questions(shown: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The questions in what `show` answered, each with the id of its task as ``task``."""
    return [
        {**node["question"], "task": node["task"]["id"]}
        for node in shown["graph"]["nodes"]
        if node.get("question")
    ]


def prompt_line(question: Mapping[str, Any]) -> str:
    """The words that stand before the cursor."""
    kind = question["kind"]
    if kind == "approval":
        return "Allow it? [y/N] "
    if kind == "choice":
        return f"One of {', '.join(clean(str(each)) for each in question['options'])}: "
    return "Answer: "


def read_answer(question: Mapping[str, Any], text: str) -> Any:
    """Turn what a person typed into an answer.

    Raises:
        typer.BadParameter: it is none of the possible answers.
    """
    word = text.strip()
    kind = question["kind"]
    if kind == "approval":
        if word.lower() not in YES | NO:
            raise typer.BadParameter(f"{word!r} is neither yes nor no.")
        return word.lower() in YES
    if kind == "choice":
        options = question["options"]
        found = next((each for each in options if str(each) == word), None)
        if found is None:
            raise typer.BadParameter(
                f"{word!r} is not one of {', '.join(str(each) for each in options)}."
            )
        return found
    return word


def how_to_answer(constellation: str, task: str, question: Mapping[str, Any]) -> str:
    """The command that answers a question from elsewhere."""
    command = f"constellation approve {constellation} {task}"
    return f"{command} [--deny]" if question["kind"] == "approval" else f"{command} --answer TEXT"
