"""However slow the models are, nothing that the person says is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.voice.conversation import Conversation
from agents.voice.events import Word
from agents.voice.features import BLOCK
from agents.voice.player import Player
from agents.voice.ports import Models, Said, Speech, Working
from agents.voice.pvad import Judgement
from agents.voice.recorded import Desk, converse
from agents.voice.sound import RATE_HZ, Samples

WORD_S = 0.3
_ALPHABET = (
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar "
    "papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu"
)
WORDS = _ALPHABET.split()


class Work:
    """A clock that goes on by nothing but work."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def takes(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Slowness:
    """What each piece of work takes, in seconds."""

    recogniser: float
    turn_ends: float
    mind: float
    speaker: float


def said(words: Sequence[int]) -> Samples:
    """Words as sound: the level of a sample tells which it is part of."""
    return np.repeat(np.array(words, np.float32) + 1, round(WORD_S * RATE_HZ)) / 1000


class Ears:
    """Hears the person in every sound."""

    def push(self, samples: Samples) -> Sequence[Judgement]:
        voiced = [0.95 if block.any() else 0.0 for block in samples.reshape(-1, BLOCK)]
        return [Judgement(level, level) for level in voiced]


class SlowModels:
    """All models and the mind: none is ever wrong, and each takes its time."""

    def __init__(self, work: Work, slowness: Slowness, answer: str) -> None:
        self._work = work
        self._slowness = slowness
        self._answer = answer

    def transcribe(self, sound: Samples) -> str:
        self._work.takes(self._slowness.recogniser)
        levels = np.round(sound * 1000).astype(int)
        found = [each for each in np.unique(levels) if each]
        whole = [each for each in found if np.sum(levels == each) > WORD_S * RATE_HZ / 2]
        return " ".join(WORDS[each - 1] for each in whole)

    def complete(self, sound: Samples) -> float:
        self._work.takes(self._slowness.turn_ends)
        return 0.95

    def say(self, text: str) -> Speech:
        self._work.takes(self._slowness.speaker)
        words = text.split()
        samples = round(WORD_S * RATE_HZ)
        ends = tuple(Word(word, (n + 1) * samples) for n, word in enumerate(words))
        return Speech(np.full(len(words) * samples, 0.5, np.float32), ends)

    def answer(
        self, prompt: str, context: Sequence[Said], sound: Samples | None = None
    ) -> Iterator[str | Working]:
        self._work.takes(self._slowness.mind)
        yield self._answer


LATENCIES_S = st.floats(0.0, 8.0)
SLOWNESS = st.builds(Slowness, LATENCIES_S, LATENCIES_S, LATENCIES_S, LATENCIES_S)
# Silence before each sentence, in seconds, and its length in words.
SENTENCES = st.lists(st.tuples(st.floats(0.5, 9.0), st.integers(3, 6)), min_size=1, max_size=4)
ANSWERS = st.sampled_from(["Yes.", "It is half full, and all is well. What else is there?"])


@given(SENTENCES, SLOWNESS, ANSWERS)
@example([(1.0, 4), (4.0, 4), (3.0, 4)], Slowness(4.0, 0.0, 0.0, 0.0), "It is half full and so on.")
@settings(max_examples=40, deadline=None)
def test_nothing_that_is_said_is_lost(
    sentences: list[tuple[float, int]], slowness: Slowness, answer: str
) -> None:
    numbers = count()
    sounds: list[Samples] = []
    for gap_s, words in sentences:
        sounds.append(np.zeros(round(gap_s * RATE_HZ), np.float32))
        sounds.append(said([next(numbers) for _ in range(words)]))
    work = Work()
    models = SlowModels(work, slowness, answer)
    player, desk = Player(), Desk(clock=work)
    conversation = Conversation(Ears(), Models(models, models, models), models, player, desk)
    converse(np.concatenate(sounds), conversation, player, desk)
    heard = " ".join(each.text for each in conversation.context if each.who == "person")
    assert heard.split() == WORDS[: next(numbers)]
