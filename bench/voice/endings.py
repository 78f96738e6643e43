"""When a turn is over: requests that are complete, and requests in which the person hesitates.

They are spoken by the synthesiser, for want of recordings with known hesitations: one voice, and
more fluent than people are. A hesitation is a second of silence behind a filler, a word after which
English goes on, a clause, or a part of a list.

Complete requests are said a second time to an agent that knows the voice, from other sentences of
it: whoever is enrolled waits for a comparison of voices too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from agents.voice.events import (
    CommitTurn,
    Compared,
    Examine,
    Generate,
    Play,
    RetractTurn,
    Synthesised,
    Token,
)
from agents.voice.manner import manner
from agents.voice.ports import Detector, Models, Speaker
from agents.voice.pvad import Listener, enrol
from agents.voice.sound import RATE_HZ, Samples
from agents.voice.voiceprint import Voiceprint

from .conversations import Notes, talk
from .mixtures import noise
from .peers import Heard, Peer

HESITATION_S = 1.0
_QUIET_DB = 25.0
_SOON_S = 1.0
_AFTER_S = 4.0
_PREROLL_S = 0.6
_LOOK_S = 0.2

# From the end of a request to its answer.
STAGES = (
    "a pause is noticed",
    "the words are known",
    "there is an answer",
    "it is sound",
    "the voice is compared",
)
# A quarter of a minute of none of the requests.
_ENROLMENT = (
    "When the sunlight strikes raindrops in the air, they act as a prism and form a rainbow.",
    "It stands where nobody can reach it, for it walks away from whoever comes near.",
    "Some say that there is gold where it ends.",
    "Others are content to look at its colours until the rain is over.",
    "When it is gone they go home, and tell whoever will listen how wide it was.",
)
COMPLETE = (
    "How much disk space is free on the server?",
    "Read the file notes dot text on my desk machine.",
    "What can you do?",
    "Turn the lights in the kitchen off.",
    "Which devices are connected?",
    "Please write that into a report.",
    "Yes, go ahead.",
    "No, the other machine.",
    "How is the weather in Lisbon today?",
    "Copy the pictures to my laptop.",
    "Restart the web server.",
    "What time is it?",
    "Tell me a joke.",
    "I would like to know who wrote this.",
    "Send the list to the printer downstairs.",
    "Is the backup finished?",
    "Search for large files on all machines.",
    "Never mind, forget it.",
    "Show me the last ten lines of the log.",
    "The meeting was moved to Thursday.",
    "How long will it take?",
    "Put the red cube into the bowl.",
    "Can you hear me?",
    "That is all, thank you.",
)
HESITANT = (
    ("Can you, um,", "tell me how much memory is free?"),
    ("I need the, uh,", "report of last week."),
    ("Please copy the file, er,", "notes dot text to my desk."),
    ("Well, um,", "I am not sure what it is called."),
    ("Find the picture of, uh,", "the old harbour."),
    ("It was on the, um,", "server downstairs."),
    ("How many, uh,", "people have asked for it?"),
    ("So, um,", "what do we do about the backup?"),
    ("I want to", "restart the server in the cellar."),
    ("Read the file on", "my desk machine, please."),
    ("Check the temperature and", "tell me if it is too high."),
    ("Send an answer to the", "man who wrote this morning."),
    ("Could you look for my", "notes about the ferry?"),
    ("If the disk is full, then", "delete the old pictures."),
    ("Turn off the lights in the", "kitchen and in the hall."),
    ("What I mean is that", "it should run every night."),
    ("I have three questions, first,", "who wrote this report?"),
    ("My number is four, seven,", "nine, two, one."),
    ("On the server, on the laptop,", "and on the desk machine."),
    ("Buy bread, butter,", "milk and coffee."),
    ("When the backup is done,", "send me a message."),
    ("Not the first machine, but,", "let me think, the second."),
    ("Write to Anna, to Ben,", "and to everybody in the office."),
    ("Before you do that,", "show me what would change."),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A request as sound.

    Attributes:
        complete: whether nothing follows the pause.
        pause: the sample at which the person falls silent.
        goes_on: the sample at which they speak again; the end of the sound if they do not.
    """

    complete: bool
    samples: Samples
    pause: int
    goes_on: int


