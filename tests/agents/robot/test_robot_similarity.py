"""What is left out of a camera's pictures, and what never is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.robot.similarity import Similarity

SIZE = (40, 30, 3)


def scene(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, SIZE).astype(np.uint8)


def test_what_stands_still_is_left_out_but_not_for_long() -> None:
    similarity = Similarity(most_skip_s=1.0)
    sent = [n for n in range(31) if similarity.is_new(scene(), n / 10)]
    assert sent == [0, 10, 20, 30]


@given(st.integers(0, 39), st.integers(0, 29))
def test_a_small_thing_that_appears_is_new(row: int, column: int) -> None:
    similarity = Similarity()
    assert similarity.is_new(scene(), 0.0)
    with_thing = scene()
    with_thing[max(row - 3, 0) : row + 3, max(column - 3, 0) : column + 3] = 255
    assert similarity.is_new(with_thing, 0.01)
    assert not similarity.is_new(with_thing, 0.02)


@given(st.integers(0, 1_000))
def test_noise_alone_is_not_new(seed: int) -> None:
    similarity = Similarity()
    similarity.is_new(scene(), 0.0)
    noise = np.random.default_rng(seed).integers(-3, 4, SIZE)
    assert not similarity.is_new((scene() + noise).clip(0, 255).astype(np.uint8), 0.01)


def test_what_changes_slowly_is_new_in_the_end() -> None:
    """Each is compared with the last that was sent, not with the one before."""
    similarity = Similarity(most_skip_s=1e9)
    sent = [n for n in range(50) if similarity.is_new(scene() + np.uint8(n), n / 50)]
    assert sent[0] == 0
    assert all(2 <= later - earlier <= 5 for earlier, later in pairwise(sent))


@given(
    st.lists(st.tuples(st.floats(0.0, 0.4), st.integers(0, 2)), min_size=1, max_size=60),
    st.floats(0.1, 2.0),
)
def test_nobody_is_starved(steps: list[tuple[float, int]], most_skip_s: float) -> None:
    """Between two that are sent there is no more than the bound and one interval; and whatever
    looks different from the last that was sent is sent at once."""
    similarity = Similarity(most_skip_s)
    now, sent_at, last = 0.0, None, None
    for interval, which in steps:
        now += interval
        if similarity.is_new(scene(which), now):
            assert sent_at is None or now - sent_at <= most_skip_s + 0.4 or which != last
            sent_at, last = now, which
        else:
            assert which == last
            assert sent_at is not None
            assert now - sent_at < most_skip_s


def test_another_size_is_new() -> None:
    similarity = Similarity()
    similarity.is_new(scene(), 0.0)
    assert similarity.is_new(scene()[:20], 0.0)
    assert similarity.is_new(np.zeros((0, 0, 3), np.uint8), 0.0)
