"""What it costs to listen: processor time and memory of a stream, and that neither grows."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass

import numpy as np
import psutil

from agents.voice.pvad import Listener, Model, enrol
from agents.voice.sound import RATE_HZ, Samples
from agents.voice.voiceprint import Voiceprint

_CHUNK = RATE_HZ // 50


@dataclass(frozen=True, slots=True)
class Cost:
    """Of listening.

    Attributes:
        real_time_factor: processor seconds for a second of sound.
        stream_bytes: memory of one more stream.
        grown_bytes: by which the process grew after the first minute.
        slower: processor time of the last five minutes by that of the first five.
    """

    real_time_factor: float
    stream_bytes: int
    grown_bytes: int
    slower: float


def cost_of_listening(minutes: int) -> Cost:
    """Hear so many minutes, at least ten, in pieces as a microphone gives them."""
    model = Model()
    minute = _minute()
    voiceprint = enrol(model, minute[: 5 * RATE_HZ])
    stream_bytes = _memory(model, voiceprint, minute)
    listener = Listener(model, voiceprint)
    process = psutil.Process()
    took = []
    settled = 0
    for number in range(minutes):
        began = time.process_time()
        _hear(listener, minute)
        listener.learn()
        took.append(time.process_time() - began)
        if number == 0:
            settled = process.memory_info().rss
    grown = process.memory_info().rss - settled
    return Cost(sum(took) / (60 * minutes), stream_bytes, grown, sum(took[-5:]) / sum(took[:5]))


def _memory(model: Model, voiceprint: Voiceprint, sound: Samples) -> int:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    listener = Listener(model, voiceprint)
    _hear(listener, sound[: 10 * RATE_HZ])
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return taken


def _hear(listener: Listener, sound: Samples) -> None:
    for begin in range(0, len(sound), _CHUNK):
        listener.push(sound[begin : begin + _CHUNK])


def _minute() -> Samples:
    """Bursts of noise, as long as syllables: what it is does not matter to the cost."""
    rng = np.random.default_rng(0)
    sound = 0.1 * rng.standard_normal(60 * RATE_HZ)
    return np.asarray(sound * np.repeat(rng.random(300) > 0.4, RATE_HZ // 5), np.float32)