@dataclass(frozen=True, slots=True)
class Waits:
    """What came of a request, in seconds from the pause; infinity for what did not.

    Attributes:
        turn_s: until the turn was over for good.
        answer_s: until the answer was heard.
        stages_s: on the way to that answer, until each was done; see `STAGES`.
    """

    turn_s: float
    answer_s: float
    stages_s: tuple[float, ...]

    @property
    def by_name(self) -> dict[str, float]:
        """All of them, in the order in which they come."""
        stages = dict(zip(STAGES, self.stages_s, strict=True))
        return {**stages, "turn_s": self.turn_s, "answer_s": self.answer_s}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case; all right or wrong as booleans.

    Attributes:
        ours: the agent's.
        smart_turn: that of Smart Turn alone, after 0.2 s of silence.
        pipecat: that of Pipecat's package; None without it.
        silence: that of half a second of silence alone.
        manner_s: what it takes to tell how the request was said.
    """

    complete: bool
    ours: bool
    smart_turn: bool
    pipecat: bool | None
    silence: bool
    waits: Waits
    manner_s: float


def cases(speaker: Speaker) -> Iterator[Case]:
    """Every request, spoken."""
    rng = np.random.default_rng(0)
    for text in COMPLETE:
        yield _case([_spoken(speaker, text)], rng)
    for before, after in HESITANT:
        yield _case([_spoken(speaker, before), _spoken(speaker, after)], rng)


def enrolled(speaker: Speaker, detector: Detector, models: Models) -> Voiceprint:
    """The voice of the requests, known from other sentences."""
    spoken = [speaker.say(text).samples for text in _ENROLMENT]
    return enrol(detector, np.concatenate(spoken), models.voices)


def judge(case: Case, detector: Detector, models: Models, pipecat: Peer | None = None) -> Verdict:
    """Let all of them judge a case; the agent lets everyone speak."""
    if pipecat:
        pipecat.ask(case.samples, whole=True)
    waits = waited(case, Listener(detector), models)
    sure = models.turn_ends.complete(case.samples[: case.pause + round(_LOOK_S * RATE_HZ)])
    spoke_s = (case.goes_on - case.pause) / RATE_HZ
    return Verdict(
        case.complete,
        ours=waits.turn_s <= _SOON_S if case.complete else waits.turn_s >= spoke_s,
        smart_turn=(sure >= 0.5) == case.complete,
        pipecat=_is_right(case, pipecat.heard()) if pipecat else None,
        silence=case.complete,
        waits=waits,
        manner_s=_manner_s(case.samples[: case.pause]),
    )


def waited(
    case: Case, ears: Listener, models: Models, clock: Callable[[], float] = time.perf_counter
) -> Waits:
    """Say it to an agent that listens with these ears.

    Args:
        clock: seconds, by which the models' work is measured.
    """
    notes = talk(ears, models, case.samples, clock=clock)
    retracted = max(notes.times(RetractTurn), default=-1.0)
    pause_s, play = case.pause / RATE_HZ, _first(notes, Play, retracted)
    return Waits(
        turn_s=_first(notes, CommitTurn, retracted) - pause_s,
        answer_s=play - pause_s,
        stages_s=tuple(at - pause_s for at in _stages(notes, play)),
    )


def _is_right(case: Case, heard: Heard) -> bool:
    """A complete request is over soon after it, and nothing is over where the person hesitates."""
    pause_s, goes_on_s = case.pause / RATE_HZ, case.goes_on / RATE_HZ
    until_s = pause_s + _SOON_S if case.complete else goes_on_s
    return any(pause_s <= each < until_s for each in heard.stops) == case.complete


def _stages(notes: Notes, play: float) -> Iterator[float]:
    """When each of `STAGES` was done for the answer that began to play."""
    examined, generated = _last(notes, Examine, play), _last(notes, Generate, play)
    token = _first(notes, Token, generated - 1e-9)
    yield examined
    # An answer begins when its words are known.
    yield generated
    yield token
    yield _first(notes, Synthesised, token - 1e-9)
    yield _last(notes, Compared, play)


def _last(notes: Notes, kind: type[object], until: float) -> float:
    return max((at for at in notes.times(kind) if at <= until), default=float("inf"))


def _manner_s(sound: Samples) -> float:
    began = time.perf_counter()
    manner(sound, "")
    return time.perf_counter() - began


def _first(notes: Notes, kind: type[object], after: float) -> float:
    return min((at for at in notes.times(kind) if at > after), default=float("inf"))


def _spoken(speaker: Speaker, text: str) -> Samples:
    """Without the quiet at its ends."""
    sound = speaker.say(text).samples
    (loud,) = np.nonzero(np.abs(sound) > 0.02 * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1] * np.float32(0.6)


def _case(parts: list[Samples], rng: np.random.Generator) -> Case:
    complete = len(parts) == 1
    quiet, pause, after = (
        np.zeros(round(each * RATE_HZ), np.float32) for each in (_PREROLL_S, HESITATION_S, _AFTER_S)
    )
    sounds = [quiet, parts[0], *([] if complete else [pause, parts[1]]), after]
    end = len(quiet) + len(parts[0])
    samples = np.concatenate(sounds)
    samples = samples + noise(len(samples), _QUIET_DB, rng)
    return Case(complete, samples, end, len(samples) if complete else end + len(pause))
