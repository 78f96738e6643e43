"""Rules for when a voice interrupts: ours, and those of two frameworks over Silero's detector."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from agents.voice.bargein import SPEAKING, Evidence
from agents.voice.events import FRAME_S, Frame
from agents.voice.odds import together
from agents.voice.pvad import Judgement
from agents.voice.rules import Rules
from agents.voice.sound import RATE_HZ, Samples
from constellation.errors import ConfigError

Compare = Callable[[float, float], float | None]
# A comparison takes about so long.
_COMPARING_S = 0.2


@dataclass(frozen=True, slots=True)
class Followed:
    """What the agent makes of a stream, (n,) each, a frame of 20 ms.

    Attributes:
        decisions: when it ducks, when it is silent, and when words alone would still be missing.
        scores: the mean probability that its rule holds against the threshold for silence, with
            all that the rule takes off.
    """

    decisions: dict[str, NDArray[np.bool_]]
    scores: NDArray[np.float64]


def follow(
    judged: Sequence[Judgement],
    echoes: Sequence[float] = (),
    compare: Compare | None = None,
) -> Followed:
    """Let the agent's own rule listen.

    Args:
        echoes: for each frame, how likely it is the agent's own voice; none if it cannot be.
        compare: how likely the voice between two times, in seconds, is the primary speaker's; None
            to do without that.
    """
    evidence, second = Evidence(), _Second(compare)
    found = np.zeros((3, len(judged)), np.bool_)
    scores = np.zeros(len(judged))
    for number, (each, echo) in enumerate(zip(judged, echoes or repeat(0.0), strict=False)):
        evidence.hear(Frame(each.anyone, each.primary, echo), SPEAKING, number * FRAME_S)
        believed = evidence.settled and second.believes(evidence, number * FRAME_S)
        found[:, number] = evidence.voice, evidence.primary, believed and evidence.primary
        scores[number] = evidence.mean
    return Followed(dict(zip(("duck", "silent", "believed"), found, strict=True)), scores)


class _Second:
    """A second opinion on the voice that is heard, as the agent asks for it.

    Args:
        compare: see `follow`.
    """

    def __init__(self, compare: Compare | None) -> None:
        self._compare = compare
        self._rules = Rules()
        self._voice_s = self._asked_s = -math.inf
        self._likeness: float | None = None

    def believes(self, evidence: Evidence, now: float) -> bool:
        """Whether words would be the primary speaker's; asked in every frame with enough voice."""
        if self._compare is None:
            return evidence.belief >= SPEAKING.belief
        begin_s = now if evidence.since is None else evidence.since
        if self._voice_s != begin_s:
            self._voice_s, self._asked_s, self._likeness = begin_s, -math.inf, None
        if now >= self._asked_s + self._rules.compare_s:
            self._asked_s = now
            self._likeness = self._compare(max(0.0, begin_s - self._rules.preroll_s), now)
        if now < self._asked_s + _COMPARING_S:
            return False
        if self._likeness is None:
            return evidence.belief >= SPEAKING.belief
        return together(evidence.belief, self._likeness) >= SPEAKING.known


def ours(judged: Sequence[Judgement], echoes: Sequence[float] = ()) -> dict[str, NDArray[np.bool_]]:
    """The agent's decisions alone; see `Followed`."""
    return follow(judged, echoes).decisions


def held_for(speech: NDArray[np.bool_], frames: int, gap: int = 0) -> NDArray[np.bool_]:
    """(n,) whether speech has lasted so many frames; gaps up to ``gap`` frames belong to it."""
    lasting = np.zeros(len(speech), np.bool_)
    run = missing = 0
    for number, each in enumerate(speech):
        missing = 0 if each else missing + 1
        run = run + 1 if run and missing <= gap else int(each)
        lasting[number] = run >= frames
    return lasting


class Silero:
    """The voice activity detector that LiveKit and Pipecat use, as `pipecat-ai` carries it.

    Raises:
        ConfigError: the package is not installed.
    """

    frame_s = 512 / RATE_HZ

    def __init__(self) -> None:
        package = find_spec("pipecat")
        if package is None or package.origin is None:
            raise ConfigError(
                "There is no Silero detector to compare with.",
                remedy="Install it: pip install --no-deps pipecat-ai==1.14.0.",
            )
        path = Path(package.origin).parent / "audio" / "vad" / "data" / "silero_vad.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, sound: Samples) -> NDArray[np.float32]:
        """(n,) probabilities of speech, for every 32 ms that are complete."""
        state = np.zeros((2, 1, 128), np.float32)
        rate = np.array(RATE_HZ, np.int64)
        before = np.zeros(64, np.float32)
        found = []
        for block in sound[: len(sound) // 512 * 512].reshape(-1, 512):
            inputs = {"input": np.concatenate([before, block])[None], "state": state, "sr": rate}
            output, state = self._session.run(None, inputs)
            before = block[-64:]
            found.append(output.item())
        return np.array(found, np.float32)

    def livekit(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """LiveKit's default: half a second since speech began, which ends with 0.55 s without."""
        speech = probabilities >= 0.5
        return held_for(speech, round(0.5 / self.frame_s), gap=round(0.55 / self.frame_s))

    def pipecat(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Pipecat's default: 0.2 s of speech in a row, with a confidence of 0.7."""
        return held_for(probabilities >= 0.7, round(0.2 / self.frame_s))
