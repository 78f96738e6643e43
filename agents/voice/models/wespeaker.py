"""What a voice is like, over seconds: WeSpeaker's ResNet34, for the moment when much hangs on it.

The package `moonshine-voice` carries it inside its library, for its own diarizer, which has no call
for one voice alone; so the model is read from there. Its input is what Kaldi calls an fbank.
Source: Wang et al., "Wespeaker: a research and production oriented speaker embedding learning
toolkit", 2023; trained on VoxCeleb (CC BY 4.0).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from constellation.errors import AudioError, ConfigError

from ..sound import RATE_HZ, Samples

MELS = 80
_WINDOW, _HOP, _FFT = RATE_HZ // 40, RATE_HZ // 100, 512
_LOW_HZ = 20.0
_EMPHASIS = 0.97
# Kaldi counts samples in 16 bits, and takes no logarithm of less.
_SCALE, _FLOOR = 32_768.0, float(np.finfo(np.float32).eps)
_SHORTEST = RATE_HZ // 4
# Of the loudest frame's power: what is softer is a pause.
_AUDIBLE = 10**-3
# A model in onnxruntime's own format begins with an offset and this.
_MARK = b"ORTM"
_INPUTS = {"fbank", "weights"}


class WeSpeaker:
    """See `agents.voice.ports.Voices`.

    Raises:
        ConfigError: the package is not installed, or does not carry the model.
    """

    # By seconds of sound (docs/voice-training.md).
    even = 0.25
    steepness = 16.0

    def __init__(self) -> None:
        self._session = _carried()

    def embed(self, sound: Samples) -> NDArray[np.float32]:
        """See `agents.voice.ports.Voices`; (256,)."""
        if len(sound) < _SHORTEST:
            raise AudioError("There is too little to be heard to know a voice by.")
        log_mels, power = fbank(sound)
        audible = power > _AUDIBLE * power.max()
        log_mels -= log_mels.mean(axis=0)
        inputs = {"fbank": log_mels[None], "weights": audible.astype(np.float32)[None]}
        (found,) = self._session.run(["embedding"], inputs)
        vector = np.asarray(found[0], np.float32)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0:
            raise AudioError("There is nothing to be heard to know a voice by.")
        return vector / np.float32(length)


def fbank(sound: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(n, 80) log-mels of windows of 25 ms, 10 ms apart, as Kaldi makes them, and (n,) powers."""
    frames = np.lib.stride_tricks.sliding_window_view(sound * _SCALE, _WINDOW)[::_HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    power = np.square(frames).mean(axis=1)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    spectra = np.fft.rfft((frames - _EMPHASIS * before) * np.hamming(_WINDOW), _FFT)
    mels = np.square(np.abs(spectra)) @ _BANK.T
    return np.log(np.maximum(mels, _FLOOR)).astype(np.float32), power.astype(np.float32)


def _mel(hertz: Any) -> Any:
    return 1127.0 * np.log1p(hertz / 700.0)


def _bank() -> NDArray[np.float64]:
    """(80, 257) triangles, evenly spaced in mels."""
    edges = np.linspace(_mel(_LOW_HZ), _mel(RATE_HZ / 2), MELS + 2)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    at = _mel(np.fft.rfftfreq(_FFT, 1 / RATE_HZ))
    sides = (at - left) / (middle - left), (right - at) / (right - middle)
    return np.asarray(np.maximum(0.0, np.minimum(*sides)), np.float64)


_BANK = _bank()


def _carried() -> onnxruntime.InferenceSession:
    package = find_spec("moonshine_voice")
    folder = None if package is None or package.origin is None else Path(package.origin).parent
    libraries = [] if folder is None else [*folder.glob("libmoonshine.*"), *folder.glob("*.dll")]
    for path in libraries:
        for data in _models_in(path):
            session = _session(data)
            if session is not None and {each.name for each in session.get_inputs()} == _INPUTS:
                return session
    raise ConfigError(
        "There is no model that compares voices.",
        remedy="Install it: pip install moonshine-voice==0.0.73.",
    )


def _models_in(path: Path) -> Iterator[bytes]:
    """Whatever may be a model in a file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
        at = library.find(_MARK)
        while at >= 0:
            following = library.find(_MARK, at + len(_MARK))
            yield library[at - 4 : following - 4 if following >= 0 else len(library)]
            at = following


def _session(data: bytes) -> onnxruntime.InferenceSession | None:
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # What is no model is expected, and no reason to say something.
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Fail:
        return None
