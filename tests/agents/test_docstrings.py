"""Docstrings in Google's style, and in none."""

from __future__ import annotations

import pytest

from agents.docstrings import read_docstring


def test_summary_and_arguments() -> None:
    summary, arguments = read_docstring(
        """Do one thing
        well.

        And explain it.

        Args:
            first: is the first,
                and goes on.
            second, third: are alike.
            typed (int): has a type.

        Raises:
            ValueError: not an argument.
        """
    )
    assert summary == "Do one thing well."
    assert arguments == {
        "first": "is the first, and goes on.",
        "second": "are alike.",
        "third": "are alike.",
        "typed": "has a type.",
    }


@pytest.mark.parametrize("text", [None, "", "   \n  "])
def test_nothing(text: str | None) -> None:
    assert read_docstring(text) == ("", {})
