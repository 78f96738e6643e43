"""Who has the floor: the states of a conversation, and what leads from one to another. Pure."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Who does what."""

    LISTENING = "listening"
    HEARING = "hearing"
    THINKING = "thinking"
    WORKING = "working"
    SPEAKING = "speaking"
    ENDED = "ended"


TRANSITIONS: dict[Phase, dict[str, Phase]] = {
    Phase.LISTENING: {
        "voice": Phase.HEARING,
        "announce": Phase.THINKING,
        "hang up": Phase.ENDED,
    },
    Phase.HEARING: {
        "commit": Phase.THINKING,
        "nothing said": Phase.LISTENING,
        "think on": Phase.THINKING,
        "work on": Phase.WORKING,
        "speak on": Phase.SPEAKING,
        "hang up": Phase.ENDED,
    },
    Phase.THINKING: {
        "voice": Phase.HEARING,
        "tool": Phase.WORKING,
        "sound": Phase.SPEAKING,
        "done": Phase.LISTENING,
        "hang up": Phase.ENDED,
    },
    Phase.WORKING: {
        "voice": Phase.HEARING,
        "tool done": Phase.THINKING,
        "sound": Phase.SPEAKING,
        "done": Phase.LISTENING,
        "hang up": Phase.ENDED,
    },
    Phase.SPEAKING: {
        "voice": Phase.HEARING,
        "run dry": Phase.THINKING,
        "run dry at a tool": Phase.WORKING,
        "done": Phase.LISTENING,
        "hang up": Phase.ENDED,
    },
    Phase.ENDED: {},
}
