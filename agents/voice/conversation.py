"""One conversation: does what the turn-taking machine says with models, a mind and a loudspeaker.

Whatever blocks runs on a desk, in lanes that keep their order; what it finds comes back as events.
Time is told from outside, so the same conversation runs live and in a recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from constellation.errors import ConstellationError

from .events import (
    CancelGeneration,
    CommitAnswer,
    CommitTurn,
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

Lane = Literal["recogniser", "turn ends", "mind", "speaker"]


@dataclass(frozen=True, slots=True, eq=False)
class Voiced:
    """A sentence of an answer is there as sound."""

    answer: int
    speech: Speech


Found = Event | Voiced
"""What work on a desk finds."""

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
        context: what was said, as far as it was heard.
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
        self.machine = TurnTaking(rules)
        self.context: list[Said] = []
        self._ears = ears
        self._models = models
        self._mind = mind
        self._player = player
        self._desk = desk
        self._told = told
        self._memory = Memory()
        self._turn: OpenTurn | None = None
        self._partial = 0.0
        self._deferred: Generate | None = None
        self._canceled: set[int] = set()
        self._stopped: set[int] = set()

    def hear(self, samples: Samples, now: float) -> None:
        """Take in sound of the microphone that ended at ``now``."""
        self._memory.push(samples, now)
        for judged in self._ears.push(samples):
            self.handle(Frame(judged.anyone, judged.primary), now)
        turn = self._turn
        if turn is not None and now >= self._partial and not self._desk.busy("recogniser"):
            self._partial = now + _PARTIAL_S
            sound = self._memory.since(turn.since)
            self._desk.start("recogniser", self._transcribe(turn.turn, sound, 0))

    def handle(self, found: Found, now: float) -> None:
        """Take in what happened."""
        event = self._keep(found) if isinstance(found, Voiced) else found
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
            case OpenTurn():
                self._turn = instruction
                self._partial = now + _SHORTEST_PARTIAL_S
            case Examine(turn, examination) if self._turn is not None:
                sound = self._memory.since(self._turn.since)
                self._desk.start("recogniser", self._transcribe(turn, sound, examination))
                self._desk.start("turn ends", self._judge(turn, sound, examination))
            case DropTurn():
                self._turn = None
            case CommitTurn(_, text):
                self._turn = None
                self.context.append(Said("person", text))
                self._start_deferred(text)
            case RetractTurn():
                self._retract()
            case CommitAnswer(answer, text):
                self.context.append(Said("agent", text))
                self._player.forget(answer)
            case Generate(_, text, preemptive):
                if preemptive and self._mind.acts(text):
                    self._deferred = instruction
                else:
                    self._begin(instruction)
            case CancelGeneration(answer):
                self._canceled.add(answer)
                if self._deferred is not None and self._deferred.answer == answer:
                    self._deferred = None
            case StopPlayback(answer):
                self._stopped.add(answer)
            case Speak(answer, text):
                self._desk.start("speaker", self._say(answer, text))

    def _start_deferred(self, text: str) -> None:
        deferred, self._deferred = self._deferred, None
        if deferred is not None and deferred.text == text:
            self._begin(deferred)

    def _begin(self, wanted: Generate) -> None:
        """Have an answer generated; the turn that it answers may be in the context already."""
        context = tuple(self.context)
        if context and context[-1] == Said("person", wanted.text):
            context = context[:-1]
        self._desk.start("mind", self._answer(wanted, context))

    def _retract(self) -> None:
        """Forget the last thing that the person said: nothing was heard after it."""
        for index in reversed(range(len(self.context))):
            if self.context[index].who == "person":
                del self.context[index]
                return

    # ── what blocks ─────────────────────────────────────────────────────────────────────────────

    def _transcribe(self, turn: int, sound: Samples, examination: int) -> Iterator[Found]:
        yield Transcript(turn, self._models.recogniser.transcribe(sound), examination)

    def _judge(self, turn: int, sound: Samples, examination: int) -> Iterator[Found]:
        yield EndJudged(turn, examination, self._models.turn_ends.complete(sound))

    def _answer(self, wanted: Generate, context: Sequence[Said]) -> Iterator[Found]:
        answer = wanted.answer
        try:
            for piece in self._mind.answer(wanted.text, context):
                if answer in self._canceled:
                    return
                match piece:
                    case str():
                        yield Token(answer, piece)
                    case Working(on):
                        yield ToolStarted(answer) if on else ToolEnded(answer)
        except ConstellationError as error:
            yield Token(answer, f"{error.message} ")
            yield Generated(answer)
            return
        yield Generated(answer)

    def _say(self, answer: int, text: str) -> Iterator[Found]:
        if answer in self._stopped:
            return
        try:
            speech = self._models.speaker.say(text)
        except ConstellationError:
            yield Synthesised(answer, (), 0)
            yield GenerationFailed(answer)
            return
        yield Voiced(answer, speech)
