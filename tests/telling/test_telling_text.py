"""Small formats, and data from other machines made safe for a terminal."""

from __future__ import annotations

import pytest

from constellation.telling.text import clean, duration, plural, size


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


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (4 << 20, "4.0 MiB"),
        (9e15, "8185.5 TiB"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


def test_plurals() -> None:
    assert plural(1, "task") == "1 task"
    assert plural(0, "task") == "0 tasks"
