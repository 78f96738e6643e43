"""Trains the policies that ship with the robot agent: `python -m bench.robot train`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.robot.policies.inputs import Kind
from agents.robot.policies.local import weights_of
from agents.robot.sims.robot import WORLDS

from .data import recorded, samples
from .learning import Training, fitted

EPISODES = 128
SEED = 2026


@dataclass(frozen=True, slots=True)
class Trained:
    """How a training went.

    Attributes:
        name: of the policy.
        unexplained: share of the variance of the expert's actions, in the last epoch.
        seconds: that it took.
    """

    name: str
    unexplained: float
    seconds: float


def train(
    world: str,
    kind: Kind,
    *,
    seed: int = SEED,
    training: Training | None = None,
    episodes: int = EPISODES,
    path: Path | None = None,
) -> Trained:
    """Trains one policy and writes its network.

    Args:
        world: its name.
        path: where to; None for where it ships.
    """
    began = time.perf_counter()
    rng = np.random.default_rng(seed)
    training = training or Training()
    played = WORLDS[world](episodes, rng)
    record = recorded(played, rng)
    inputs, outputs = samples(kind, played, record, training.samples, rng)
    network, loss = fitted(inputs, outputs, training, rng)
    network.save(path or weights_of(world, kind))
    return Trained(f"{world}-{kind}", loss, time.perf_counter() - began)
