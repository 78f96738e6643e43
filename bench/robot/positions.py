"""A policy whose actions are positions instead of velocities; the same plans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents.robot.ports import Array, Observation, Policy, Semantics


class Positions:
    """Says where to be instead of how fast to go.

    Args:
        policy: whose actions are velocities of the commanded positions.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.spec = replace(policy.spec, semantics=Semantics.ABSOLUTE)

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next actions, (H, A)."""
        velocities = self._policy.infer(observation, state, delay, prefix)
        moved = velocities.cumsum(axis=0) / np.float32(self.spec.rate_hz)
        positions: Array = (state[: self.spec.action_dim] + moved).astype(np.float32)
        return positions
