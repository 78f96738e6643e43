"""An hour of conversation in simulated time: does anything drift, grow or get lost?

The detector is the real one. Recognition, ends of turns and speech are stand-ins that take a fixed
time, so that whatever differs between the first minutes and the last is the agent's doing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import psutil

from agents.voice.conversation import Conversation
from agents.voice.events import Word
from agents.voice.features import BLOCK
from agents.voice.player import Player
from agents.voice.ports import Models, Speech
from agents.voice.pvad import Listener, Model
from agents.voice.recorded import Desk, exchanged
from agents.voice.sound import RATE_HZ, Samples
from agents.voice.timeline import Timeline

from .conversations import Brief

_EVERY_S = 10
_SPEAKS_S = 1.5
_TAKES_S = 0.02


class _Recogniser:
    def transcribe(self, sound: Samples) -> str:
        return "What time is it?" if float(np.abs(sound).max(initial=0.0)) > 0.05 else ""


class _TurnEnds:
    def complete(self, sound: Samples) -> float:
        return 0.95


class _Speaker:
    def say(self, text: str) -> Speech:
        at = np.arange(RATE_HZ) / RATE_HZ
        sound = (0.5 * np.sin(2 * np.pi * 300 * at)).astype(np.float32)
        words = text.split()
        ends = (RATE_HZ * (n + 1) // len(words) for n in range(len(words)))
        return Speech(sound, tuple(map(Word, words, ends)))


@dataclass(frozen=True, slots=True)
class Hour:
    """Of so many minutes.

    Attributes:
        turns, answers: that were ended, and heard to their end; each of ``said`` has one.
        early_s, late_s: from the end of a turn's speech to its answer, on average, in the first
            and the last sixth of the time.
        grown_bytes: by which the process grew after the first sixth.
    """

    said: int
    turns: int
    answers: int
    early_s: float
    late_s: float
    grown_bytes: int


def an_hour(minutes: int) -> Hour:
    """Converse for so many minutes of simulated time."""
    timeline, player, desk = Timeline(), Player(), Desk(clock=_ticking(_TAKES_S))
    models = Models(_Recogniser(), _TurnEnds(), _Speaker())
    conversation = Conversation(
        Listener(Model()), models, Brief(), player, desk, told=timeline.note
    )
    said = 60 * minutes // _EVERY_S
    sixth_s = 10.0 * minutes
    settled = 0
    for _ in exchanged(_blocks(said), conversation, player, desk):
        if not settled and desk.now > sixth_s:
            settled = psutil.Process().memory_info().rss
    grown = psutil.Process().memory_info().rss - settled
    found = Counter(each.what for each in timeline.entries)
    waits = [(each.at_s, each.after_s) for each in timeline.entries if each.what == "first audio"]
    early = [wait for at, wait in waits if at < sixth_s and wait is not None]
    late = [wait for at, wait in waits if at >= 5 * sixth_s and wait is not None]
    return Hour(
        said,
        found["turn ended"],
        found["heard"],
        float(np.mean(early)),
        float(np.mean(late)),
        grown,
    )


def _blocks(times: int) -> Iterator[Samples]:
    """Bursts of pulses, which are as good as a voice here, between stretches of quiet."""
    rng = np.random.default_rng(0)
    speech = _voice(rng)
    for _ in range(times):
        sound = (0.0005 * rng.standard_normal(_EVERY_S * RATE_HZ)).astype(np.float32)
        sound[2 * RATE_HZ :][: len(speech)] += speech
        yield from sound.reshape(-1, BLOCK)


def _voice(rng: np.random.Generator) -> Samples:
    at = np.arange(round(_SPEAKS_S * RATE_HZ)) / RATE_HZ
    pulses = sum(np.sin(2 * np.pi * 120 * n * at + n) / n for n in range(1, 25))
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * at)
    voice = pulses * syllables + 0.02 * rng.standard_normal(len(at))
    return np.asarray(0.3 * voice / np.abs(voice).max(), np.float32)


def _ticking(step_s: float) -> Callable[[], float]:
    numbers = count()
    return lambda: next(numbers) * step_s
