"""A conversation with a recording: the whole agent, in the recording's own time.

What a model takes is measured and counted as if it had happened beside the recording, so that the
outcome is that of a live conversation but no second of it has to be waited for.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from constellation.config import LocalHub
from constellation.errors import AudioError

from .audience import Audience, KeptVoice
from .conversation import Conversation, Found, Lane
from .dialogue import Dialogue
from .events import Announce, CommitTurn, Event, Frame, HangUp, Instruction, Mute, Tick
from .features import BLOCK
from .hub import connected
from .interrupters import Interrupters
from .language import mind_of
from .models.loading import Kinds, Loaded, feelings_of, loaded
from .phases import Phase
from .picture import svg
from .pipelines import Pipeline
from .player import Player
from .ports import Detector, Mind
from .pvad import Listener, enrol
from .sound import RATE_HZ, Samples, write_wav
from .timeline import Timeline
from .voiceprint import Voices, mean_of

_BLOCK_S = BLOCK / RATE_HZ
_LONGEST_END_S = 150.0
_NEWS_S = 2.0


class Desk:
    """Does work when its lane is free, and hands in what it finds when that would have been found.

    Args:
        clock: seconds, by which the work is measured.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.now = 0.0
        self._clock = clock
        self._found: list[tuple[float, int, Found]] = []
        self._free: dict[Lane, float] = {}
        self._waiting: dict[Lane, deque[Iterator[Found]]] = {}
        self._count = 0

    def start(self, lane: Lane, work: Iterator[Found]) -> None:
        """Do work after what the lane has to do."""
        if self.busy(lane):
            self._waiting.setdefault(lane, deque()).append(work)
        else:
            self._do(lane, work, self.now)

    def _do(self, lane: Lane, work: Iterator[Found], at: float) -> None:
        begun = self._clock()
        for found in work:
            done = at + self._clock() - begun
            self._count += 1
            heapq.heappush(self._found, (done, self._count, found))
        self._free[lane] = at + self._clock() - begun

    def busy(self, lane: Lane) -> bool:
        """Whether a lane has something to do."""
        return lane in self._waiting or self._free.get(lane, 0.0) > self.now

    @property
    def idle(self) -> bool:
        return not (self._found or self._waiting)

    def due(self, until: float) -> float:
        """When something is found next; infinity if nothing is awaited up to then.

        What waits is begun if nothing is found before: that could make it needless.
        """
        while self._waiting:
            lane = min(self._waiting, key=self._free.__getitem__)
            at = self._free[lane]
            if at > until or (self._found and self._found[0][0] <= at):
                break
            work = self._waiting[lane].popleft()
            if not self._waiting[lane]:
                del self._waiting[lane]
            self._do(lane, work, at)
        return self._found[0][0] if self._found else float("inf")

    def take(self) -> Found:
        """What is found next."""
        return heapq.heappop(self._found)[2]


class News(Protocol):
    """What goes on beside a conversation.

    Attributes:
        busy: whether it does.
    """

    @property
    def busy(self) -> bool: ...

    def ended(self, within_s: float) -> Iterator[str]:
        """What is to be announced, waited for as long."""


