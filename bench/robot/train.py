"""Trains the policies that ship with the robot agent: `python -m bench.robot train`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from agents.robot.policies.inputs import Kind
from agents.robot.policies.local import local_policy, weights_of
from agents.robot.sims.robot import WORLDS
from agents.robot.sims.world import World

from .data import Record, branches, corrections, executed, recorded, samples
from .flows import FlowFit, FlowTraining
from .learning import Training, fitted

# Of a head, which is light: it runs within a control step.
HEAD = Training(hidden=(64, 64), epochs=30)

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
    training: Training | FlowTraining | None = None,
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
    played = WORLDS[world](episodes, rng)
    record = recorded(played, rng)
    to = path or weights_of(world, kind)
    if kind in (Kind.FLOW, Kind.FLOW_STANDARD, Kind.INPAINT):
        how = training if isinstance(training, FlowTraining) else FlowTraining()
        if kind is Kind.FLOW_STANDARD:
            how = replace(how, observations=how.observations * how.branches, branches=1)
        loss = _flow(kind, played, record, how, rng, to)
    else:
        given = training if isinstance(training, Training) else None
        loss = _network(kind, played, record, given, rng, to)
    return Trained(f"{world}-{kind}", loss, time.perf_counter() - began)


def _network(
    kind: Kind,
    world: World,
    record: Record,
    training: Training | None,
    rng: np.random.Generator,
    path: Path,
) -> float:
    if kind is Kind.CORRECTED:
        training = training or HEAD
        base = local_policy(world.task.name, Kind.DELAY)
        inputs, outputs = corrections(world, record, base, training.samples, rng)
    else:
        training = training or Training()
        inputs, outputs = samples(kind, world, record, training.samples, rng)
    network, loss = fitted(inputs, outputs, training, rng)
    network.save(path)
    return loss


def _flow(
    kind: Kind,
    world: World,
    record: Record,
    training: FlowTraining,
    rng: np.random.Generator,
    path: Path,
) -> float:
    drawn = executed if kind is Kind.INPAINT else branches
    if kind is Kind.FLOW_STANDARD:
        drawn = partial(branches, longest=0)
    data = drawn(world, record, training.observations, training.branches, rng)
    fit, loss = FlowFit(data, training, rng), 0.0
    for _ in range(training.epochs):
        loss = fit.epoch()
    fit.flow().save(path)
    return loss
