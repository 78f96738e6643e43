"""What stops the agent wrongly: it tells a story while others talk, and nobody means it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np

from agents.voice.events import Duck, Pause, StopPlayback
from agents.voice.ports import Detector, Models
from agents.voice.pvad import Listener, enrol
from agents.voice.sound import RATE_HZ, Samples

from .conversations import Notes, talk
from .mixtures import murmur, noise
from .speakers import Person

# Half a minute.
STORY = (
    "The harbour was quiet that morning, and the boats lay still at their ropes. "
    "An old man came down the steps with a basket of bread under his arm. "
    "He sat on the wall and waited for the ferry, as he had done for twenty years. "
    "When it came, he waved to the captain and threw him the first loaf. "
    "The captain caught it, laughed, and blew the horn of the ship twice. "
    "Then the ferry turned around and went back across the bay without stopping. "
    "Nobody in the village had ever asked the two of them why they did it. "
    "But every winter, when the ice came, the captain walked over to ask for more."
)
_STORY_S = 30.0
_QUIET_DB = 25.0


@dataclass(slots=True)
class Disturbed:
    """What became of stories that were told while others talked.

    Attributes:
        told_s: seconds of them.
        ducks, pauses: how often the agent was softer, or silent for a moment.
        stops: how often it gave up its story.
        whole: stories that were not given up, and were heard word by word.
        lost: stories that were not given up, but of which a word is missing.
    """

    told_s: float = 0.0
    ducks: int = 0
    pauses: int = 0
    stops: int = 0
    whole: int = 0
    lost: int = 0

    def add(self, notes: Notes) -> None:
        """Take in one story."""
        text, cut = notes.heard[0]
        share = len(text.split()) / len(STORY.split())
        self.told_s += _STORY_S * share
        self.ducks += len(notes.times(Duck))
        self.pauses += len(notes.times(Pause))
        if notes.times(StopPlayback) or cut:
            self.stops += 1
        else:
            self.whole += text.split() == STORY.split()
            self.lost += text.split() != STORY.split()


def television(other: Person, rng: np.random.Generator) -> Samples:
    """One voice that hardly pauses, as loud as a person in the room."""
    parts: list[Samples] = []
    while sum(map(len, parts)) < _STORY_S * RATE_HZ:
        parts.append(other.speech(round(rng.uniform(2, 6) * RATE_HZ), rng))
        parts.append(np.zeros(round(rng.uniform(0.2, 0.8) * RATE_HZ), np.float32))
    return np.concatenate(parts)


def disturb(
    people: Sequence[Person], babble: Sequence[Person], detector: Detector, models: Models
) -> Iterator[tuple[str, Notes]]:
    """For each person, stories beside each other one of the source on television, and babble."""
    for number, person in enumerate(people):
        voiceprint = enrol(detector, person.enrolment, models.voices)
        rng = np.random.default_rng(number)
        rooms = [
            ("television", television(other, rng))
            for other in people
            if other is not person and other.source == person.source
        ]
        length = round(_STORY_S * RATE_HZ)
        rooms.append(("babble", murmur(babble, length, 0.0, rng)))
        for name, room in rooms:
            heard = room + noise(len(room), _QUIET_DB, rng)
            ears = Listener(detector, voiceprint, models.voices)
            # By the processor's time: other load on this machine changes nothing.
            yield name, talk(ears, models, heard, announce=STORY, clock=process_time)
