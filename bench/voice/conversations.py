"""The whole agent with real models, talking with a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from agents.voice.conversation import Conversation
from agents.voice.events import Announce, CommitAnswer, Event, Instruction
from agents.voice.player import Player
from agents.voice.ports import Models, Said, Speaker, Speech, Working
from agents.voice.pvad import Listener
from agents.voice.recorded import Desk, converse
from agents.voice.sound import Samples


class Cached:
    """A speaker that says a sentence twice the same way, without making it twice."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._said: dict[str, Speech] = {}

    def say(self, text: str) -> Speech:
        """See `agents.voice.ports.Speaker`."""
        if text not in self._said:
            self._said[text] = self._speaker.say(text)
        return self._said[text]


class Brief:
    """A mind that has one short answer to everything."""

    def answer(
        self, prompt: str, context: Sequence[Said], sound: Samples | None = None
    ) -> Iterator[str | Working]:
        """See `agents.voice.ports.Mind`."""
        yield "I see."


@dataclass(slots=True)
class Notes:
    """What was said by the machine, and when.

    Attributes:
        at_s: by kind of event or instruction, the times.
        heard: the texts of answers as far as they were heard, and whether they were cut.
        sound: (n, 2) samples: what the microphone heard, and what the person heard.
    """

    at_s: dict[type[object], list[float]] = field(default_factory=dict)
    heard: list[tuple[str, bool]] = field(default_factory=list)
    sound: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 2), np.float32))

    def note(self, what: Event | Instruction, now: float) -> None:
        """Take in an event or instruction."""
        self.at_s.setdefault(type(what), []).append(now)
        if isinstance(what, CommitAnswer):
            self.heard.append((what.text, what.cut))

    def times(self, kind: type[object]) -> list[float]:
        """When something happened."""
        return self.at_s.get(kind, [])


def talk(
    ears: Listener,
    models: Models,
    recording: Samples,
    *,
    announce: str = "",
    clock: Callable[[], float] = perf_counter,
) -> Notes:
    """Have a conversation with a recording.

    Args:
        announce: what the agent says unasked from the start.
        clock: seconds, by which the models' work is measured.
    """
    notes, player, desk = Notes(), Player(), Desk(clock)
    conversation = Conversation(ears, models, Brief(), player, desk, told=notes.note)
    if announce:
        conversation.handle(Announce(announce), 0.0)
    notes.sound = converse(recording, conversation, player, desk)
    return notes
