"""The first turn of a stream, in a quiet room: who is answered. Nothing was heard before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import process_time

import numpy as np

from agents.voice.events import CommitTurn
from agents.voice.ports import Detector, Models
from agents.voice.pvad import Listener, enrol
from agents.voice.sound import RATE_HZ, Samples
from agents.voice.voiceprint import Voiceprint

from .conversations import talk
from .mixtures import noise
from .speakers import Person

ENROLMENTS_S = (5.0, 15.0)
_SHORTEST_S, _LONGEST_S = 1.0, 2.5
_BEFORE_S, _AFTER_S = 1.0, 3.0
_QUIET_DB = 40.0


@dataclass(slots=True)
class Answered:
    """For each turn, whether it was answered."""

    own: list[bool] = field(default_factory=list)
    others: list[bool] = field(default_factory=list)


def first_turns(
    people: Sequence[Person], detector: Detector, models: Models, turns: int
) -> Iterator[tuple[float, Answered]]:
    """Let everybody, and the others of their source, say something to somebody's agent.

    Args:
        turns: of each person; half as many of each of the others.

    Yields the seconds of enrolment, and what was answered.
    """
    for enrolment_s in ENROLMENTS_S:
        rng = np.random.default_rng(0)
        found = Answered()
        for person in people:
            enrolment = person.enrolment[: round(enrolment_s * RATE_HZ)]
            known = enrol(detector, enrolment, models.voices)
            for who in people:
                if who.source != person.source:
                    continue
                to, count = (
                    (found.own, turns) if who is person else (found.others, max(1, turns // 2))
                )
                to += [_is_answered(_said(who, rng), known, detector, models) for _ in range(count)]
        yield enrolment_s, found


def _is_answered(sound: Samples, known: Voiceprint, detector: Detector, models: Models) -> bool:
    ears = Listener(detector, known, models.voices)
    return bool(talk(ears, models, sound, clock=process_time).times(CommitTurn))


def _said(who: Person, rng: np.random.Generator) -> Samples:
    """Something short, with quiet around it."""
    length = round(rng.uniform(_SHORTEST_S, _LONGEST_S) * RATE_HZ)
    before, after = (np.zeros(round(each * RATE_HZ), np.float32) for each in (_BEFORE_S, _AFTER_S))
    sound = np.concatenate([before, who.speech(length, rng), after])
    return sound + noise(len(sound), _QUIET_DB, rng)
