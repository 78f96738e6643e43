"""Questions to policies that answer several robots at once. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..ports import Array, Observation, PolicySpec
from ..safety import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What a policy is asked: the arguments of `Policy.infer`."""

    observation: Observation
    state: Array
    delay: int | None = None
    prefix: Array | None = None


class BatchPolicy(Protocol):
    """A policy that answers several questions at once."""

    @property
    def spec(self) -> PolicySpec:
        """What it declares about itself."""
        ...

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next actions, (B, H, A). May block."""
        ...


class InBatches(ABC):
    """A policy that answers one question as a batch of one."""

    @abstractmethod
    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next actions for several robots at once, (B, H, A)."""

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next actions, (H, A)."""
        actions: Array = self.infer_batch([Question(observation, state, delay, prefix)])[0]
        return actions


def stacked(questions: Sequence[Question]) -> tuple[Vector, dict[str, Vector], Vector]:
    """The states, (B, S), the things that were sensed, (B, k) each, and the delays, (B,)."""
    state = np.stack([each.state for each in questions]).astype(np.float64)
    names = questions[0].observation.values
    things = {
        name: np.stack([each.observation.values[name] for each in questions]).astype(np.float64)
        for name in names
    }
    delay = np.array([float(each.delay or 0) for each in questions])
    return state, things, delay
