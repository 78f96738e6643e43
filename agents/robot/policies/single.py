"""Policies that answer one question at a time, for a server that asks several at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from constellation.errors import ConfigError

from ...loading import load_module
from ..ports import Array, Policy, PolicySpec
from .questions import BatchPolicy, Question


class OneByOne:
    """Answers a batch one question after the other.

    Args:
        policy: that takes one.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    @property
    def spec(self) -> PolicySpec:
        """What the policy declares about itself."""
        return self._policy.spec

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next actions, (B, H, A)."""
        return np.stack(
            [
                self._policy.infer(each.observation, each.state, each.delay, each.prefix)
                for each in questions
            ]
        )


def policy_of(file: Path) -> BatchPolicy:
    """The policy of a file's `policy()`.

    Raises:
        ConfigError: the file has no such function.
    """
    maker = getattr(load_module(file), "policy", None)
    if not callable(maker):
        raise ConfigError(
            f"{file} has no function policy().", remedy="See docs/howto/robot.md.", file=str(file)
        )
    made = maker()
    batched: BatchPolicy = made if hasattr(made, "infer_batch") else OneByOne(made)
    return batched