def exchanged(
    blocks: Iterator[Samples],
    conversation: Conversation,
    player: Player,
    desk: Desk,
    news: News | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Play blocks of sound to the agent until both have come to rest.

    Args:
        news: what goes on and is announced when it ends; it is looked for in real time.

    Yields:
        (BLOCK, 2) samples: what the microphone heard, and what the person heard.
    """
    over_s = 0.0
    for at in count(1):
        block = next(blocks, None)
        if news is not None and news.busy and not desk.busy("news"):
            desk.start("news", map(Announce, news.ended(_NEWS_S)))
        if block is None:
            if over_s >= _LONGEST_END_S or _at_rest(conversation, desk, news):
                break
            over_s += _BLOCK_S
            block = _SILENCE
        spoken, played = player.render(BLOCK)
        _catch_up(conversation, desk, at * _BLOCK_S)
        conversation.hear(block, desk.now)
        if played is not None:
            conversation.handle(played, desk.now)
        yield np.stack([block, spoken], axis=1)
    conversation.handle(HangUp(), desk.now)


def converse(
    recording: Samples, conversation: Conversation, player: Player, desk: Desk
) -> NDArray[np.float32]:
    """Play a recording to the agent until both have come to rest.

    Returns:
        (n, 2) samples: what the microphone heard, and what the person heard.
    """
    heard = list(exchanged(_blocks(recording), conversation, player, desk))
    return np.concatenate(heard) if heard else np.zeros((0, 2), np.float32)


def _blocks(recording: Samples) -> Iterator[Samples]:
    return iter(np.pad(recording, (0, -len(recording) % BLOCK)).reshape(-1, BLOCK))


def _catch_up(conversation: Conversation, desk: Desk, until: float) -> None:
    """Let happen what does until then, in its order."""
    while True:
        deadline = conversation.machine.deadline()
        tick = float("inf") if deadline is None else max(deadline, desk.now)
        due = max(desk.due(min(tick, until)), desk.now)
        if min(tick, due) > until:
            desk.now = until
            return
        desk.now = min(tick, due)
        conversation.handle(Tick() if tick < due else desk.take(), desk.now)


def _at_rest(conversation: Conversation, desk: Desk, news: News | None) -> bool:
    busy = news is not None and news.busy
    return desk.idle and not busy and conversation.machine.deadline() is None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A conversation that is over.

    Attributes:
        heard: (n, 2) samples: what the microphone heard, and what the person heard.
    """

    timeline: Timeline
    heard: NDArray[np.float32]

    def write(self, out: Path | None, picture: Path | None) -> None:
        """Write the sound as a WAV file, and a picture of it as SVG, where wanted.

        Raises:
            AudioError: one of them cannot be written.
        """
        if out is not None:
            write_wav(out, self.heard)
        if picture is None:
            return
        try:
            picture.write_text(svg(self.timeline.entries, self.heard), encoding="utf-8")
        except OSError as error:
            raise AudioError(f"{picture} cannot be written: {error.strerror}.") from error


def run(
    recording: Samples,
    enrolments: Sequence[Samples],
    local: LocalHub | None,
    model: str = "",
    pipeline: Pipeline = Pipeline.CASCADED,
    feelings: str = "",
    clock: Callable[[], float] = perf_counter,
    kinds: Kinds | None = None,
) -> Outcome:
    """Talk to the agent with a recording and the models of this machine.

    Args:
        recording: what the microphone hears.
        enrolments: recordings of the one person who may interrupt; none lets everyone.
        local: the hub whose devices are the agent's hands; None for none.
        model: a language model behind ``OPENAI_BASE_URL``; empty to do without.
        pipeline: what the model is given of what was said.
        feelings: what makes a model that tells them, as ``module:callable``; empty for none.
        clock: seconds, by which the models' work is measured.
        kinds: what makes the other models; None for those that ship.

    Raises:
        AudioError: an enrolment has too little voice in it.
        ConfigError: a model is not installed, or the language model lacks its key.
        HubUnreachable: the hub does not answer.
    """
    with ExitStack() as stack:
        audience = Audience()
        hands = None if local is None else stack.enter_context(connected(local))
        dialogue = Dialogue(hands, audience)
        mind = mind_of(dialogue, model, pipeline, feelings_of(feelings))
        shared = stack.enter_context(loaded(wanted=kinds))
        return _talk(recording, enrolments, shared, dialogue, audience, mind, clock)


def _talk(
    recording: Samples,
    enrolments: Sequence[Samples],
    shared: Loaded,
    dialogue: Dialogue,
    audience: Audience,
    mind: Mind,
    clock: Callable[[], float],
) -> Outcome:
    timeline, player, desk = Timeline(), Player(), Desk(clock)
    voices = shared.models.voices
    prints = [enrol(shared.detector, sound, voices) for sound in enrolments]
    ears = Listener(shared.detector, mean_of(prints) if prints else None, voices)

    def told(what: Event | Instruction, now: float) -> None:
        timeline.note(what, now)
        match what:
            case Frame(anyone):
                interrupters.judge(anyone)
            case CommitTurn():
                ears.learn()

    conversation = Conversation(ears, shared.models, mind, player, desk, told=told)
    interrupters = Interrupters(
        ears,
        KeptVoice(None),
        audience,
        lambda kind, **_: timeline.add(desk.now, kind),
        lambda on: conversation.handle(Mute(on), desk.now),
    )

    def blocks() -> Iterator[Samples]:
        for block in _blocks(recording):
            interrupters.hear(block)
            yield block
            interrupters.heed(listening=conversation.machine.phase is Phase.LISTENING)
            learned = interrupters.learned()
            if learned is not None:
                _enrol(shared.detector, learned, voices, interrupters)

    heard = list(exchanged(blocks(), conversation, player, desk, dialogue))
    return Outcome(timeline, np.concatenate(heard) if heard else np.zeros((0, 2), np.float32))


def _enrol(
    detector: Detector, sound: Samples, voices: Voices | None, interrupters: Interrupters
) -> None:
    try:
        interrupters.keep(enrol(detector, sound, voices))
    except AudioError as error:
        interrupters.fail(str(error))


_SILENCE = np.zeros(BLOCK, np.float32)
