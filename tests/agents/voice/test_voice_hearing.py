"""What the microphone heard, by time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.voice.hearing import Memory
from agents.voice.sound import RATE_HZ, Samples

BLOCK = RATE_HZ // 50


def numbered(first: int, count: int) -> Samples:
    return np.arange(first, first + count, dtype=np.float32)


def filled(blocks: int, kept_s: float = 1.0) -> Memory:
    memory = Memory(kept_s)
    for n in range(blocks):
        memory.push(numbered(n * BLOCK, BLOCK), (n + 1) * 0.02)
    return memory


@given(st.integers(0, 100), st.integers(0, 2_000))
def test_sound_is_found_to_the_sample(blocks: int, begin_ms: int) -> None:
    found = filled(blocks).since(begin_ms / 1000)
    heard = blocks * BLOCK
    first = max(begin_ms * RATE_HZ // 1000, heard - RATE_HZ)
    assert found.tolist() == list(range(first, heard))


def test_what_was_held_up_belongs_to_when_it_came() -> None:
    memory = filled(10)
    # Half a second in which nothing came, and then all of it.
    for n in range(10, 35):
        memory.push(numbered(n * BLOCK, BLOCK), 0.7)
    assert memory.since(0.65)[0] == 10 * BLOCK
    assert memory.since(0.1)[0] == 5 * BLOCK
    assert len(memory.since(0.7)) == 0


def test_what_never_came_is_not_made_up_for_by_older_sound() -> None:
    memory = filled(10)
    memory.push(numbered(10 * BLOCK, BLOCK), 0.9)
    assert memory.since(0.5).tolist() == numbered(10 * BLOCK, BLOCK).tolist()
