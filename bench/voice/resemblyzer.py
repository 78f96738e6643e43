"""Resemblyzer's speaker encoder without PyTorch: its weights, and an LSTM in NumPy.

The package (0.1.4, Apache-2.0) carries its weights as PyTorch kept them before 1.6: five pickles,
one after the other, and behind them the numbers. They are read by an unpickler that knows the few
names that such a file needs and refuses all others, so that a file cannot run anything.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from agents.voice.features import MELS, mel_filters
from agents.voice.sound import RATE_HZ, Samples
from constellation.errors import ConfigError

PARTIAL = 160  # Mel frames that an embedding is made of at most: 1.6 s.
HOP = RATE_HZ // 100
_WINDOW = RATE_HZ // 40
_LAYERS, _SIZE = 3, 256
_MAGIC = 0x1950A86A20F9469CFC6C


def weights() -> dict[str, NDArray[np.float32]]:
    """The encoder's, by PyTorch's names: those of ``lstm`` and ``linear``.

    Raises:
        ConfigError: Resemblyzer is not installed, or its file is none that this can read.
    """
    package = find_spec("resemblyzer")
    if package is None or package.origin is None:
        raise ConfigError(
            "Resemblyzer is not installed.", remedy="pip install --no-deps Resemblyzer==0.1.4"
        )
    return read(Path(package.origin).parent / "pretrained.pt")


def read(path: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors of ``lstm`` and ``linear`` in a file.

    Raises:
        ConfigError: it is not such a file, or wants a name that has no place in it.
    """
    try:
        with path.open("rb") as file:
            kept = _kept(file)
    except (OSError, ValueError, TypeError, KeyError, pickle.UnpicklingError, EOFError) as error:
        raise ConfigError(f"{path} holds no weights of Resemblyzer's: {error}.") from error
    return {name: each for name, each in kept.items() if name.startswith(("lstm", "linear"))}


class _Stored:
    """Where the numbers of some tensors will be."""

    def __init__(self) -> None:
        self.values = np.zeros(0, np.float32)


class _View:
    """A tensor whose numbers are not read yet."""

    def __init__(
        self, stored: _Stored, offset: int, shape: Sequence[int], strides: Sequence[int], *_: object
    ) -> None:
        self._stored = stored
        self._offset = offset
        self._shape = tuple(shape)
        if tuple(strides) != tuple(int(np.prod(shape[at + 1 :])) for at in range(len(shape))):
            raise ValueError("a tensor is not stored row by row")

    def array(self) -> NDArray[np.float32]:
        """Its numbers."""
        end = self._offset + int(np.prod(self._shape))
        return self._stored.values[self._offset : end].reshape(self._shape).copy()


class _Unpickler(pickle.Unpickler):
    """Knows nothing but tensors of 32-bit floats and dictionaries."""

    _KNOWN: Mapping[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch", "FloatStorage"): "floats",
        ("torch._utils", "_rebuild_tensor_v2"): _View,
    }

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.stored: dict[str, _Stored] = {}

    def find_class(self, module: str, name: str) -> Any:
        """One of the few that are known."""
        try:
            return self._KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it wants {module}.{name}") from None

    def persistent_load(self, pid: Any) -> _Stored:
        """A tensor names the storage that it is a part of."""
        kind, of, key, *_ = pid
        if (kind, of) != ("storage", "floats"):
            raise pickle.UnpicklingError(f"it wants a {kind}")
        return self.stored.setdefault(key, _Stored())


def _kept(file: BinaryIO) -> dict[str, NDArray[np.float32]]:
    if _Unpickler(file).load() != _MAGIC:
        raise ValueError("it does not begin as one")
    for _ in ("version", "machine"):
        _Unpickler(file).load()
    body = _Unpickler(file)
    state = body.load()["model_state"]
    for key in _Unpickler(file).load():
        (length,) = np.frombuffer(file.read(8), "<i8")
        stored = np.frombuffer(file.read(4 * int(length)), "<f4")
        if len(stored) != length:
            raise EOFError("it is cut short")
        body.stored[key].values = stored
    return {name: each.array() for name, each in state.items() if isinstance(each, _View)}


def mel_power(sound: Samples) -> NDArray[np.float32]:
    """(m, 40) mel power for each 10 ms, each of the 25 ms that begin there.

    As Resemblyzer has it (Slaney's mel scale up to 8 kHz, a Hann window, no logarithm), without its
    look at half a window before the first.
    """
    if len(sound) < _WINDOW:
        return np.zeros((0, MELS), np.float32)
    frames = sliding_window_view(sound, _WINDOW)[::HOP]
    return np.asarray(np.abs(np.fft.rfft(frames * _HANN)) ** 2 @ _FILTERS, np.float32)


class Encoder:
    """An LSTM of three layers, whose last output tells a voice."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._linear = weights["linear.weight"].T, weights["linear.bias"]
        # In the order input, forget, cell, output.
        halves = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), _SIZE)
        self._layers = [
            (
                np.ascontiguousarray(weights[f"lstm.weight_ih_l{layer}"].T) * halves,
                np.ascontiguousarray(weights[f"lstm.weight_hh_l{layer}"].T) * halves,
                (weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]) * halves,
            )
            for layer in range(_LAYERS)
        ]

    def embed(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(B, 256) embeddings of length one, of B stretches of (1 to 160, 40) mel power."""
        count = len(windows)
        if not count:
            return np.zeros((0, _SIZE), np.float32)
        # The longest first: shorter ones begin later, that all end with the last step.
        order = np.argsort([-len(window) for window in windows], kind="stable")
        ordered = [windows[each] for each in order]
        steps = len(ordered[0])
        heard = np.zeros((steps, count, MELS), np.float32)
        for number, window in enumerate(ordered):
            heard[steps - len(window) :, number] = window
        begins = np.array([steps - len(window) for window in ordered])
        hidden = np.zeros((_LAYERS, count, _SIZE), np.float32)
        cells = np.zeros((_LAYERS, count, _SIZE), np.float32)
        for step in range(steps):
            begun = int(np.searchsorted(begins, step, side="right"))
            above = heard[step, :begun]
            for layer, (inward, onward, bias) in enumerate(self._layers):
                gates = above @ inward + hidden[layer, :begun] @ onward + bias
                above = self._cell(gates, cells[layer, :begun])
                hidden[layer, :begun] = above
        matrix, bias = self._linear
        raw = np.maximum(above @ matrix + bias, 0)
        lengths = np.linalg.norm(raw, axis=1, keepdims=True)
        found = np.empty((count, _SIZE), np.float32)
        found[order] = raw / np.maximum(lengths, 1e-6)
        return found

    @staticmethod
    def _cell(gates: NDArray[np.float32], cell: NDArray[np.float32]) -> NDArray[np.float32]:
        """(b, 256) outputs of (b, 1024) gates; the cells are changed in place.

        The weights of the three gates that go from 0 to 1 are halved, and so one tangent does for
        all: ``sigmoid(2 x) = (1 + tanh(x)) / 2``.
        """
        np.tanh(gates, out=gates)
        enter, keep, new, out = np.split(gates, 4, axis=1)
        cell *= 0.5 + 0.5 * keep
        cell += (0.5 + 0.5 * enter) * new
        return np.asarray((0.5 + 0.5 * out) * np.tanh(cell), np.float32)


_FILTERS = mel_filters(mels=MELS, bins=_WINDOW // 2 + 1, bin_hz=RATE_HZ / _WINDOW)
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
