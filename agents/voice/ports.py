"""What the agent needs of models and of a mind, whoever provides them.

Calls of the models block, and are made off the event loop: a model is loaded once and shared by all
conversations, from several threads, and keeps nothing of one call for the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .events import Instruction, Word
from .pvad import Judgement
from .sound import Samples
from .voiceprint import Voiceprint, Voices


class Detection(Protocol):
    """A voice activity detector in one stream of sound; its state is that of the stream."""

    def judge(self, block: Samples, voiceprint: Voiceprint | None) -> Judgement:
        """Whose voice is in the next 20 ms, (320,) samples.

        Args:
            voiceprint: of the primary speaker; None if that is whoever speaks.
        """

    def learned(self, voiceprint: Voiceprint) -> Voiceprint:
        """At the end of a turn: what the primary speaker is known by from now on, or the same."""


class Detector(Protocol):
    """Whose voice it is, from moment to moment: a personalised voice activity detector."""

    def stream(self) -> Detection:
        """For a stream that begins."""

    def enrol(self, sound: Samples) -> tuple[NDArray[np.float32], float]:
        """What it knows the one person by who speaks in a recording.

        Returns:
            The `Voiceprint.vector`, (n,) of length one, since those of several recordings are
            added up; and how many seconds of voice it is from.

        Raises:
            AudioError: there is too little to be heard.
        """


class Ears(Protocol):
    """A stream of sound, and whose voice is in it. The state is that of one stream."""

    def push(self, samples: Samples) -> Sequence[Judgement]:
        """Take in sound; return a judgement for every 20 ms that are complete."""

    def compare(self, sound: Samples) -> float | None:
        """How probably the primary speaker's is the one voice in seconds of sound.

        Slower and surer than `push`, and called off the event loop. None if it cannot be told.
        """


class Recogniser(Protocol):
    """Speech into text."""

    def transcribe(self, sound: Samples) -> str:
        """What is said in up to a minute of sound; empty if nothing is.

        Raises:
            AudioError: it cannot be told.
        """


class TurnEnds(Protocol):
    """Whether a turn is over, by how it sounds."""

    def complete(self, sound: Samples) -> float:
        """The probability, from 0 to 1, that the sound is a whole turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """A sentence as sound.

    Attributes:
        words: in order; their ends are in samples.
    """

    samples: Samples
    words: tuple[Word, ...]


class Speaker(Protocol):
    """Text into speech."""

    def say(self, text: str) -> Speech:
        """One sentence.

        Raises:
            AudioError: it cannot be spoken.
        """


class Feelings(Protocol):
    """What a voice shows of feelings, which words do not."""

    def feeling(self, sound: Samples) -> str:
        """In a word or two, such as "angry"; empty if there is nothing to tell.

        Raises:
            AudioError: it cannot be told.
        """


class Loudspeaker(Protocol):
    """What one person hears. It tells the conversation what was `Played`."""

    def add(self, answer: int, sound: Samples) -> None:
        """Put sound behind what there is of an answer."""

    def do(self, instruction: Instruction) -> None:
        """Follow an instruction; those that are not for a loudspeaker are ignored."""

    def forget(self, answer: int) -> None:
        """The answer was heard to its end."""


class Screen(Protocol):
    """What one person sees."""

    def tell(self, kind: str, **fields: Any) -> None:
        """Something happened: ``phase``, ``hearing``, ``saying``, ``said``, ``happened`` …"""

    def levels(self, anyone: float, primary: float) -> None:
        """How likely it is, from 0 to 1, that anybody speaks, and the person who may interrupt."""


@dataclass(frozen=True, slots=True)
class Said:
    """Who said what, as far as it was heard."""

    who: Literal["person", "agent"]
    text: str


@dataclass(frozen=True, slots=True)
class Working:
    """A mind waits for a tool, or no longer; said again, it still does, and may be given up."""

    on: bool


class Mind(Protocol):
    """What answers a person."""

    def answer(
        self, prompt: str, context: Sequence[Said], sound: Samples | None = None
    ) -> Iterator[str | Working]:
        """The answer in pieces, as they come.

        An answer may be begun before the person has ended, and be thrown away. What changes the
        world is therefore done behind a `Working` alone: no piece is asked for after that before
        the turn is over.

        Args:
            context: the latest that was said before, oldest first; the same objects each time.
            sound: the prompt as it was said; None if it was not spoken.

        Raises:
            ConstellationError: there is no answer, or no more of it.
        """


@dataclass(frozen=True, slots=True)
class Models:
    """What all conversations share.

    Attributes:
        voices: tells whose voice it is once more when much hangs on it; None does without.
    """

    recogniser: Recogniser
    turn_ends: TurnEnds
    speaker: Speaker
    voices: Voices | None = None
