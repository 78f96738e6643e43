"""Plays streams to all rules at once: the agent's, two frameworks', and a gate of two packages.

The frameworks' own packages decide where they are installed (`peers`); else their rules as they are
written anew in `deciders`, over the detector that both use.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from agents.voice.events import FRAME_S
from agents.voice.models.wespeaker import WeSpeaker
from agents.voice.pvad import Listener, Model, enrol
from agents.voice.sound import RATE_HZ, Samples
from agents.voice.voiceprint import Voiceprint

from .curves import Sweep
from .deciders import Silero, follow
from .gate import LIKE, Gate
from .interruptions import Events
from .mixtures import Stream
from .peers import Peer
from .speakers import Person

RULES = {
    "duck": "plays softly",
    "silent": "is silent",
    "believed": "stops, if there are words",
    "gate": "Silero and Resemblyzer: a voice like it",
    "LiveKit's": "LiveKit's: 0.5 s of any voice",
    "Pipecat's": "Pipecat's: 0.2 s of any voice",
}
FRAMEWORKS = ("LiveKit's", "Pipecat's")
# Those whose score is held against a threshold.
SWEPT = {"silent": "the agent is silent", "gate": "Silero and Resemblyzer"}


@dataclass(slots=True)
class Found:
    """What came of the streams of one condition, by rule.

    Attributes:
        events: with the thresholds that there are.
        anew: of those frameworks whose package decides, what their rules written anew do.
        sweeps: with every threshold.
    """

    events: dict[str, Events] = field(default_factory=lambda: defaultdict(Events))
    anew: dict[str, Events] = field(default_factory=lambda: defaultdict(Events))
    sweeps: dict[str, Sweep] = field(default_factory=lambda: defaultdict(Sweep))


class Judge:
    """The rules, each stream to all of them; it knows everybody that it has heard of.

    Args:
        peers: frameworks' packages, by the names in `FRAMEWORKS`.

    Raises:
        ConfigError: a package to compare with is not installed.
    """

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self._model = Model()
        self._voices = WeSpeaker()
        self._silero = Silero()
        self._gate = Gate(self._silero)
        self._prints: dict[str, Voiceprint] = {}
        self._known: dict[str, NDArray[np.float32]] = {}

    def hear(self, stream: Stream, found: Found) -> None:
        """Add what each rule decides."""
        for peer in self._peers.values():
            peer.ask(stream.samples)
        listener = Listener(self._model, self._print(stream.person), self._voices)
        compare = partial(_compared, listener, stream.samples)
        followed = follow(listener.push(stream.samples), compare=compare)
        for name, fires in followed.decisions.items():
            found.events[name].add(stream, fires, FRAME_S)
        found.sweeps["silent"].add(stream, followed.scores, FRAME_S)
        silero = self._silero
        speech = silero.probabilities(stream.samples)
        likeness = self._gate.likeness(stream.samples, speech, self._voice(stream.person))
        found.sweeps["gate"].add(stream, likeness, silero.frame_s)
        found.events["gate"].add(stream, likeness >= LIKE, silero.frame_s)
        anew = silero.livekit(speech), silero.pipecat(speech)
        for name, fires in zip(FRAMEWORKS, anew, strict=True):
            if name in self._peers:
                found.anew[name].add(stream, fires, silero.frame_s)
                fires = self._peers[name].heard().fires(len(speech), silero.frame_s)
            found.events[name].add(stream, fires, silero.frame_s)

    def _print(self, person: Person) -> Voiceprint:
        if person.name not in self._prints:
            self._prints[person.name] = enrol(self._model, person.enrolment, self._voices)
        return self._prints[person.name]

    def _voice(self, person: Person) -> NDArray[np.float32]:
        if person.name not in self._known:
            self._known[person.name] = self._gate.enrol(person.enrolment)
        return self._known[person.name]


def _compared(listener: Listener, sound: Samples, begin_s: float, end_s: float) -> float | None:
    return listener.compare(sound[round(begin_s * RATE_HZ) : round(end_s * RATE_HZ)])


def pooled(all_found: Sequence[Found]) -> dict[str, Sweep]:
    """The sweeps of several conditions as one."""
    sweeps: dict[str, Sweep] = defaultdict(Sweep)
    for found in all_found:
        for name, sweep in found.sweeps.items():
            sweeps[name].include(sweep)
    return sweeps
