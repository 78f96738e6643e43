"""Small formats, and data from other machines made safe for a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.cli.text import clean, duration, full, one_line, plural


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0 ms"),
        (0.0421, "42 ms"),
        (0.9996, "1.0 s"),
        (2.51, "2.5 s"),
        (59.96, "1 min 0 s"),
        (185.2, "3 min 5 s"),
        (7800.0, "2 h 10 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_escape_sequences_are_shown_and_not_obeyed() -> None:
    assert clean("rm\x1b[2K\x07 \x9b31m") == "rm\\x1b[2K\\x07 \\x9b31m"


def test_text_that_runs_backwards_is_shown() -> None:
    assert clean("a\u202etxt.exe") == "a\\x202etxt.exe"


def test_tabs_and_lines_stay() -> None:
    assert clean("a\tb\nc") == "a\tb\nc"


@given(st.text())
def test_nothing_printed_can_move_the_cursor(text: str) -> None:
    for shown in (one_line(text), full(text)):
        assert not any(ord(each) < 32 and each not in "\n\t" for each in shown)
        assert "\x7f" not in shown
    assert "\n" not in one_line(text)


@given(st.text(), st.integers(min_value=1, max_value=200))
def test_one_line_keeps_its_limit(text: str, limit: int) -> None:
    assert len(one_line(text, limit)) <= limit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("  two\n words ", "two words"),
        ({"code": 0, "stdout": "hello\n", "stderr": ""}, "code: 0, stdout: hello"),
        ([1, 2, 3, 4], "4 items"),
        ([1, 2], "[1, 2]"),
        (True, "true"),
        ({"a": {"b": 1}}, "a: b: 1"),
    ],
)
def test_the_gist_of_an_output(value: Any, text: str) -> None:
    assert one_line(value) == text


def test_the_whole_of_an_output() -> None:
    assert full("a\r\nb\n") == "a\nb"
    assert full({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'


def test_plurals() -> None:
    assert plural(1, "task") == "1 task"
    assert plural(0, "task") == "0 tasks"
