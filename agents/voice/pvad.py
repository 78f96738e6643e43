"""Whose voice it is, every 20 ms: a streaming personalised voice activity detector.

The model (models/pvad.md is its card) hears a stream and knows the voice of the primary speaker by
a voiceprint. It gives the probability that this person speaks and that anyone does. The model is
shared; the state of a stream belongs to its `Listener` alone, which takes any other detector too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from constellation.errors import AudioError

from .features import BLOCK, Features, FeatureStream
from .odds import log_odds, probability
from .sound import RATE_HZ, Samples
from .strangers import Strangers
from .voiceprint import SIZE, Voiceprint, Voices, compared, of_length_one

if TYPE_CHECKING:
    from .ports import Detection, Detector

PATH = Path(__file__).parent / "models" / "pvad.onnx"

COSINE_STEPS = 15  # the model sees the likeness of 300 ms ago too
WARM_STEPS = 40  # of an enrolment are not used: the encoder has not heard enough
_SHORTEST_S = 2.0
_AUDIBLE = 10**-3  # of the loudest block's power: 30 dB below it

# A slow update of the voiceprint, guarded: only sound that was surely the primary speaker's, only
# enough of it, and only if it is like the voiceprint as a whole.
_SURE = 0.97
_LEARN_STEPS = 75
_LEARN_COSINE = 0.75
_LEARN_RATE = 0.05
# Of the last minute; nobody's turn is longer.
_MOST_SURE = 3_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """20 ms of sound; probabilities from 0 to 1."""

    anyone: float
    primary: float


class Model:
    """The network, loaded once; many streams use it, from any thread.

    See `agents.voice.ports.Detector`.
    """

    def __init__(self, path: Path = PATH) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def step(self, inputs: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """One block; inputs and outputs by the names in the model's card."""
        return dict(zip(_OUTPUTS, self._session.run(_OUTPUTS, inputs), strict=True))

    def stream(self) -> Detection:
        """See `agents.voice.ports.Detector`."""
        return _Stream(self)

    def enrol(self, sound: Samples) -> tuple[NDArray[np.float32], float]:
        """See `agents.voice.ports.Detector`; the vector is (256,)."""
        stepper = _Stepper(self)
        embeddings, powers = [], []
        for block in sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK):
            _, embedding, seen = stepper.push(block, _NOBODY)
            embeddings.append(embedding)
            powers.append(seen.power)
        power = np.array(powers[WARM_STEPS:])
        audible = power > max(_AUDIBLE * power.max(initial=0.0), 1e-7)
        heard_s = float(audible.sum()) * BLOCK / RATE_HZ
        if heard_s < _SHORTEST_S - 1:
            raise AudioError(
                f"The recording has only {heard_s:.1f} s of voice in it.",
                remedy="Record five to fifteen seconds of speech, close to the microphone.",
            )
        return of_length_one(np.array(embeddings[WARM_STEPS:])[audible].mean(axis=0)), heard_s


_OUTPUTS = ["primary", "anyone", "cosine", "h_next", "c_next", "g_next", "embedding"]


