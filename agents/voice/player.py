"""The loudspeaker: answers as sound, played, softened, held and thrown away as told."""

from __future__ import annotations

import numpy as np

from .events import (
    Duck,
    Instruction,
    Pause,
    Play,
    Played,
    Restore,
    Resume,
    StopPlayback,
)
from .sound import Samples

DUCKED = 0.2  # 14 dB softer
_FADE = 160


class Player:
    """What one person hears.

    Attributes:
        playing: the answer that is audible, or waits for its next sound; None if none is.
        gain: it is played with, from 0 to 1.
    """

    def __init__(self) -> None:
        self.playing: int | None = None
        self.gain = 1.0
        self._wanted = 1.0
        self._sounds: dict[int, Samples] = {}
        self._position = 0
        self._tail = _NOTHING

    def add(self, answer: int, sound: Samples) -> None:
        """Put sound behind what there is of an answer."""
        self._sounds[answer] = np.concatenate([self._sounds.get(answer, _NOTHING), sound])

    def do(self, instruction: Instruction) -> None:
        """Follow an instruction; those that are not for a loudspeaker are ignored."""
        match instruction:
            case Play(answer):
                if answer != self.playing:
                    self.playing, self._position = answer, 0
                # Answers that were begun too early and never played are over.
                self._sounds = {n: sound for n, sound in self._sounds.items() if n >= answer}
                self.gain = self._wanted = 1.0
            case Resume(answer, sample):
                self.playing, self._position = answer, sample
                self.gain, self._wanted = 0.0, 1.0
            case Duck():
                self._wanted = DUCKED
            case Restore():
                self._wanted = 1.0
            case Pause():
                self._hush()
            case StopPlayback(answer):
                if answer == self.playing:
                    self._hush()
                self._sounds.pop(answer, None)

    def _hush(self) -> None:
        """Be silent, without a click."""
        fading = self._ahead(_FADE) * self.gain
        self._tail = fading * np.linspace(1, 0, len(fading), dtype=np.float32)
        self.playing = None

    def _ahead(self, count: int) -> Samples:
        if self.playing is None:
            return _NOTHING
        sound = self._sounds.get(self.playing, _NOTHING)
        return sound[self._position : self._position + count]

    def render(self, count: int) -> tuple[Samples, Played | None]:
        """The next samples for the ear, and how far that brings the answer."""
        out = np.zeros(count, np.float32)
        out[: len(self._tail)] = self._tail[:count]
        self._tail = _NOTHING
        if self.playing is None:
            return out, None
        sound = self._ahead(count)
        gains = np.linspace(self.gain, self._wanted, len(sound), dtype=np.float32)
        out[: len(sound)] += sound * gains
        self.gain = self._wanted
        self._position += len(sound)
        return out, Played(self.playing, self._position) if len(sound) else None

    def forget(self, answer: int) -> None:
        """The answer was heard to its end."""
        self._sounds.pop(answer, None)
        if self.playing == answer:
            self.playing = None


_NOTHING = np.zeros(0, np.float32)
