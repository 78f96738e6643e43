"""Fits a small network to samples: Adam and mean squared errors, in NumPy.

Source of the optimiser: Kingma and Ba, arXiv 1412.6980.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from agents.robot.policies.network import Network
from agents.robot.ports import Array

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True)
class Training:
    """How a network is trained.

    Attributes:
        samples: drawn from what the expert did.
        epochs: over all of them.
        batch: samples in a step.
        rate: of learning at first; it falls to nothing by a cosine.
        hidden: widths of the layers between.
    """

    samples: int = 120_000
    epochs: int = 40
    batch: int = 1_000
    rate: float = 2e-3
    hidden: tuple[int, ...] = (128, 128)


def fitted(
    inputs: Array, outputs: Array, training: Training, rng: np.random.Generator
) -> tuple[Network, float]:
    """The network, and the share of the variance that it leaves unexplained in its last epoch.

    Args:
        inputs: (N, F).
        outputs: (N, O).
    """
    input_mean, input_scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    output_mean, output_scale = outputs.mean(axis=0), outputs.std(axis=0) + 1e-6
    x, y = (inputs - input_mean) / input_scale, (outputs - output_mean) / output_scale
    widths = (x.shape[1], *training.hidden, y.shape[1])
    parameters: list[Array] = []
    for fan_in, fan_out in pairwise(widths):
        weight = rng.standard_normal((fan_in, fan_out), np.float32) * np.sqrt(2 / fan_in)
        parameters += [weight.astype(np.float32), np.zeros(fan_out, np.float32)]
    first = [np.zeros_like(each) for each in parameters]
    second = [np.zeros_like(each) for each in parameters]
    per_epoch = len(x) // training.batch
    total, step, loss = training.epochs * per_epoch, 0, 0.0
    for _ in range(training.epochs):
        order, losses = rng.permutation(len(x)), 0.0
        for start in range(0, per_epoch * training.batch, training.batch):
            chosen = order[start : start + training.batch]
            gradients, error = _gradients(parameters, x[chosen], y[chosen])
            losses += error
            rate = training.rate * 0.5 * (1 + np.cos(np.pi * step / total))
            step += 1
            for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
                m += (1 - _BETA1) * (g - m)
                v += (1 - _BETA2) * (g * g - v)
                unbiased = rate * np.sqrt(1 - _BETA2**step) / (1 - _BETA1**step)
                p -= np.float32(unbiased) * m / (np.sqrt(v) + _EPSILON)
        loss = losses / per_epoch
    network = Network(
        tuple(parameters[0::2]),
        tuple(parameters[1::2]),
        *(each.astype(np.float32) for each in (input_mean, input_scale, output_mean, output_scale)),
    )
    return network, loss


def _gradients(parameters: list[Array], x: Array, y: Array) -> tuple[list[Array], float]:
    """Of the mean squared error by each parameter, and the error."""
    layers = [x]
    for weight, bias in zip(parameters[0:-2:2], parameters[1:-2:2], strict=True):
        layers.append(np.maximum(layers[-1] @ weight + bias, 0.0))
    missed = layers[-1] @ parameters[-2] + parameters[-1] - y
    back = missed * np.float32(2 / missed.size)
    gradients: list[Array] = []
    for index in range(len(layers) - 1, -1, -1):
        gradients = [layers[index].T @ back, back.sum(axis=0), *gradients]
        if index:
            back = (back @ parameters[2 * index].T) * (layers[index] > 0)
    return gradients, float(np.square(missed).mean())
