"""A small feed-forward network in NumPy, and its file.

The file is a plain ``.npz`` archive of float32 arrays; nothing in it is ever unpickled.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
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

    def traced(self, inputs: Array) -> tuple[Array, Callable[[Array], Array]]:
        """Outputs, (B, O), and what turns a change of them into one of the inputs, (B, F).

        The latter is the product with the transposed Jacobian at these inputs.
        """
        x: Array = (inputs - self.input_mean) / self.input_scale
        active = []
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weight + bias, 0.0)
            active.append(x > 0)
        outputs: Array = (x @ self.weights[-1] + self.biases[-1]) * self.output_scale
        outputs = outputs + self.output_mean

        def pulled(change: Array) -> Array:
            back = (change * self.output_scale) @ self.weights[-1].T
            for weight, mask in zip(self.weights[-2::-1], active[::-1], strict=True):
                back = (back * mask) @ weight.T
            changed: Array = (back / self.input_scale).astype(np.float32)
            return changed

        return outputs, pulled

    def save(self, path: Path) -> None:
        """Writes it to a file."""
        save({"": self}, path)

    def arrays(self) -> dict[str, Array]:
        """All that it is made of, by name."""
        arrays = {name: getattr(self, name) for name in _SCALES}
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weight_{index}": weight, f"bias_{index}": bias}
        return arrays


_SCALES = ("input_mean", "input_scale", "output_mean", "output_scale")


def save(networks: Mapping[str, Network], path: Path) -> None:
    """Writes networks to one file, the arrays of each with its name before theirs."""
    arrays = {
        f"{prefix}{name}": array
        for prefix, network in networks.items()
        for name, array in network.arrays().items()
    }
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def load(path: Path, prefix: str = "") -> Network:
    """A network of a file.

    Args:
        prefix: its name in the file.

    Raises:
        ConfigError: the file holds none, or its layers do not fit together.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {
                name.removeprefix(prefix): archive[name].astype(np.float32)
                for name in archive.files
                if name.startswith(prefix)
            }
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