class _Stepper:
    """The recurrent state of one stream."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._features = FeatureStream()
        self._h = np.zeros((3, 1, SIZE), np.float32)
        self._c = np.zeros((3, 1, SIZE), np.float32)
        self._g = np.zeros((2, 1, 128), np.float32)
        self._cosines = deque([0.0] * COSINE_STEPS, maxlen=COSINE_STEPS)

    def push(
        self, block: Samples, vector: NDArray[np.float32]
    ) -> tuple[Judgement, NDArray[np.float32], Features]:
        """Take in a block; return also the (256,) embedding of the voice up to now."""
        seen = self._features.push(block)
        out = self._model.step(
            {
                "mel": seen.mel[None],
                "log_mel": seen.log_mel[None],
                "level_db": np.array([[seen.level_db]], np.float32),
                "voiceprint": vector[None],
                "cosine_before": np.array([[self._cosines[0]]], np.float32),
                "h": self._h,
                "c": self._c,
                "g": self._g,
            }
        )
        self._h, self._c, self._g = out["h_next"], out["c_next"], out["g_next"]
        self._cosines.append(out["cosine"].item())
        judgement = Judgement(out["anyone"].item(), out["primary"].item())
        return judgement, out["embedding"].reshape(SIZE), seen


class _Stream:
    """See `agents.voice.ports.Detection`."""

    def __init__(self, model: Model) -> None:
        self._stepper = _Stepper(model)
        self._sure: deque[NDArray[np.float32]] = deque(maxlen=_MOST_SURE)
        self._strangers = Strangers()

    def judge(self, block: Samples, voiceprint: Voiceprint | None) -> Judgement:
        vector = _NOBODY if voiceprint is None else voiceprint.vector
        judgement, embedding, _ = self._stepper.push(block, vector)
        if voiceprint is None:
            return judgement
        if judgement.primary >= _SURE:
            self._sure.append(embedding)
        primary = self._strangers.weigh(
            judgement.primary, judgement.anyone, embedding, voiceprint.vector
        )
        known = probability(log_odds(primary) - voiceprint.surplus)
        return Judgement(judgement.anyone, known)

    def learned(self, voiceprint: Voiceprint) -> Voiceprint:
        """Let it follow the voice a little, if that was surely it."""
        sure = list(self._sure)
        self._sure.clear()
        if len(sure) < _LEARN_STEPS:
            return voiceprint
        heard = Voiceprint(of_length_one(np.mean(sure, axis=0)))
        if heard.likeness(voiceprint) < _LEARN_COSINE:
            return voiceprint
        vector = (1 - _LEARN_RATE) * voiceprint.vector + _LEARN_RATE * heard.vector
        return replace(voiceprint, vector=of_length_one(vector))


class Listener:
    """One stream of sound and the person who may interrupt in it; see `agents.voice.ports.Ears`.

    Args:
        voices: compares their voice with another; None leaves it at what the detector hears.

    Attributes:
        voiceprint: of that person; None if everyone may. It may be changed at any time.
    """

    def __init__(
        self, detector: Detector, voiceprint: Voiceprint | None = None, voices: Voices | None = None
    ) -> None:
        self.voiceprint = voiceprint
        self._voices = voices
        self._detection = detector.stream()
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> list[Judgement]:
        """Take in any number of samples; return a judgement for every 20 ms that are complete."""
        pending = np.concatenate([self._rest, samples])
        whole = len(pending) // BLOCK * BLOCK
        self._rest = pending[whole:]
        return [self._judge(block) for block in pending[:whole].reshape(-1, BLOCK)]

    def _judge(self, block: Samples) -> Judgement:
        voiceprint = self.voiceprint
        judgement = self._detection.judge(block, voiceprint)
        if voiceprint is None:
            return Judgement(judgement.anyone, judgement.anyone)
        return judgement

    def compare(self, sound: Samples) -> float | None:
        """How probably the one voice in a sound is that person's; None if it cannot be told.

        It blocks, and may be called in another thread.
        """
        voiceprint = self.voiceprint
        if voiceprint is None:
            return 1.0
        if self._voices is None:
            return None
        try:
            return compared(voiceprint, self._voices, sound)
        except AudioError:
            return None

    def learn(self) -> bool:
        """At the end of a turn: let the voiceprint follow the voice; return whether it did."""
        before = self.voiceprint
        if before is not None:
            self.voiceprint = self._detection.learned(before)
        return self.voiceprint is not before


def enrol(detector: Detector, sound: Samples, voices: Voices | None = None) -> Voiceprint:
    """The voiceprint of the one person who speaks in a recording, of 5 s or better of 15 s.

    Args:
        voices: for comparisons later; None does without.

    Raises:
        AudioError: there is too little to be heard in it.
    """
    vector, heard_s = detector.enrol(sound)
    return Voiceprint(vector, heard_s, None if voices is None else voices.embed(sound))


_NOBODY = np.zeros(SIZE, np.float32)
