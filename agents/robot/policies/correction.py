"""A policy with a light head that corrects its actions by what is seen when they are executed.

Source: A2C2, arXiv 2509.23224. The head looks at the observation of now, the action that the chunk
has for now, and how old the observation is on which the chunk rests; it adds to the action.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..ports import Array, Observation
from ..safety import Vector
from ..sims.world import Things, World
from .inputs import HORIZON, LONGEST
from .network import Network
from .questions import BatchPolicy, InBatches, Question, stacked


def corrected_inputs(
    world: World, state: Vector, things: Things, actions: Vector, age: Vector
) -> Array:
    """What the head is shown, (B, F).

    Args:
        state, things: as sensed now.
        actions: of the chunk for now, (B, A).
        age: control steps since the observation that the chunk rests on, (B,).
    """
    told = np.minimum(age, HORIZON + LONGEST)[:, None] / (HORIZON + LONGEST)
    columns = (world.features(state, things), actions, told)
    return np.concatenate(columns, axis=1).astype(np.float32)


class Corrected(InBatches):
    """A policy and its head.

    Args:
        world: to compute features with.
        policy: makes the chunks.
        head: from `corrected_inputs` to what is added to an action, (B, A).
        name: of both together.
    """

    def __init__(self, world: World, policy: BatchPolicy, head: Network, name: str) -> None:
        self._world = world
        self._policy = policy
        self._head = head
        self.spec = replace(policy.spec, name=name, corrects=True)

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next actions for several robots at once, (B, H, A)."""
        return self._policy.infer_batch(questions)

    def correct(self, observation: Observation, action: Array, age: int) -> Array:
        """The action to take instead, (A,)."""
        state, things, _ = stacked([Question(observation, observation.state)])
        shown = corrected_inputs(
            self._world, state, things, action[None].astype(np.float64), np.array([float(age)])
        )
        better: Array = action + self._head(shown)[0]
        return better
