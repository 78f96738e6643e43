"""Questions to policies that answer several robots at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..ports import Array, Observation, PolicySpec


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
