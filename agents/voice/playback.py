"""The playback of one answer: what may follow what. Pure."""

from __future__ import annotations

from enum import StrEnum

from constellation.errors import InvalidTransition


class Playback(StrEnum):
    """What the loudspeaker does with an answer.

    WAITING: nothing, for there is no sound (any more, or yet). STOPPED is for ever.
    """

    WAITING = "waiting"
    PLAYING = "playing"
    DUCKED = "ducked"
    PAUSED = "paused"
    STOPPED = "stopped"


TRANSITIONS: dict[Playback, dict[str, Playback]] = {
    Playback.WAITING: {"play": Playback.PLAYING, "stop": Playback.STOPPED},
    Playback.PLAYING: {
        "duck": Playback.DUCKED,
        "pause": Playback.PAUSED,
        "run dry": Playback.WAITING,
        "stop": Playback.STOPPED,
    },
    Playback.DUCKED: {
        "restore": Playback.PLAYING,
        "pause": Playback.PAUSED,
        "run dry": Playback.WAITING,
        "stop": Playback.STOPPED,
    },
    Playback.PAUSED: {
        "resume": Playback.PLAYING,
        "run dry": Playback.WAITING,
        "stop": Playback.STOPPED,
    },
    Playback.STOPPED: {},
}

AUDIBLE = frozenset({Playback.PLAYING, Playback.DUCKED})


def following(playback: Playback, event: str, answer: int) -> Playback:
    """Where an event leads.

    Raises:
        InvalidTransition: nowhere, from here.
    """
    state = TRANSITIONS[playback].get(event)
    if state is None:
        raise InvalidTransition(f"The playback of answer {answer}", playback, event)
    return state
