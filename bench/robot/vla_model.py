"""A model in the shape of π0.5 with random weights: as slow as the real one, and as wise as dice.

What it costs to infer does not depend on what weights say. Cameras are seen by a vision transformer
(SigLIP So400m/14), their tokens and those of the prompt pass once through a language model (Gemma
2B), and an action expert of the same depth (Gemma 300M) reads its keys and values in each of ten
steps of flow matching, in which the time scales, shifts and gates its norms.

Architecture: Physical Intelligence, π0.5 (arXiv 2504.16054) and openpi (Apache-2.0).

Shapes: B robots, C cameras, P patches of a camera, T tokens, H actions of A numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

# Tensors of PyTorch, which is imported when a model is built: nobody else needs it.
Tensor: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers of a transformer; `kv_heads` keys and values are shared by all `heads`."""

    width: int
    depth: int
    mlp: int
    heads: int
    kv_heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a model. A camera is `patches` patches of `patch_dim` numbers."""

    name: str
    vision: Stack
    language: Stack
    expert: Stack
    vocabulary: int
    patches: int
    patch_dim: int
    prompt: int
    chunk: int
    action_dim: int
    steps: int


PI05 = Shape(
    "pi05",
    vision=Stack(1152, 27, 4304, 16, 16, 72),
    language=Stack(2048, 18, 16_384, 8, 1, 256),
    expert=Stack(1024, 18, 4096, 8, 1, 256),
    vocabulary=257_152,
    patches=256,
    patch_dim=14 * 14 * 3,
    prompt=200,
    chunk=50,
    action_dim=32,
    steps=10,
)
SMALL = Shape(
    "small",
    vision=Stack(32, 2, 64, 2, 2, 16),
    language=Stack(64, 2, 128, 4, 1, 16),
    expert=Stack(32, 2, 64, 4, 1, 16),
    vocabulary=512,
    patches=16,
    patch_dim=14 * 14 * 3,
    prompt=20,
    chunk=10,
    action_dim=8,
    steps=4,
)
SHAPES = {shape.name: shape for shape in (PI05, SMALL)}


class Model:
    """Random weights of a shape, and what is computed with them.

    Args:
        device: of PyTorch; on ``meta`` nothing is computed and no memory taken.
        dtype: of weights and activations.

    Attributes:
        parameters: how many numbers the weights are.
    """

    def __init__(self, shape: Shape, device: str, dtype: Any, seed: int = 0) -> None:
        import torch

        self._torch, self._functional = torch, torch.nn.functional
        self._shape, self._device, self._dtype = shape, device, dtype
        self._chance = None
        if device != "meta":
            self._chance = torch.Generator(device).manual_seed(seed)
        self.parameters = 0
        vision, language, expert = shape.vision, shape.language, shape.expert
        self._patch = self._linear(shape.patch_dim, vision.width)
        self._places = self._weight(shape.patches, vision.width)
        self._vision = [self._vision_layer(vision) for _ in range(vision.depth)]
        self._seen = self._linear(vision.width, language.width)
        self._words = self._weight(shape.vocabulary, language.width)
        self._language = [self._layer(language) for _ in range(language.depth)]
        self._expert = [self._layer(expert) for _ in range(expert.depth)]
        self._norms = [
            [self._linear(expert.width, 3 * expert.width) for _ in range(2)]
            for _ in range(expert.depth)
        ]
        self._last_norm = self._linear(expert.width, 3 * expert.width)
        self._time = [self._linear(expert.width, expert.width) for _ in range(2)]
        self._action_in = self._linear(shape.action_dim, expert.width)
        self._action_out = self._linear(expert.width, shape.action_dim)

    def inputs(self, robots: int, cameras: int) -> tuple[Tensor, Tensor, Tensor]:
        """Some pictures, prompts and noise, for `sample`."""
        torch, shape = self._torch, self._shape
        pictures = self._random(robots, cameras, shape.patches, shape.patch_dim)
        size = (robots, shape.prompt)
        words = torch.randint(shape.vocabulary, size, device=self._device, generator=self._chance)
        return pictures, words, self._random(robots, shape.chunk, shape.action_dim)

    def sample(self, pictures: Tensor, words: Tensor, noise: Tensor) -> Tensor:
        """Actions, (B, H, A).

        Args:
            pictures: (B, C, P, patch_dim).
            words: tokens of prompts, (B, T).
            noise: (B, H, A).
        """
        memory = self._read(pictures, words)
        actions, steps = noise, self._shape.steps
        for step in range(steps):
            actions = actions - self._velocity(actions, 1 - step / steps, memory) / steps
        return actions

    # ── the prefix: cameras and prompt, once ────────────────────────────────────────────────────

    def _read(self, pictures: Tensor, words: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of all that is seen and said, of each layer."""
        stack = self._shape.language
        robots, cameras, patches, _ = pictures.shape
        seen = self._applied(self._patch, pictures.flatten(0, 1)) + self._places
        for layer in self._vision:
            seen = self._look(layer, seen)
        seen = self._applied(self._seen, seen).reshape(robots, cameras * patches, stack.width)
        said = self._words[words] * math.sqrt(stack.width)
        x = self._torch.cat((seen, said), dim=1)
        places = self._torch.arange(x.shape[1], device=self._device)
        memory = []
        for layer in self._language:
            query, key, value = self._heads(layer, stack, self._norm(x, layer["norm_0"]), places)
            memory.append((key, value))
            x = x + self._attended(layer, stack, query, key, value)
            x = x + self._gated(layer, self._norm(x, layer["norm_1"]))
        return memory

    def _look(self, layer: dict[str, Any], x: Tensor) -> Tensor:
        """One layer of the vision transformer."""
        stack, functional = self._shape.vision, self._functional
        normed = functional.layer_norm(x, (stack.width,), *layer["norm_0"])
        count, length, _ = normed.shape
        heads = [
            self._applied(layer[name], normed)
            .reshape(count, length, stack.heads, stack.head_dim)
            .transpose(1, 2)
            for name in ("query", "key", "value")
        ]
        mixed = functional.scaled_dot_product_attention(*heads)
        x = x + self._applied(layer["out"], mixed.transpose(1, 2).flatten(2))
        normed = functional.layer_norm(x, (stack.width,), *layer["norm_1"])
        hidden = functional.gelu(self._applied(layer["up"], normed), approximate="tanh")
        return x + self._applied(layer["down"], hidden)

    # ── the suffix: actions, in each step ───────────────────────────────────────────────────────

    def _velocity(
        self, actions: Tensor, time: float, memory: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        """Where actions should go, (B, H, A), at a time of the flow: from 1, noise, to 0."""
        stack = self._shape.expert
        x = self._applied(self._action_in, actions)
        told = self._told(time)
        before = memory[0][0].shape[2]
        places = before + self._torch.arange(x.shape[1], device=self._device)
        for layer, norms, (keys, values) in zip(self._expert, self._norms, memory, strict=True):
            normed, gate = self._adapted(norms[0], x, told)
            query, key, value = self._heads(layer, stack, normed, places)
            key, value = self._torch.cat((keys, key), 2), self._torch.cat((values, value), 2)
            x = x + gate * self._attended(layer, stack, query, key, value)
            normed, gate = self._adapted(norms[1], x, told)
            x = x + gate * self._gated(layer, normed)
        return self._applied(self._action_out, self._adapted(self._last_norm, x, told)[0])

    def _told(self, time: float) -> Tensor:
        """The time as the expert is told it, (width,)."""
        torch, half = self._torch, self._shape.expert.width // 2
        periods = torch.logspace(math.log10(4e-3), math.log10(4.0), half, device=self._device)
        angles = 2 * math.pi * time / periods
        told = torch.cat((angles.sin(), angles.cos())).to(self._dtype)
        for linear in self._time:
            told = self._functional.silu(self._applied(linear, told))
        return told

    def _adapted(self, linear: tuple[Tensor, Tensor], x: Tensor, told: Tensor) -> tuple[Any, Any]:
        """A norm that the time scales and shifts, and the gate of what follows."""
        scale, shift, gate = self._applied(linear, told).chunk(3, dim=-1)
        return self._norm(x, scale) + shift, gate

    # ── parts ───────────────────────────────────────────────────────────────────────────────────

    def _heads(
        self, layer: dict[str, Any], stack: Stack, x: Tensor, places: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        count, length, _ = x.shape
        query, key, value = (
            (x @ layer[name]).reshape(count, length, -1, stack.head_dim).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        return self._turned(query, places), self._turned(key, places), value

    def _turned(self, x: Tensor, places: Tensor) -> Tensor:
        """Rotary positions."""
        torch, half = self._torch, x.shape[-1] // 2
        exponents = torch.arange(half, device=self._device) / half
        angles = places[:, None] * 10_000.0**-exponents
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        one, other = x[..., :half], x[..., half:]
        return torch.cat((one * cos - other * sin, other * cos + one * sin), dim=-1)

    def _attended(
        self, layer: dict[str, Any], stack: Stack, query: Tensor, key: Tensor, value: Tensor
    ) -> Tensor:
        shared = stack.heads // stack.kv_heads
        if shared > 1:
            # Views: the same keys and values for all heads.
            size = (-1, stack.heads, -1, -1)
            key, value = key.expand(size), value.expand(size)
        mixed = self._functional.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(1, 2).flatten(2) @ layer["out"]

    def _gated(self, layer: dict[str, Any], x: Tensor) -> Tensor:
        gate = self._functional.gelu(x @ layer["gate"], approximate="tanh")
        return (gate * (x @ layer["up"])) @ layer["down"]

    def _norm(self, x: Tensor, scale: Tensor) -> Tensor:
        wide = x.float()
        normed = wide * self._torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + 1e-6)
        return normed.to(x.dtype) * (1 + scale)

    def _applied(self, linear: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        weight, bias = linear
        return x @ weight + bias

    # ── weights ─────────────────────────────────────────────────────────────────────────────────

    def _layer(self, stack: Stack) -> dict[str, Any]:
        inner, shared = stack.heads * stack.head_dim, stack.kv_heads * stack.head_dim
        layer = {
            "query": self._weight(stack.width, inner),
            "key": self._weight(stack.width, shared),
            "value": self._weight(stack.width, shared),
            "out": self._weight(inner, stack.width),
            "gate": self._weight(stack.width, stack.mlp),
            "up": self._weight(stack.width, stack.mlp),
            "down": self._weight(stack.mlp, stack.width),
        }
        if stack is not self._shape.expert:
            # The norms of the expert are adapted instead: see `_adapted`.
            layer |= {"norm_0": self._weight(stack.width), "norm_1": self._weight(stack.width)}
        return layer

    def _vision_layer(self, stack: Stack) -> dict[str, Any]:
        return {
            **{name: self._linear(stack.width, stack.width) for name in ("query", "key", "value")},
            "out": self._linear(stack.width, stack.width),
            "up": self._linear(stack.width, stack.mlp),
            "down": self._linear(stack.mlp, stack.width),
            "norm_0": (self._weight(stack.width), self._weight(stack.width)),
            "norm_1": (self._weight(stack.width), self._weight(stack.width)),
        }

    def _linear(self, inputs: int, outputs: int) -> tuple[Tensor, Tensor]:
        return self._weight(inputs, outputs), self._weight(outputs)

    def _weight(self, *size: int) -> Tensor:
        self.parameters += math.prod(size)
        return self._random(*size).mul_(1 / math.sqrt(size[0]))

    def _random(self, *size: int) -> Tensor:
        return self._torch.randn(
            *size, device=self._device, dtype=self._dtype, generator=self._chance
        )
