"""Questions that tasks ask: finding them, wording them, reading a person's answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from constellation.telling.questions import parse_answer
from constellation.telling.text import clean


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
    try:
        return parse_answer(question, text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def how_to_answer(constellation: str, task: str, question: Mapping[str, Any]) -> str:
    """The command that answers a question from elsewhere."""
    command = f"constellation approve {constellation} {task}"
    return f"{command} [--deny]" if question["kind"] == "approval" else f"{command} --answer TEXT"
