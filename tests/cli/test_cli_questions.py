"""Questions of tasks: how they are found, asked and answered."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from constellation.cli.questions import (
    how_to_answer,
    open_questions,
    prompt_line,
    read_answer,
)
from constellation.telling.values import say_answer

APPROVAL = {"id": "q1", "kind": "approval", "prompt": "Run rm -rf build?"}
CHOICE = {"id": "q2", "kind": "choice", "prompt": "Where?", "options": ["desk", 7]}
TEXT = {"id": "q3", "kind": "text", "prompt": "Name?"}


@pytest.mark.parametrize(
    ("question", "typed", "answer"),
    [
        (APPROVAL, "y\n", True),
        (APPROVAL, " YES ", True),
        (APPROVAL, "\n", False),
        (APPROVAL, "", False),
        (APPROVAL, "no", False),
        (CHOICE, "desk", "desk"),
        (CHOICE, "7", 7),
        (TEXT, " Ada \n", "Ada"),
    ],
)
def test_answers(question: dict[str, Any], typed: str, answer: Any) -> None:
    assert read_answer(question, typed) == answer


@pytest.mark.parametrize(("question", "typed"), [(APPROVAL, "maybe"), (CHOICE, "phone")])
def test_answers_that_are_none(question: dict[str, Any], typed: str) -> None:
    with pytest.raises(typer.BadParameter, match=typed):
        read_answer(question, typed)


def test_an_approval_defaults_to_no() -> None:
    assert "[y/N]" in prompt_line(APPROVAL)


def test_a_choice_names_its_options() -> None:
    assert "desk, 7" in prompt_line(CHOICE)


def test_open_questions_are_found() -> None:
    shown = {"graph": {"nodes": [{"task": {"id": "a"}}, {"task": {"id": "b"}, "question": TEXT}]}}
    assert open_questions(shown) == [{**TEXT, "task": "b"}]


def test_the_command_that_answers_fits_the_question() -> None:
    assert how_to_answer("c-1", "wipe", APPROVAL) == "constellation approve c-1 wipe [--deny]"
    assert how_to_answer("c-1", "pick", CHOICE) == "constellation approve c-1 pick --answer TEXT"


def test_answers_in_words() -> None:
    assert [say_answer(each) for each in (True, False, "x\x1b")] == ["yes", "no", "x\\x1b"]
