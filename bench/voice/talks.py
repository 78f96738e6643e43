"""What whole conversations cost: processor and memory, with the models that ship."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import psutil

from agents.voice.conversation import Conversation
from agents.voice.models.loading import Loaded
from agents.voice.player import Player
from agents.voice.pvad import Listener
from agents.voice.recorded import Desk
from agents.voice.sound import RATE_HZ, Samples

from .conversations import Brief, talk
from .endings import COMPLETE
from .mixtures import noise

_EVERY_S = 8.0
_QUIET_DB = 25.0
_KEPT_S = 75


@dataclass(frozen=True, slots=True)
class Cost:
    """Of conversations.

    Attributes:
        processor_s: for each second of a conversation in which the person asks something every
            eight, the program that synthesises speech included.
        memory_bytes: of one more conversation, with a minute of sound in its memory.
        seconds: of conversation that were measured.
    """

    processor_s: float
    memory_bytes: float
    seconds: float


def cost_of_talking(shared: Loaded, requests: int, sessions: int) -> Cost:
    """Converse, and then keep so many conversations at once."""
    recording = _recording(shared, requests)
    before = _processor_s()
    notes = talk(Listener(shared.detector), shared.models, recording)
    used = _processor_s() - before
    seconds = len(notes.sound) / RATE_HZ
    return Cost(used / seconds, _memory(shared, sessions), seconds)


def _recording(shared: Loaded, requests: int) -> Samples:
    rng = np.random.default_rng(0)
    sound = np.zeros(round(_EVERY_S * RATE_HZ) * requests, np.float32)
    for n in range(requests):
        spoken = 0.6 * shared.models.speaker.say(COMPLETE[n % len(COMPLETE)]).samples
        begin = round((n * _EVERY_S + 1) * RATE_HZ)
        sound[begin : begin + len(spoken)] += spoken[: len(sound) - begin]
    return sound + noise(len(sound), _QUIET_DB, rng)


def _processor_s() -> float:
    """Seconds of processor time of this process and its children so far."""
    process = psutil.Process()
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _memory(shared: Loaded, sessions: int) -> float:
    process = psutil.Process()
    second = np.full(RATE_HZ, 1e-4, np.float32)
    before, kept = process.memory_info().rss, []
    for _ in range(sessions):
        ears = Listener(shared.detector)
        conversation = Conversation(ears, shared.models, Brief(), Player(), Desk())
        for n in range(_KEPT_S):
            conversation.hear(second, n + 1.0)
        kept.append(conversation)
    return (process.memory_info().rss - before) / sessions
