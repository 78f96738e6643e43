"""All that can be set about the turns of a conversation. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from .bargein import LISTENING, SPEAKING, THINKING, TOOL, Profile
from .endpointing import Endpoints
from .phases import Phase


@dataclass(frozen=True, slots=True)
class Rules:
    """How turns are taken.

    Attributes:
        listening, thinking, speaking, tool: what it takes to be heard, by what the agent does.
        endpoints: how long a pause is.
        preroll_s: a turn is transcribed from so long before its first sound on.
        doubt_s: the longest time that a voice alone keeps an answer soft.
        calm_s: no voice alone makes it soft again so soon after a false alarm; doubled with each
            one within an answer, up to ``calmest_s``.
        preempt: the probability of a turn's end from which on an answer is begun before it.
        think_s: the longest wait for an answer's first or next sound.
        tool_s: the same while a tool runs.
        stall_s: playback that does not get on for so long is given up.
        excuse: what is said when there is no answer.
        compares: whether a `Compare` will be answered: whose words they are is then not believed
            before.
        compare_s: a voice is compared again after so much more of it.
        compared_s: the longest wait for a comparison.
    """

    listening: Profile = LISTENING
    thinking: Profile = THINKING
    speaking: Profile = SPEAKING
    tool: Profile = TOOL
    endpoints: Endpoints = field(default_factory=Endpoints)
    preroll_s: float = 0.4
    doubt_s: float = 1.0
    calm_s: float = 0.5
    calmest_s: float = 8.0
    preempt: float = 0.5
    think_s: float = 20.0
    tool_s: float = 120.0
    stall_s: float = 5.0
    excuse: str = "Sorry, something went wrong with my answer."
    compares: bool = False
    compare_s: float = 0.6
    compared_s: float = 1.5

    def profile(self, phase: Phase) -> Profile:
        """What it takes to be heard in a phase."""
        match phase:
            case Phase.THINKING:
                return self.thinking
            case Phase.WORKING:
                return self.tool
            case Phase.SPEAKING:
                return self.speaking
        return self.listening
