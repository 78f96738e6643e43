"""Fits flows, with the observation shared by several states: one look at it serves them all.

In each step every observation comes with some branches: a state that is some steps later, the
chunk from there on, and noise of its own. The encoder works once for an observation, the head once
for a branch, and the gradients of the branches add up in the encoder (shared observation, VLASH,
arXiv 2512.01031, section 3.3). The loss is that of flow matching with the clean chunk predicted.

Shapes: N observations, n branches of each, F features, S entries of state, O = H · A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.robot.policies.flow import Flow, head_inputs
from agents.robot.ports import Array

from .learning import Adam, backward, forward, initial, network_of, scale_of


@dataclass(frozen=True, slots=True)
class FlowTraining:
    """How a flow is trained.

    Attributes:
        observations: drawn from what the expert did.
        branches: states for each of them; 1 for plain training.
        epochs: over all of them.
        batch: branches in a step.
        rate: of learning at first; it falls to nothing by a cosine.
        encoder, head: widths of the layers between.
        code: entries.
    """

    observations: int = 40_000
    branches: int = 4
    epochs: int = 60
    batch: int = 1_000
    rate: float = 2e-3
    encoder: tuple[int, ...] = (128,)
    head: tuple[int, ...] = (192, 192)
    code: int = 32


@dataclass(frozen=True, slots=True, eq=False)
class Branches:
    """What a flow learns from.

    Attributes:
        seen: features of the observations, (N, F).
        states: of the times of the first actions, (N, n, S).
        delays: how much later those are, in control steps, (N, n).
        chunks: (N, n, O).
    """

    seen: Array
    states: Array
    delays: Array
    chunks: Array


class FlowFit:
    """A flow in training.

    Args:
        data: to learn from.
        training: of it.
        rng: the only source of chance.
    """

    def __init__(self, data: Branches, training: FlowTraining, rng: np.random.Generator) -> None:
        self._rng, self._training = rng, training
        seen, states, chunks = data.seen, data.states, data.chunks
        self._seen = scale_of(seen)
        self._states = scale_of(states.reshape(-1, states.shape[2]))
        self._chunks = scale_of(chunks.reshape(-1, chunks.shape[2]))
        self._x = _standard(seen, self._seen)
        self._s, self._y = _standard(states, self._states), _standard(chunks, self._chunks)
        self._d = data.delays[:, :, None].astype(np.float32)
        inputs = training.code + states.shape[2] + 1 + chunks.shape[2] + 2
        encoder = initial((seen.shape[1], *training.encoder, training.code), rng)
        head = initial((inputs, *training.head, chunks.shape[2]), rng)
        self._split = len(encoder)
        self._parameters = encoder + head
        self._each = max(training.batch // self._y.shape[1], 1)
        self.per_epoch = max(len(seen) // self._each, 1)
        self._adam = Adam(self._parameters, training.rate, training.epochs * self.per_epoch)

    def epoch(self) -> float:
        """All observations once; the share of the variance of chunks that stays unexplained."""
        order = self._rng.permutation(len(self._x))
        losses = [
            self._step(order[each * self._each : (each + 1) * self._each])
            for each in range(self.per_epoch)
        ]
        return float(np.mean(losses))

    def flow(self) -> Flow:
        """The networks as they are now."""
        encoder, head = self._parameters[: self._split], self._parameters[self._split :]
        code = encoder[-1].size
        plain = [np.zeros(code, np.float32), np.ones(code, np.float32)]
        # Codes, the delay, the noisy chunk and the time are shown to the head as they are.
        rest = head[0].shape[0] - code - self._states[0].size
        shown = [
            np.concatenate((each, found, np.full(rest, each[0])))
            for each, found in zip(plain, self._states, strict=True)
        ]
        mean, scale = (each.astype(np.float32) for each in self._chunks)
        return Flow(
            network_of(encoder, *self._seen, *plain),
            network_of(head, *shown, mean, scale),
            mean,
            scale,
        )

    def _step(self, rows: NDArray[np.int_]) -> float:
        encoder, head = self._parameters[: self._split], self._parameters[self._split :]
        y = self._y[rows].reshape(-1, self._y.shape[2])
        branches = self._y.shape[1]
        time = self._rng.random((len(y), 1), np.float32)
        noisy = (1 - time) * self._rng.standard_normal(y.shape, np.float32) + time * y
        layers = forward(encoder, self._x[rows])
        code = np.repeat(layers[-1], branches, axis=0)
        given = head_inputs(
            code, self._s[rows].reshape(len(y), -1), self._d[rows].reshape(-1, 1), noisy, time
        )
        above = forward(head, given)
        missed = above[-1] - y
        gradients, back = backward(head, above, missed * np.float32(2 / missed.size))
        back = back[:, : code.shape[1]].reshape(len(rows), branches, -1).sum(axis=1)
        below, _ = backward(encoder, layers, back)
        self._adam.step(below + gradients)
        return float(np.square(missed).mean())


def _standard(values: Array, scale: tuple[Array, Array]) -> Array:
    standard: Array = ((values - scale[0]) / scale[1]).astype(np.float32)
    return standard
