"""Whether a turn sounds complete, with Smart Turn 3 (BSD-2), whose weights `pipecat-ai` carries.

The features are those of Whisper for 8 s: 80 mels of 25 ms every 10 ms, in decades below the
loudest.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from constellation.errors import ConfigError

from ..features import mel_filters
from ..sound import RATE_HZ, Samples

_LENGTH = 8 * RATE_HZ
_WINDOW = 400
_HOP = 160


class SmartTurn:
    """See `agents.voice.ports.TurnEnds`.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            _weights(), options, providers=["CPUExecutionProvider"]
        )

    def complete(self, sound: Samples) -> float:
        """See `agents.voice.ports.TurnEnds`; the last 8 s count."""
        last = sound[-_LENGTH:]
        padded = np.pad(last, (_LENGTH - len(last), 0))
        (found,) = self._session.run(None, {"input_features": log_mels(padded)[None]})
        return float(found.item())


def log_mels(sound: Samples) -> NDArray[np.float32]:
    """(80, 800) features of `_LENGTH` samples."""
    even = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    centred = np.pad(even.astype(np.float64), _WINDOW // 2, mode="reflect")
    frames = sliding_window_view(centred, _WINDOW)[::_HOP][:-1]
    power = np.abs(np.fft.rfft(frames * _HANN)) ** 2
    decades = np.log10(np.maximum(power @ _FILTERS, 1e-10)).T
    return np.asarray((np.maximum(decades, decades.max() - 8) + 4) / 4, np.float32)


def _weights() -> Path:
    # Found without importing the package, which needs much that is not needed here.
    package = find_spec("pipecat")
    if package is None or package.origin is None:
        raise ConfigError(
            "There is no model for the ends of turns.",
            remedy="Install it: pip install --no-deps pipecat-ai==1.14.0.",
        )
    folder = Path(package.origin).parent / "audio" / "turn" / "smart_turn" / "data"
    return next(folder.glob("smart-turn-v3*-cpu.onnx"))


_FILTERS = mel_filters(mels=80, bins=_WINDOW // 2 + 1, bin_hz=RATE_HZ / _WINDOW)
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
