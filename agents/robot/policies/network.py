"""A small feed-forward network in NumPy, and its file.

The file is a plain ``.npz`` archive of float32 arrays; nothing in it is ever unpickled.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from constellation.errors import ConfigError

from ..ports import Array


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Layers with rectifiers between them, on standardised inputs and outputs.

    Attributes:
        weights: of each layer, (inputs, outputs).
        biases: of each layer, (outputs,).
        input_mean, input_scale: of the inputs, (F,).
        output_mean, output_scale: of the outputs, (O,).
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    input_mean: Array
    input_scale: Array
    output_mean: Array
    output_scale: Array

    def __call__(self, inputs: Array) -> Array:
        """Outputs, (B, O), for inputs, (B, F)."""
        x: Array = (inputs - self.input_mean) / self.input_scale
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weight + bias, 0.0)
        out: Array = (x @ self.weights[-1] + self.biases[-1]) * self.output_scale
        return out + self.output_mean

    def save(self, path: Path) -> None:
        """Writes it to a file."""
        arrays = {name: getattr(self, name) for name in _SCALES}
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weight_{index}": weight, f"bias_{index}": bias}
        np.savez_compressed(path, **arrays)


_SCALES = ("input_mean", "input_scale", "output_mean", "output_scale")


def load(path: Path) -> Network:
    """The network of a file.

    Raises:
        ConfigError: the file is none, or its layers do not fit together.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name].astype(np.float32) for name in archive.files}
        layers = sum(name.startswith("weight_") for name in arrays)
        network = Network(
            tuple(arrays[f"weight_{index}"] for index in range(layers)),
            tuple(arrays[f"bias_{index}"] for index in range(layers)),
            *(arrays[name] for name in _SCALES),
        )
        network(np.zeros((1, *network.input_mean.shape), np.float32))
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"{path} is not a network: {error}.", remedy="Train it anew.", file=str(path)
        ) from error
    return network
