"""Real-time chunking by guidance: a chunk out of noise, drawn towards the one that runs. Pure.

A denoiser turns noise into a chunk in small steps, each towards the clean chunk that it expects.
Guidance adds to each step the direction in which that expectation comes nearer to what is known:
the actions that will be executed meanwhile, and with falling weight those after them (Black,
Galliker and Levine, arXiv 2506.07339, equations 2 to 5). The policy need not be trained for it.

Shapes: B questions, H actions, A joints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

from .ports import Array

# Of a change of the expected chunk, (B, H, A), what change of the noisy one makes it: the product
# with the Jacobian, transposed.
Pullback: TypeAlias = Callable[[Array], Array]

# A guidance without a bound would be infinite at first; 5 is the authors' choice.
MOST = 5.0


class Denoiser(Protocol):
    """What a policy by flow matching or diffusion knows of one question, or of B."""

    def __call__(self, noisy: Array, time: float) -> tuple[Array, Pullback]:
        """The clean chunk that it expects.

        A network that tells the velocity v of the flow expects ``noisy + (1 - time) * v``.

        Args:
            noisy: (B, H, A), ``(1 - time) * noise + time * clean``.
            time: from 0, all noise, to 1.

        Returns:
            (B, H, A), and its pull-back to the noisy chunk.
        """
        ...


def weights(executed: int, known: int, horizon: int) -> Array:
    """How firmly each action of a new chunk is held to the old one, (H,).

    Args:
        executed: actions that will be executed before the answer is there: 1.
        known: actions of the old chunk; from `executed` on they fall to nothing.
        horizon: H.
    """
    index = np.arange(horizon)
    left = np.clip((known - index) / max(known - executed + 1, 1), 0.0, 1.0)
    falling = left * np.expm1(left) / np.expm1(1.0)
    whole = np.where(index < executed, 1.0, falling)
    held: Array = np.where(index < known, whole, 0.0).astype(np.float32)
    return held


def denoised(
    denoiser: Denoiser,
    noise: Array,
    steps: int,
    *,
    target: Array | None = None,
    weight: Array | None = None,
    most: float = MOST,
) -> Array:
    """A chunk out of noise, by Euler's method.

    Args:
        noise: (B, H, A).
        steps: of the denoiser.
        target: what the chunk is drawn towards, (B, H, A); None for no guidance.
        weight: how firmly, (B, H), from 0 to 1.
        most: the bound on guidance.

    Returns:
        (B, H, A).
    """
    chunk = noise
    for index in range(steps):
        time = index / steps
        clean, pullback = denoiser(chunk, time)
        velocity = (clean - chunk) / np.float32(1 - time)
        if target is not None and weight is not None:
            missing = weight[:, :, None] * (target - clean)
            velocity = velocity + np.float32(_strength(time, most)) * pullback(missing)
        chunk = chunk + velocity / np.float32(steps)
    return chunk


def _strength(time: float, most: float) -> float:
    """Of guidance: (1 - τ) / (τ r²) with r² = (1 - τ)² / (τ² + (1 - τ)²), bounded."""
    if time == 0.0:
        return most
    left = 1 - time
    return min(most, (time**2 + left**2) / (time * left))
