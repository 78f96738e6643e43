"""Guidance: known actions are kept, what depends on them follows, and nothing else is changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.robot.guidance import Pullback, denoised, weights
from agents.robot.ports import Array

HORIZON = 8


def constant(noisy: Array, time: float) -> tuple[Array, Pullback]:
    """Knows that all actions of a chunk are the same, drawn from a standard normal distribution.

    The clean chunk that it expects is the posterior's mean.
    """
    share = np.float32(time / ((1 - time) ** 2 + HORIZON * time**2))

    def spread(values: Array) -> Array:
        spread: Array = np.broadcast_to(
            share * values.sum(axis=1, keepdims=True), values.shape
        ).astype(np.float32)
        return spread

    # It is linear and symmetric: its own transposed Jacobian.
    return spread(noisy), spread


def noise(seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal((1, HORIZON, 1)).astype(np.float32)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20))
def test_what_will_be_executed_weighs_most_and_what_is_unknown_nothing(
    executed: int, known: int, horizon: int
) -> None:
    held = weights(executed, known, horizon)
    assert held.shape == (horizon,)
    assert (held[: min(executed, known)] == 1).all()
    assert (held[known:] == 0).all()
    assert (np.diff(held) <= 0).all()
    assert ((held >= 0) & (held <= 1)).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("value", [-1.5, 2.0])
def test_what_follows_goes_on_from_what_is_known(seed: int, value: float) -> None:
    target = np.full((1, HORIZON, 1), value, np.float32)
    held = weights(3, 3, HORIZON)[None]
    free = denoised(constant, noise(seed), 20)
    drawn = denoised(constant, noise(seed), 20, target=target, weight=held)
    assert np.abs(drawn - value).max() < 0.2 * abs(value)
    assert np.abs(free - value).max() > 2 * np.abs(drawn - value).max()


def test_without_weight_there_is_no_guidance() -> None:
    target = np.ones((1, HORIZON, 1), np.float32)
    free = denoised(constant, noise(0), 5)
    unheld = denoised(constant, noise(0), 5, target=target, weight=weights(0, 0, HORIZON)[None])
    np.testing.assert_array_equal(free, unheld)


def test_a_denoiser_that_knows_the_chunk_cannot_be_drawn_away() -> None:
    known = np.full((1, HORIZON, 1), 0.25, np.float32)
    target, held = np.ones_like(known), np.ones((1, HORIZON), np.float32)
    sure = denoised(
        lambda noisy, time: (known, np.zeros_like), noise(0), 5, target=target, weight=held
    )
    np.testing.assert_allclose(sure, known, atol=1e-6)
