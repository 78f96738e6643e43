"""A small graph network in NumPy: jobs of a graph to embeddings, pairs of job and device to scores.

Messages pass along the edges of the task graph in both directions; each round adds to what a job
knew before. One head moves a job's place in the order, the other judges a device for a job. Both
begin at zero, where the rule that is learned is the rule it is added to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = dict[str, Array]

JOB_FEATURES = 8
DEVICE_FEATURES = 6
WIDTH = 16
ROUNDS = 3


def fresh(seed: int) -> Weights:
    """Weights to begin with; the last layer of each head is zero."""
    random = np.random.default_rng(seed)

    def layer(inputs: int, outputs: int) -> Array:
        return random.normal(0.0, inputs**-0.5, (inputs, outputs))

    weights = {"in": layer(JOB_FEATURES, WIDTH), "in bias": np.zeros(WIDTH)}
    for each in range(ROUNDS):
        weights[f"round {each}"] = layer(3 * WIDTH, WIDTH)
        weights[f"round {each} bias"] = np.zeros(WIDTH)
    weights["order"] = np.zeros(WIDTH)
    weights["pair"] = layer(WIDTH + DEVICE_FEATURES, WIDTH)
    weights["pair bias"] = np.zeros(WIDTH)
    weights["device"] = np.zeros(WIDTH)
    return weights


def load(path: Path) -> Weights:
    """Weights as `save` wrote them."""
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name].astype(np.float64) for name in found.files}


def save(weights: Weights, path: Path) -> None:
    """Write weights in single precision."""
    np.savez(path, **{name: each.astype(np.float32) for name, each in weights.items()})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Embedded:
    """What the network made of a graph of n jobs.

    Attributes:
        features: (n, `JOB_FEATURES`), what went in.
        above, below: (n, n), the mean over what a job waits for, and over what waits for it.
        inputs, states: of each round; states have one more, the embeddings (n, `WIDTH`) last.
        order: (n,), what is added to the logarithm of each job's rank.
    """

    features: Array
    above: Array
    below: Array
    inputs: tuple[Array, ...]
    states: tuple[Array, ...]
    order: Array


def means(count: int, edges: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """The matrices `Embedded.above` and `Embedded.below` of edges between numbered jobs."""
    waits = np.zeros((count, count))
    for source, target in edges:
        waits[target, source] = 1.0
    above = waits / np.maximum(1.0, waits.sum(axis=1, keepdims=True))
    below = waits.T / np.maximum(1.0, waits.sum(axis=0)[:, None])
    return above, below


def embed(weights: Weights, features: Array, above: Array, below: Array) -> Embedded:
    """Pass the messages."""
    state = np.tanh(features @ weights["in"] + weights["in bias"])
    inputs, states = [], [state]
    for each in range(ROUNDS):
        heard = np.concatenate((state, above @ state, below @ state), axis=1)
        state = state + np.tanh(heard @ weights[f"round {each}"] + weights[f"round {each} bias"])
        inputs.append(heard)
        states.append(state)
    order = state @ weights["order"]
    return Embedded(features, above, below, tuple(inputs), tuple(states), order)


def judge(weights: Weights, pairs: Array) -> Array:
    """What is added to the score of each pair of job and device.

    Args:
        pairs: (m, `WIDTH` + `DEVICE_FEATURES`), the job's embedding and the device's features.
    """
    return np.tanh(pairs @ weights["pair"] + weights["pair bias"]) @ weights["device"]


def pull_back(
    weights: Weights, embedded: Embedded, order: Array, pairs: Array, jobs: Array, scores: Array
) -> Weights:
    """The gradient of a sum over what came out, by the weights.

    Args:
        order: (n,), the derivative by `Embedded.order`.
        pairs: (m, …), what `judge` was asked.
        jobs: (m,), whole numbers: the job of each pair.
        scores: (m,), the derivative by what it said.
    """
    found = {name: np.zeros_like(each) for name, each in weights.items()}
    hidden = np.tanh(pairs @ weights["pair"] + weights["pair bias"])
    found["device"] = hidden.T @ scores
    slope = scores[:, None] * weights["device"] * (1.0 - hidden**2)
    found["pair"] = pairs.T @ slope
    found["pair bias"] = slope.sum(axis=0)
    last = embedded.states[-1]
    found["order"] = last.T @ order
    back = np.outer(order, weights["order"])
    np.add.at(back, jobs.astype(int), (slope @ weights["pair"].T)[:, :WIDTH])
    for each in reversed(range(ROUNDS)):
        step = embedded.states[each + 1] - embedded.states[each]
        slope = back * (1.0 - step**2)
        found[f"round {each}"] = embedded.inputs[each].T @ slope
        found[f"round {each} bias"] = slope.sum(axis=0)
        own, above, below = np.split(slope @ weights[f"round {each}"].T, 3, axis=1)
        back = back + own + embedded.above.T @ above + embedded.below.T @ below
    slope = back * (1.0 - embedded.states[0] ** 2)
    found["in"] = embedded.features.T @ slope
    found["in bias"] = slope.sum(axis=0)
    return found
