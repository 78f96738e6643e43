"""The agent's side of a conversation: the answers that are made, and what is to be announced. Pure.

There is at most one answer to what was said last (`present`), one to what may be a whole turn
(`preemptive`), and one that was cut and whose last position may still come (`cut`).
"""

from __future__ import annotations

from collections import deque

from .answers import Answer
from .events import (
    CancelGeneration,
    CommitAnswer,
    Generate,
    Generated,
    GenerationFailed,
    Instruction,
    Pause,
    Play,
    Resume,
    RetractTurn,
    Speak,
    StopPlayback,
    Token,
)
from .playback import Playback
from .utterances import Meaning, is_echo, meaning

_ANNOUNCEMENTS = 8


class Answering:
    """What the agent says and is about to say.

    Args:
        out: takes the instructions.
        excuse: what is said when there is no answer.

    Attributes:
        present: the answer that is generated, played or held; None if there is none.
    """

    def __init__(self, out: list[Instruction], excuse: str) -> None:
        self.present: Answer | None = None
        self._preemptive: Answer | None = None
        self._cut: Answer | None = None
        self._announcements: deque[str] = deque(maxlen=_ANNOUNCEMENTS)
        self._count = 0
        self._out = out
        self._excuse = excuse

    def find(self, number: int) -> Answer | None:
        """The answer of that number, if anything is still wanted of it."""
        for answer in (self.present, self._preemptive):
            if answer is not None and answer.number == number:
                return answer
        return None

    # ── beginnings ──────────────────────────────────────────────────────────────────────────────

    def preempt(self, turn: int, prompt: str) -> None:
        """Begin an answer though the turn may go on."""
        if self._preemptive is not None and self._preemptive.prompt == prompt:
            return
        self.cancel_preemptive()
        self.settle()
        self._preemptive = self._begin(turn, prompt, preemptive=True)

    def answer(self, turn: int, prompt: str) -> Answer:
        """The turn is over: take the answer that was begun to these words, or begin one."""
        if self._preemptive is None or self._preemptive.prompt != prompt:
            self.cancel_preemptive()
            self._preemptive = self._begin(turn, prompt, preemptive=False)
        self.present, self._preemptive = self._preemptive, None
        return self.present

    def _begin(self, turn: int, prompt: str, *, preemptive: bool) -> Answer:
        self._count += 1
        self._out.append(Generate(self._count, prompt, preemptive))
        return Answer(self._count, turn, prompt)

    def announce(self, text: str) -> None:
        """Keep something to be said when nobody speaks."""
        if text.strip():
            self._announcements.append(text)

    def next_announcement(self) -> bool:
        """Say what is to be announced, if there is anything; return whether there is."""
        if not self._announcements:
            return False
        self._count += 1
        self.present = Answer(self._count, 0, self._announcements.popleft())
        self.write(self.present, self.present.prompt)
        self.close(self.present)
        return True

    # ── text ────────────────────────────────────────────────────────────────────────────────────

    def take(self, event: Token | Generated | GenerationFailed) -> Answer | None:
        """Take in what was generated; return the answer, if anything is still wanted of it."""
        answer = self.find(event.answer)
        if answer is None or not answer.generating:
            return None
        match event:
            case Token(_, text):
                self.write(answer, text)
            case Generated():
                self.close(answer)
            case GenerationFailed():
                self.fail(answer)
        return answer

    def write(self, answer: Answer, text: str) -> None:
        """There is more text."""
        self._speak(answer, answer.write(text))

    def close(self, answer: Answer) -> None:
        """There will be no more."""
        self._speak(answer, answer.close())

    def excuse(self, answer: Answer) -> None:
        """There will be no more, though there should."""
        answer.excused = True
        self.write(answer, f" {self._excuse}")
        self.close(answer)

    def fail(self, answer: Answer) -> None:
        """The generation failed: if the turn is not over, another may be tried at its end."""
        if answer is self._preemptive:
            self._preemptive = None
        else:
            self.excuse(answer)

    def _speak(self, answer: Answer, sentences: list[str]) -> None:
        self._out.extend(Speak(answer.number, sentence) for sentence in sentences)

    # ── ends ────────────────────────────────────────────────────────────────────────────────────

    def matters(self, text: str, answer: Answer) -> bool:
        """Whether words take the floor from an answer."""
        said = meaning(text)
        if said is Meaning.COMMAND:
            return True
        return said is Meaning.SPEECH and not (answer.begun and is_echo(text, answer.ledger.text))

    def yield_to(self, text: str, answer: Answer) -> str:
        """Words take the floor from an answer; return those that belong before them.

        An answer of which nothing was heard and that has done nothing was to a turn that had not
        ended, unless it is stopped by a command.
        """
        self.stop(answer)
        if answer.begun or answer.acted:
            self._cut = answer
        elif meaning(text) is not Meaning.COMMAND:
            if answer.turn:
                self._out.append(RetractTurn(answer.turn))
                return answer.prompt
            self._announcements.appendleft(answer.prompt)
        return ""

    def play(self, answer: Answer) -> None:
        """There is sound, and it is time for it."""
        answer.move("play")
        played = answer.ledger.played
        self._out.append(Resume(answer.number, played) if answer.held else Play(answer.number))
        answer.held = False

    def hold(self) -> None:
        """The person speaks: what has run out of sound is not to go on when more comes."""
        answer = self.present
        if answer is not None and answer.playback is Playback.WAITING and answer.ledger.played:
            answer.held = True
            self._out.append(Pause(answer.number))

    def give_up(self, answer: Answer) -> None:
        """Nothing more of it is wanted; what was heard counts."""
        self.stop(answer)
        self._cut = answer

    def stop(self, answer: Answer) -> None:
        """Nothing more is generated or played of an answer."""
        if answer.playback is not Playback.WAITING or answer.ledger.played:
            self._out.append(StopPlayback(answer.number))
        answer.move("stop")
        if answer.generating:
            self._out.append(CancelGeneration(answer.number))
        if answer is self.present:
            self.present = None

    def cancel_preemptive(self) -> None:
        """The person goes on."""
        if self._preemptive is not None:
            self.stop(self._preemptive)
            self._preemptive = None

    def played(self, number: int, samples: int) -> bool:
        """An answer was heard up to there; return whether that is further than before."""
        further = False
        for answer in (self.present, self._cut):
            if answer is not None and answer.number == number:
                further = answer.ledger.advance(samples)
        return further

    def finish(self) -> None:
        """The answer was heard to its end: put it into the context."""
        self.settle()
        answer, self.present = self.present, None
        if answer is not None and answer.ledger.heard:
            self._out.append(CommitAnswer(answer.number, answer.ledger.heard, cut=False))

    def settle(self) -> None:
        """Put what was heard of an answer that was cut into the context."""
        cut, self._cut = self._cut, None
        if cut is not None and cut.ledger.heard:
            self._out.append(CommitAnswer(cut.number, cut.ledger.heard, cut=cut.unheard))
