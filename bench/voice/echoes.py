"""The agent's own voice in the microphone: what is taken out of it, and what is left of people."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agents.voice.echo import EchoCanceller
from agents.voice.events import FRAME_S
from agents.voice.features import BLOCK
from agents.voice.ports import Detector
from agents.voice.pvad import Listener, enrol
from agents.voice.sound import RATE_HZ, Samples, from_pcm, to_pcm

from .deciders import ours
from .interruptions import Events
from .mixtures import Stream, Turn, noise
from .speakers import Person

_LEVEL = 0.07
_QUIET_DB = 30.0
_TURNS_S = (8, 14, 20, 26)
_TURN_S = 2.0
# Without a person, when the filter has had time to learn.
_ALONE_S = (4, 8)
_AFTER_S = 0.8
_BEFORE_S = 0.2
_CARD_S = 0.05

Cancel = Callable[[Samples, Samples], tuple[Samples, Sequence[float]]]
"""Takes what was heard and what was played, as a whole; returns what is left, and for each block
how much of that is echo, if it knows."""


@dataclass(slots=True)
class Effect:
    """What a canceller did.

    Attributes:
        loss_db: of the echo, while nobody else spoke (ERLE).
        events: when people were let interrupt.
        own: how often the agent interrupted itself.
        minutes: of it.
        took_s: processor time for a second of sound.
    """

    loss_db: list[float] = field(default_factory=list)
    events: Events = field(default_factory=Events)
    own: int = 0
    minutes: float = 0.0
    took_s: list[float] = field(default_factory=list)


def cancellers() -> Mapping[str, Cancel]:
    """Those that there are: WebRTC's only if the package `livekit` is installed."""
    found: dict[str, Cancel] = {
        "none": lambda heard, played: (heard, ()),
        "linear, ours": _linear,
    }
    try:
        from livekit import rtc
    except ImportError:
        return found

    def webrtc(heard: Samples, played: Samples) -> tuple[Samples, Sequence[float]]:
        module = rtc.AudioProcessingModule(echo_cancellation=True)
        left = heard.copy()
        step = RATE_HZ // 100
        for at in range(0, len(heard) // step * step, step):
            here = slice(at, at + step)
            far, near = (
                rtc.AudioFrame(to_pcm(each[here]), RATE_HZ, 1, step) for each in (played, heard)
            )
            module.process_reverse_stream(far)
            module.process_stream(near)
            left[here] = from_pcm(bytes(near.data))
        return left, ()

    return found | {"WebRTC's": webrtc}


def _linear(heard: Samples, played: Samples) -> tuple[Samples, Sequence[float]]:
    canceller = EchoCanceller()
    residues = []
    left = heard.copy()
    for at in range(0, len(heard) // BLOCK * BLOCK, BLOCK):
        here = slice(at, at + BLOCK)
        left[here] = canceller.push(heard[here], played[here])
        residues.append(canceller.residue)
    return left, residues


def listen(
    people: Sequence[Person], answer: Samples, model: Detector, echo_db: float
) -> dict[str, Effect]:
    """Play an answer to each person, who speaks into it, with an echo so loud beside them."""
    played = np.asarray(answer * (_LEVEL / answer.std()), np.float32)
    effects: dict[str, Effect] = {}
    for number, person in enumerate(people):
        rng = np.random.default_rng(number)
        stream, echo = _scene(person, played, echo_db, rng)
        voiceprint = enrol(model, person.enrolment)
        for name, cancel in cancellers().items():
            effect = effects.setdefault(name, Effect())
            began = time.process_time()
            left, residues = cancel(stream.samples, played)
            effect.took_s.append((time.process_time() - began) * RATE_HZ / len(left))
            alone = slice(*(each * RATE_HZ for each in _ALONE_S))
            loss = np.mean(echo[alone] ** 2) / np.mean(left[alone] ** 2)
            effect.loss_db.append(float(10 * np.log10(loss)))
            fires = ours(Listener(model, voiceprint).push(left), residues)["silent"]
            effect.events.add(stream, fires, FRAME_S)
            effect.own += _own(stream, fires)
            effect.minutes += len(left) / RATE_HZ / 60
    return effects


def _scene(
    person: Person, played: Samples, echo_db: float, rng: np.random.Generator
) -> tuple[Stream, Samples]:
    echo = _through_a_room(played, rng) * np.float32(10 ** (echo_db / 20))
    near = np.zeros_like(played)
    turns = []
    length = round(_TURN_S * RATE_HZ)
    for begin_s in _TURNS_S:
        begin = begin_s * RATE_HZ
        near[begin : begin + length] = person.speech(length, rng)
        turns.append(Turn(True, begin, begin + length))
    heard = echo + near + noise(len(played), _QUIET_DB, rng)
    return Stream(person, heard.astype(np.float32), tuple(turns)), echo


def _through_a_room(sound: Samples, rng: np.random.Generator) -> Samples:
    """By a sound card 50 ms late, through 1.7 m of air, with what the walls send back."""
    length = round(0.12 * RATE_HZ)
    response = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / (0.25 * RATE_HZ))
    response[: round(0.005 * RATE_HZ)] *= 0.1
    response[round(0.005 * RATE_HZ)] = 3.0
    response /= np.linalg.norm(response)
    response = np.concatenate([np.zeros(round(_CARD_S * RATE_HZ)), response])
    size = len(sound) + len(response)
    spectrum = np.fft.rfft(sound, size) * np.fft.rfft(response, size)
    return np.asarray(np.fft.irfft(spectrum, size)[: len(sound)], np.float32)


def _own(stream: Stream, fires: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    """How often it begins to fire where the person does not speak."""
    away = np.ones(len(fires), np.bool_)
    for turn in stream.turns:
        begin = turn.begin / RATE_HZ - _BEFORE_S
        end = turn.end / RATE_HZ + _AFTER_S
        away[max(0, int(begin / FRAME_S)) : int(end / FRAME_S)] = False
    rising = np.diff(np.concatenate([[0], (fires & away).astype(np.int8)])) > 0
    return int(rising.sum())
