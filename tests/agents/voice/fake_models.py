"""Models that know what they are given: utterances by their samples, words by their number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count

import numpy as np
from voices import Voice, silence

from agents.voice.conversation import Conversation
from agents.voice.events import Word
from agents.voice.player import Player
from agents.voice.ports import Mind, Models, Said, Speech, Working
from agents.voice.pvad import Listener, Model
from agents.voice.recorded import Desk, converse
from agents.voice.sound import RATE_HZ, Samples
from agents.voice.timeline import Timeline
from agents.voice.voiceprint import Voiceprint
from constellation.errors import AudioError

WORD_SAMPLES = RATE_HZ * 3 // 10


class KnownUtterances:
    """Recognises what it was told of, as soon as most of it is in the sound."""

    def __init__(self, known: Mapping[str, Samples]) -> None:
        self._known = known

    def transcribe(self, sound: Samples) -> str:
        data = sound.tobytes()
        found = []
        for text, samples in self._known.items():
            middle = len(samples) // 2
            at = data.find(samples[middle : middle + 100].tobytes())
            if at >= 0:
                found.append((at, text))
        return " ".join(text for _, text in sorted(found))


class AlwaysComplete:
    def complete(self, sound: Samples) -> float:
        return 0.95


class Tones:
    """Speaks each word as a tone of 0.3 s; "unspeakable" cannot be spoken."""

    def say(self, text: str) -> Speech:
        if "unspeakable" in text:
            raise AudioError("It cannot be spoken.")
        words = text.split()
        at = np.arange(len(words) * WORD_SAMPLES) / RATE_HZ
        sound = (0.5 * np.sin(2 * np.pi * 300 * at)).astype(np.float32)
        ends = tuple(Word(word, (n + 1) * WORD_SAMPLES) for n, word in enumerate(words))
        return Speech(sound, ends)


class Answers:
    """A mind that says the same to everything; pieces that are errors are raised."""

    def __init__(self, *pieces: str | Working | Exception) -> None:
        self.pieces = pieces
        self.asked: list[tuple[str, tuple[Said, ...]]] = []
        self.sounds: list[Samples | None] = []
        self.done: list[str] = []

    def seconds_heard(self) -> float:
        """The length of the last prompt's sound."""
        sound = self.sounds[-1]
        return 0.0 if sound is None else len(sound) / RATE_HZ

    def answer(
        self, prompt: str, context: Sequence[Said], sound: Samples | None = None
    ) -> Iterator[str | Working]:
        self.asked.append((prompt, tuple(context)))
        self.sounds.append(sound)
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece
            if piece == Working(True):
                self.done.append(prompt)


class Scene:
    """A recording made of utterances, and the conversation that comes of it.

    Attributes:
        heard: (n, 2), after `play`.
    """

    def __init__(self, mind: Mind) -> None:
        self.timeline = Timeline()
        self.heard = np.zeros((0, 2), np.float32)
        self._mind = mind
        self._sounds: list[Samples] = []
        self._known: dict[str, Samples] = {}

    def quiet(self, seconds: float) -> Scene:
        self._sounds.append(silence(seconds, seed=len(self._sounds)))
        return self

    def says(self, voice: Voice, text: str, seconds: float = 1.2) -> Scene:
        self._known[text] = voice.says(seconds, seed=len(self._sounds))
        self._sounds.append(self._known[text])
        return self

    def play(
        self, model: Model, voiceprint: Voiceprint | None = None, *, slowness_s: float = 0.02
    ) -> Conversation:
        player = Player()
        desk = Desk(clock=ticking(slowness_s))
        conversation = Conversation(
            Listener(model, voiceprint),
            Models(KnownUtterances(self._known), AlwaysComplete(), Tones()),
            self._mind,
            player,
            desk,
            told=self.timeline.note,
        )
        self.heard = converse(np.concatenate(self._sounds), conversation, player, desk)
        return conversation

    def what(self) -> list[str]:
        return [entry.what for entry in self.timeline.entries]

    def loudness(self, begin_s: float, end_s: float) -> float:
        """The peak of what the person heard of the agent."""
        part = self.heard[round(begin_s * RATE_HZ) : round(end_s * RATE_HZ), 1]
        return float(np.abs(part).max(initial=0.0))

    def when(self, what: str) -> float:
        return next(entry.at_s for entry in self.timeline.entries if entry.what == what)


def ticking(step_s: float) -> Callable[[], float]:
    """A clock that goes on by as much at each look."""
    numbers = count()
    return lambda: next(numbers) * step_s
