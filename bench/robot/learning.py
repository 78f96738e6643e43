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
    scales = (*scale_of(inputs), *scale_of(outputs))
    x, y = (inputs - scales[0]) / scales[1], (outputs - scales[2]) / scales[3]
    parameters = initial((x.shape[1], *training.hidden, y.shape[1]), rng)
    per_epoch = len(x) // training.batch
    adam = Adam(parameters, training.rate, training.epochs * per_epoch)
    loss = 0.0
    for _ in range(training.epochs):
        order, losses = rng.permutation(len(x)), 0.0
        for start in range(0, per_epoch * training.batch, training.batch):
            chosen = order[start : start + training.batch]
            layers = forward(parameters, x[chosen])
            missed = layers[-1] - y[chosen]
            losses += float(np.square(missed).mean())
            gradients, _ = backward(parameters, layers, missed * np.float32(2 / missed.size))
            adam.step(gradients)
        loss = losses / per_epoch
    return network_of(parameters, *scales), loss


def scale_of(values: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each column."""
    return values.mean(axis=0), values.std(axis=0) + 1e-6


def initial(widths: tuple[int, ...], rng: np.random.Generator) -> list[Array]:
    """Weights and biases of layers, in turn."""
    parameters: list[Array] = []
    for fan_in, fan_out in pairwise(widths):
        weight = rng.standard_normal((fan_in, fan_out), np.float32) * np.sqrt(2 / fan_in)
        parameters += [weight.astype(np.float32), np.zeros(fan_out, np.float32)]
    return parameters


def network_of(parameters: list[Array], *scales: Array) -> Network:
    """A network of weights and biases; means and scales of its inputs and outputs, in turn."""
    return Network(
        tuple(parameters[0::2]),
        tuple(parameters[1::2]),
        *(each.astype(np.float32) for each in scales),
    )


class Adam:
    """Changes parameters in place; the rate falls to nothing by a cosine.

    Args:
        rate: of learning at first.
        total: steps in all.
    """

    def __init__(self, parameters: list[Array], rate: float, total: int) -> None:
        self._parameters = parameters
        self._rate, self._total, self._step = rate, total, 0
        self._first = [np.zeros_like(each) for each in parameters]
        self._second = [np.zeros_like(each) for each in parameters]

    def step(self, gradients: list[Array]) -> None:
        """One step down, by the gradient for each parameter."""
        rate = self._rate * 0.5 * (1 + np.cos(np.pi * self._step / self._total))
        self._step += 1
        unbiased = rate * np.sqrt(1 - _BETA2**self._step) / (1 - _BETA1**self._step)
        for p, g, m, v in zip(self._parameters, gradients, self._first, self._second, strict=True):
            m += (1 - _BETA1) * (g - m)
            v += (1 - _BETA2) * (g * g - v)
            p -= np.float32(unbiased) * m / (np.sqrt(v) + _EPSILON)


def forward(parameters: list[Array], x: Array) -> list[Array]:
    """What each layer says, from the inputs to the outputs; rectified but for the last."""
    layers = [x]
    for weight, bias in zip(parameters[0:-2:2], parameters[1:-2:2], strict=True):
        layers.append(np.maximum(layers[-1] @ weight + bias, 0.0))
    return [*layers, layers[-1] @ parameters[-2] + parameters[-1]]


def backward(
    parameters: list[Array], layers: list[Array], back: Array
) -> tuple[list[Array], Array]:
    """The gradient for each parameter, and for the inputs; given that for the outputs."""
    gradients: list[Array] = []
    for index in range(len(layers) - 2, -1, -1):
        gradients = [layers[index].T @ back, back.sum(axis=0), *gradients]
        back = back @ parameters[2 * index].T
        if index:
            back = back * (layers[index] > 0)
    return gradients, back
