"""Outputs of tasks as words for people."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.telling.text import date
from constellation.telling.values import full, one_line

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(PLAIN)
def test_nothing_printed_can_move_the_cursor(value: Any) -> None:
    for shown in (one_line(value), full(value)):
        assert not any(ord(each) < 32 and each not in "\n\t" for each in shown)
        assert "\x7f" not in shown
    assert "\n" not in one_line(value)


@given(PLAIN, st.integers(min_value=1, max_value=200))
def test_one_line_keeps_its_limit(value: Any, limit: int) -> None:
    assert len(one_line(value, limit)) <= limit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("  two\n words ", "two words"),
        ({"exit_code": 0, "stdout": "hello\n", "stderr": ""}, "hello"),
        ({"exit_code": 0, "stdout": "", "stderr": "careful\n"}, "careful"),
        ({"path": "a.txt", "content": "one\ntwo"}, "one two"),
        (
            {"path": ".", "entries": [{}, {}], "names": ["a", "b"]},
            "path: ., entries: 2 items, names: a, b",
        ),
        ({"a": {"b": 1}, "c": None}, "a: 1 field"),
        ({"free_bytes": 25_276_510_208, "up_s": 90.0}, "free: 23.5 GiB, up: 1 min 30 s"),
        ({"bytes": True, "modified_s": 1.5e9}, f"bytes: true, modified: {date(1.5e9)}"),
        ([1, 2, 3, 4, 5, 6], "6 items"),
        ([1, 2], "1, 2"),
        (True, "true"),
    ],
)
def test_the_gist_of_an_output(value: Any, text: str) -> None:
    assert one_line(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\r\nb\n", "a\nb"),
        ({"stdout": "out\n", "stderr": "err\n", "exit_code": 0}, "out\nerr"),
        ({"a": 1, "b": None, "c": []}, "a: 1\nb: null\nc: []"),
        ({"a": [1, "x"]}, "a:\n  - 1\n  - x"),
        ({"a": "two\nlines"}, "a:\n  two\n  lines"),
        ([{"p": 1, "q": 2}, {"p": 3}], "- p: 1\n  q: 2\n- p: 3"),
        ([], "[]"),
        (None, "null"),
    ],
)
def test_the_whole_of_an_output(value: Any, text: str) -> None:
    assert full(value) == text
