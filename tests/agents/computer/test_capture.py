"""Keeping the beginning and the end of what a command prints."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.computer.capture import Capture


@given(st.text(), st.lists(st.integers(1, 5)), st.integers(1, 20))
def test_it_keeps_head_and_tail_however_the_bytes_come(
    text: str, sizes: list[int], limit: int
) -> None:
    data = text.encode("utf-8", "surrogatepass")
    expected = data.decode("utf-8", "replace")
    capture, shown, rest = Capture(limit), "", data
    for size in sizes:
        shown += capture.feed(rest[:size])
        rest = rest[size:]
    shown += capture.feed(rest)
    shown += capture.feed(b"", last=True)
    assert shown == expected
    half = max(1, limit // 2)
    if len(expected) <= 2 * half:
        assert capture.text() == expected
        assert not capture.truncated
    else:
        left_out = len(expected) - 2 * half
        gap = f"\n[… {left_out:,} characters left out …]\n"
        assert capture.text() == expected[:half] + gap + expected[-half:]
        assert capture.truncated
