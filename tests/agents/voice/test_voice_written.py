"""Spoken requests as they would have been typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.voice.utterances import words_of
from agents.voice.written import written

ONES = words_of("one two three four five six seven eight nine")
TENS = words_of("twenty thirty forty fifty sixty seventy eighty ninety")


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("Wait sixty seconds", "Wait 60 seconds"),
        ("wait five minutes", "wait 5 minutes"),
        ("Wait one minute", "Wait 1 minute"),
        ("wait twenty-five seconds", "wait 25 seconds"),
        ("wait a hundred and five seconds", "wait 105 seconds"),
        ("wait one hundred and five seconds", "wait 105 seconds"),
        ("files above two hundred megabytes", "files above 200 megabytes"),
        ("twelve thousand three hundred and one", "12301"),
        ("two million bytes", "2000000 bytes"),
        ("on the other one", "on the other one"),
        ("the first two machines", "the first two machines"),
        ("on desk and server", "on desk and server"),
        ("port eighty eighty", "port 80 80"),
        ("twenty and thirty percent", "20 and 30 percent"),
        ("read notes dot txt on desk", "read notes.txt on desk"),
        ("Dot the i", "Dot the i"),
        ("tell someone", "tell someone"),
        ("zero", "zero"),
        ("", ""),
    ],
)
def test_request_is_written_as_it_would_be_typed(said: str, typed: str) -> None:
    assert written(said) == typed


@given(st.text())
def test_writing_twice_changes_nothing_more(text: str) -> None:
    assert written(written(text)) == written(text)


@given(st.integers(2, 9), st.integers(1, 9))
def test_numbers_up_to_a_hundred(tens: int, ones: int) -> None:
    assert written(f"{TENS[tens - 2]} {ONES[ones - 1]}") == str(10 * tens + ones)
