"""One conversation: does what the turn-taking machine says with models, a mind and a loudspeaker.

Whatever blocks runs on a desk, in lanes that keep their order; what it finds comes back as events.
Time is told from outside, so the same conversation runs live and in a recording.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, Protocol, TypeAlias

from constellation.errors import AudioError, ConstellationError

from .events import (
    CancelGeneration,
    CommitAnswer,
    CommitTurn,
    Compare,
    Compared,
    DropTurn,
    EndJudged,
    Event,
    Examine,
    Frame,
    Generate,
    Generated,
    GenerationFailed,
    Instruction,
    OpenTurn,
    RetractTurn,
    Speak,
    StopPlayback,
    Synthesised,
    Token,
    ToolEnded,
    ToolStarted,
    Transcript,
)
from .hearing import Memory
from .ports import Ears, Loudspeaker, Mind, Models, Said, Speech, Working
from .rules import Rules
from .sound import Samples
from .turns import TurnTaking

log = logging.getLogger("constellation.agent")

Lane = Literal["recogniser", "turn ends", "voices", "mind", "speaker", "news"]


@dataclass(frozen=True, slots=True, eq=False)
class Voiced:
    """A sentence of an answer is there as sound."""

    answer: int
    speech: Speech


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """An answer is about to act; the rest of it waits for the end of the turn."""

    answer: int
    rest: Iterator[Found]


Found: TypeAlias = "Event | Voiced | Held"
"""What work on a desk finds."""

# What is found for an answer that is so many answers old is of no interest to anybody.
_REMEMBERED = 64
# Of what was said: a language model is told less word by word, and sums up the rest before.
_MOST_SAID = 1_000
_PARTIAL_S = 0.4
_SHORTEST_PARTIAL_S = 0.6


class Desk(Protocol):
    """Where blocking work is done."""

    def start(self, lane: Lane, work: Iterator[Found]) -> None:
        """Do work after what the lane has to do; give what it finds to `Conversation.handle`."""

    def busy(self, lane: Lane) -> bool:
        """Whether a lane has something to do."""


class Conversation:
    """A person and the agent.

    Args:
        told: hears every event and instruction with its time.

    Attributes:
        machine: who has the floor.
        context: the latest that was said, as far as it was heard.
    """

    def __init__(
        self,
        ears: Ears,
        models: Models,
        mind: Mind,
        player: Loudspeaker,
        desk: Desk,
        *,
        rules: Rules | None = None,
        told: Callable[[Event | Instruction, float], None] = lambda what, now: None,
    ) -> None:
        self.machine = TurnTaking(replace(rules or Rules(), compares=models.voices is not None))
        self.context: list[Said] = []
        self._ears = ears
        self._models = models
        self._mind = mind
        self._player = player
        self._desk = desk
        self._told = told
        self._memory = Memory()
        self._turn: OpenTurn | None = None
        self._since = 0.0
        self._committed_since = 0.0
        self._partial = 0.0
        self._examination = 0
        self._tentative: Generate | None = None
        self._committed: set[int] = set()
        self._held: dict[int, Held] = {}
        self._canceled: set[int] = set()
        self._stopped: set[int] = set()

    def hear(self, samples: Samples, now: float, echo: float = 0.0) -> None:
        """Take in sound of the microphone that ended at ``now``.

        Args:
            echo: how likely it is the agent's own voice.
        """
        self._memory.push(samples, now)
        for judged in self._ears.push(samples):
            self.handle(Frame(judged.anyone, judged.primary, echo), now)
        turn = self._turn
        if turn is not None and now >= self._partial and not self._desk.busy("recogniser"):
            self._partial = now + _PARTIAL_S
            sound = self._memory.since(turn.since)
            self._desk.start("recogniser", self._transcribe(turn.turn, sound, 0))

    def handle(self, found: Found, now: float) -> None:
        """Take in what happened."""
        match found:
            case Held():
                self._hold(found)
                return
            case Voiced():
                event: Event = self._keep(found)
            case _:
                event = found
        self._told(event, now)
        for instruction in self.machine.handle(event, now):
            self._told(instruction, now)
            self._player.do(instruction)
            self._do(instruction, now)

    def _keep(self, voiced: Voiced) -> Event:
        speech = voiced.speech
        if voiced.answer not in self._stopped:
            self._player.add(voiced.answer, speech.samples)
        return Synthesised(voiced.answer, speech.words, len(speech.samples))

    def _do(self, instruction: Instruction, now: float) -> None:
        match instruction:
            case OpenTurn(_, since):
                self._turn = instruction
                self._examination = 0
                self._since = since
                self._partial = now + _SHORTEST_PARTIAL_S
            case Examine(turn, examination) if self._turn is not None:
                self._examination = examination
                sound = self._memory.since(self._turn.since)
                self._desk.start("recogniser", self._transcribe(turn, sound, examination))
                self._desk.start("turn ends", self._judge(turn, sound, examination))
            case Compare(turn) if self._turn is not None:
                sound = self._memory.since(self._turn.since)
                self._desk.start("voices", self._compare(turn, sound))
            case DropTurn():
                self._turn = None
            case CommitTurn(_, text):
                self._turn = None
                self._committed_since = self._since
                self._remember(Said("person", text))
                self._commit(text)
            case RetractTurn():
                self._since = self._committed_since
                self._retract()
            case CommitAnswer(answer, text):
                self._remember(Said("agent", text))
                self._player.forget(answer)
            case Generate(answer, text, preemptive):
                if preemptive:
                    self._tentative = instruction
                else:
                    self._committed.add(answer)
                self._begin(instruction)
            case CancelGeneration(answer):
                self._canceled.add(answer)
                self._held.pop(answer, None)
            case StopPlayback(answer):
                self._stopped.add(answer)
            case Speak(answer, text):
                self._desk.start("speaker", self._say(answer, text))

    def _commit(self, text: str) -> None:
        """The turn is over: an answer that was begun to these words may act."""
        tentative, self._tentative = self._tentative, None
        if tentative is None or tentative.text != text or tentative.answer in self._canceled:
            return
        self._committed.add(tentative.answer)
        held = self._held.pop(tentative.answer, None)
        if held is not None:
            self._hold(held)

    def _hold(self, held: Held) -> None:
        if held.answer in self._committed:
            self._desk.start("mind", held.rest)
        elif held.answer not in self._canceled:
            self._held[held.answer] = held

    def _begin(self, wanted: Generate) -> None:
        """Have an answer generated; the turn that it answers may be in the context already."""
        for kept in (self._committed, self._canceled, self._stopped):
            kept.difference_update([each for each in kept if each < wanted.answer - _REMEMBERED])
        context = tuple(self.context)
        if context and context[-1] == Said("person", wanted.text):
            context = context[:-1]
        pieces = self._mind.answer(wanted.text, context, self._memory.since(self._since))
        self._desk.start("mind", self._answer(wanted.answer, pieces))

    def _remember(self, said: Said) -> None:
        """A conversation may last for days."""
        self.context.append(said)
        del self.context[:-_MOST_SAID]

    def _retract(self) -> None:
        """Forget the last thing that the person said: nothing was heard after it."""
        for index in reversed(range(len(self.context))):
            if self.context[index].who == "person":
                del self.context[index]
                return

    # ── what blocks ─────────────────────────────────────────────────────────────────────────────

    def _transcribe(self, turn: int, sound: Samples, examination: int) -> Iterator[Found]:
        if self._superseded(turn, examination):
            return
        try:
            text = self._models.recogniser.transcribe(sound)
        except AudioError as error:
            log.warning("What was said is lost: %s", error)
            text = ""
        yield Transcript(turn, text, examination)

    def _judge(self, turn: int, sound: Samples, examination: int) -> Iterator[Found]:
        if not self._superseded(turn, examination):
            yield EndJudged(turn, examination, self._models.turn_ends.complete(sound))

    def _compare(self, turn: int, sound: Samples) -> Iterator[Found]:
        if not self._superseded(turn, 0):
            yield Compared(turn, self._ears.compare(sound))

    def _superseded(self, turn: int, examination: int) -> bool:
        """Whether it was asked for again meanwhile, with more sound, or is not wanted any more."""
        current = self._turn is not None and self._turn.turn == turn
        return not current or (0 < examination < self._examination)

    def _answer(
        self, answer: int, pieces: Iterator[str | Working], *, acting: bool = False
    ) -> Iterator[Found]:
        works = False
        try:
            for piece in pieces:
                if answer in self._canceled:
                    return
                match piece:
                    case str():
                        yield Token(answer, piece)
                    case Working(on=True) if not acting:
                        rest = chain([piece], pieces)
                        yield Held(answer, self._answer(answer, rest, acting=True))
                        return
                    case Working(on) if on != works:
                        works = on
                        yield ToolStarted(answer) if on else ToolEnded(answer)
        except ConstellationError as error:
            yield Token(answer, f"{error.message} ")
        yield Generated(answer)

    def _say(self, answer: int, text: str) -> Iterator[Found]:
        if answer in self._stopped:
            return
        try:
            speech = self._models.speaker.say(text)
        except AudioError as error:
            log.warning("A sentence was not spoken: %s", error)
            yield Synthesised(answer, (), 0)
            yield GenerationFailed(answer)
            return
        yield Voiced(answer, speech)
