"""Policies by flow matching: a network that turns noise into chunks, in a few steps.

It is built as large policies are (π0, arXiv 2410.24164; VLASH, arXiv 2512.01031): an encoder looks
at the observation alone, and a head takes its code, the state in which the robot will be, the delay
and a noisy chunk, and says which clean chunk it expects. So several states can share one
observation in training. Small enough for NumPy.

Shapes: B questions, F features, C entries of code, S entries of state, H actions, A joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..guidance import Pullback, denoised, weights
from ..ports import Array, PolicySpec
from ..safety import Vector
from ..sims.world import Things, World
from .inputs import HORIZON, LONGEST
from .network import Network, load, save
from .questions import InBatches, Question, stacked

# Steps from noise to a chunk.
STEPS = 5
_ENCODER, _HEAD = "encoder_", "head_"


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """The two networks.

    Attributes:
        encoder: from what is sensed, (B, F), to a code, (B, C).
        head: from `head_inputs` to the clean chunk, (B, H · A), standardised.
        mean, scale: of the chunks, (H · A,).
    """

    encoder: Network
    head: Network
    mean: Array
    scale: Array

    def save(self, path: Path) -> None:
        """Writes them to one file."""
        save({_ENCODER: self.encoder, _HEAD: self.head}, path)


def load_flow(path: Path) -> Flow:
    """The networks of a file.

    Raises:
        ConfigError: the file holds none.
    """
    encoder, head = load(path, _ENCODER), load(path, _HEAD)
    return Flow(encoder, head, head.output_mean, head.output_scale)


def head_inputs(
    code: Array, state: Vector | Array, delay: Vector | Array, noisy: Array, time: Vector | Array
) -> Array:
    """The inputs of the head.

    Args:
        code: (B, C).
        state: of the time of the first action, (B, S).
        delay: how many control steps later than what is seen that is, (B, 1).
        noisy: (1 - time) · noise + time · chunk, standardised, (B, H · A).
        time: (B, 1).
    """
    told = np.minimum(delay, LONGEST) / np.float32(LONGEST)
    columns = (code, state, told, noisy, time, time * time)
    return np.concatenate(columns, axis=1).astype(np.float32)


def sensed(world: World, state: Vector, things: Things) -> Array:
    """What the encoder is shown, (B, F)."""
    return world.features(state, things).astype(np.float32)


class FlowPolicy(InBatches):
    """A flow that was trained on one world.

    It starts from the same noise each time: the same question has the same answer.

    Args:
        world: to compute features with.
        spec: what it declares; if that says `inpaints`, it takes the chunk that runs.
    """

    def __init__(self, world: World, flow: Flow, spec: PolicySpec) -> None:
        self._world = world
        self._flow = flow
        self.spec = spec
        rng = np.random.default_rng(0)
        self._noise = rng.standard_normal((1, HORIZON, spec.action_dim)).astype(np.float32)

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next actions for several robots at once, (B, H, A)."""
        count, shape = len(questions), (len(questions), HORIZON, self.spec.action_dim)
        state, things, delay = stacked(questions)
        seen = np.stack([each.observation.state for each in questions]).astype(np.float64)
        code = self._flow.encoder(sensed(self._world, seen, things))
        told = np.zeros((count, 1)) if self.spec.inpaints else delay[:, None]

        def denoiser(noisy: Array, time: float) -> tuple[Array, Pullback]:
            given = head_inputs(
                code, state, told, noisy.reshape(count, -1), np.full((count, 1), time)
            )
            clean, pulled = self._flow.head.traced(given)
            first = given.shape[1] - 2 - clean.shape[1]
            scale = self._flow.scale

            def pullback(change: Array) -> Array:
                # The head's outputs are in the units of actions, the noisy chunk is standardised.
                back = pulled(change.reshape(count, -1) / scale)
                return back[:, first : first + scale.size].reshape(shape)

            return ((clean - self._flow.mean) / scale).reshape(shape), pullback

        noise = np.repeat(self._noise, count, axis=0)
        target, weight = self._drawn(questions)
        chunk = denoised(denoiser, noise, STEPS, target=target, weight=weight)
        flat = chunk.reshape(count, -1) * self._flow.scale + self._flow.mean
        return flat.reshape(shape).astype(np.float32)

    def _drawn(self, questions: Sequence[Question]) -> tuple[Array | None, Array | None]:
        """What the chunks are drawn towards, and how firmly; see `guidance.denoised`."""
        if not self.spec.inpaints or all(each.prefix is None for each in questions):
            return None, None
        target = np.zeros((len(questions), HORIZON, self.spec.action_dim), np.float32)
        weight = np.zeros((len(questions), HORIZON), np.float32)
        for row, each in enumerate(questions):
            known = each.prefix[:HORIZON] if each.prefix is not None else target[row, :0]
            target[row, : len(known)] = known
            weight[row] = weights(each.delay or 0, len(known), HORIZON)
        flat = target.reshape(len(questions), -1)
        standard: Array = ((flat - self._flow.mean) / self._flow.scale).reshape(target.shape)
        return standard, weight
