"""Who has the floor: the turn-taking machine of a full-duplex conversation. Pure.

::

    listening ──voice──► hearing ──commit──► thinking ──sound──► speaking ──done──► listening
                          │   ▲               │    ▲               │   │
                          │   └──voice────────┴────┼───────────────┘   │
                          │                        └─────run dry───────┘
                          └──nothing said, go on──► where it was before

While the agent speaks, a voice is met in steps that can be taken back until words are there:

1. Somebody speaks: it is *ducked*. If nothing comes of it, it is restored; nothing is lost.
2. The primary speaker speaks: it is *paused*, and the person has the floor. If it was a
   backchannel, an echo or no words at all, it goes on at the word where it was cut.
3. Words that mean something are there: it is *stopped*, and only what was heard of it is kept.

An answer that was not heard yet and has done nothing is taken back together with the turn it
answers, for the person had not ended: both parts become one turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from constellation.errors import InvalidTransition

from .answers import Answer
from .bargein import Evidence, Profile
from .endpointing import Endpointer, Floor
from .events import (
    Announce,
    CancelGeneration,
    CommitAnswer,
    CommitTurn,
    DropTurn,
    Duck,
    EndJudged,
    Event,
    Examine,
    Frame,
    Generate,
    Generated,
    GenerationFailed,
    HangUp,
    Instruction,
    Mute,
    OpenTurn,
    Pause,
    Play,
    Played,
    Restore,
    Resume,
    RetractTurn,
    Speak,
    StopPlayback,
    Synthesised,
    Tick,
    Token,
    ToolEnded,
    ToolStarted,
    Transcript,
)
from .playback import Playback
from .rules import Rules
from .utterances import Meaning, is_echo, meaning

_ANNOUNCEMENTS = 8


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


class _Turn:
    """What is said, while it is not known yet whether it is something.

    Attributes:
        examined: the number of the last `Examine` that was sent.
        highest: how probably it was the primary speaker, at best.
        before: what the person had said, in a turn that was retracted.
    """

    def __init__(self, number: int, endpointer: Endpointer) -> None:
        self.number = number
        self.endpointer = endpointer
        self.examined = 0
        self.highest = 0.0
        self.before = ""

    @property
    def text(self) -> str:
        return f"{self.before} {self.endpointer.text}".strip()


class TurnTaking:
    """One conversation.

    Attributes:
        phase: see `Phase`.
    """

    def __init__(self, rules: Rules | None = None) -> None:
        self.phase = Phase.LISTENING
        self._rules = rules or Rules()
        self._evidence = Evidence()
        self._turn: _Turn | None = None
        self._answer: Answer | None = None
        self._preemptive: Answer | None = None
        self._cut: Answer | None = None
        self._announcements: deque[str] = deque(maxlen=_ANNOUNCEMENTS)
        self._muted = False
        self._turns = 0
        self._answers = 0
        self._since = 0.0
        self._doubted = 0.0
        self._calm = 0.0
        self._alarms = 0
        self._out: list[Instruction] = []

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take in what happened.

        Whatever is late, stale or after the end is ignored: every event is possible at any time.

        Args:
            now: seconds; never goes back.
        """
        if self.phase is Phase.ENDED:
            return []
        _HANDLERS[type(event)](self, event, now)
        out, self._out = self._out, []
        return out

    def deadline(self) -> float | None:
        """When to send `Tick`; None while nothing is waited for but a voice."""
        rules = self._rules
        if self._turn is not None and self.phase is Phase.HEARING:
            return self._turn.endpointer.deadline()
        if self.phase is Phase.THINKING:
            return self._since + rules.think_s
        if self.phase is Phase.WORKING:
            return self._since + rules.tool_s
        if self._answer is not None and self.phase is Phase.SPEAKING:
            stalled = self._since + rules.stall_s
            doubtful = self._turn is not None or self._answer.playback is Playback.DUCKED
            return min(stalled, self._doubted + rules.doubt_s) if doubtful else stalled
        return None

    # ── the microphone ──────────────────────────────────────────────────────────────────────────

    def _frame(self, frame: Frame, now: float) -> None:
        profile = self._profile()
        heard = Frame(0.0, 0.0) if self._muted else frame
        self._evidence.hear(heard, profile, now)
        if self._turn is not None and self.phase is Phase.HEARING:
            if self._evidence.speaking:
                self._turn.endpointer.voice(now)
            self._follow(self._turn, now)
        elif self._answer is not None and self.phase is Phase.SPEAKING:
            self._hear_over(self._answer, now)
        elif self._evidence.primary:
            self._open(now)
            self._move("voice", now)

    def _profile(self) -> Profile:
        rules = self._rules
        return {
            Phase.THINKING: rules.thinking,
            Phase.WORKING: rules.tool,
            Phase.SPEAKING: rules.speaking,
        }.get(self.phase, rules.listening)

    def _hear_over(self, answer: Answer, now: float) -> None:
        """A frame of the microphone while the agent speaks."""
        evidence = self._evidence
        if self._turn is not None:
            self._turn.highest = max(self._turn.highest, evidence.highest)
        if evidence.primary:
            self._interrupt(answer, now)
        elif answer.playback is Playback.DUCKED:
            if not evidence.voice:
                self._come_back(answer, now)
        elif evidence.voice and now >= self._calm:
            answer.move("duck")
            self._out.append(Duck(answer.number))
            self._doubted = now
            if self._turn is None:
                self._open(now)

    def _interrupt(self, answer: Answer, now: float) -> None:
        answer.move("pause")
        self._out.append(Pause(answer.number))
        turn = self._turn or self._open(now)
        turn.endpointer.voice(now)
        self._move("voice", now)

    def _come_back(self, answer: Answer, now: float) -> None:
        """It seems to be a false alarm. What was said shows whether it was."""
        rules = self._rules
        answer.move("restore")
        self._out.append(Restore(answer.number))
        self._calm = now + min(rules.calm_s * 2**self._alarms, rules.calmest_s)
        self._alarms += 1
        self._doubted = now
        if self._turn is not None:
            self._turn.endpointer.examine(now)
            self._examine(self._turn)

    def _weigh(self, turn: _Turn, answer: Answer, event: Transcript, now: float) -> None:
        """Words are there, said while the agent speaks."""
        if self._matters(event.text, answer):
            if turn.highest >= self._rules.speaking.with_words:
                self._interrupt(answer, now)
                self._follow(turn, now)
                return
        elif meaning(event.text) is Meaning.NOTHING and not event.examination:
            return
        if answer.playback is Playback.DUCKED and not self._matters(event.text, answer):
            self._come_back(answer, now)
        if event.examination:
            self._drop_turn()

    def _open(self, now: float) -> _Turn:
        since = self._evidence.since
        begun = now if since is None else since
        self._turns += 1
        self._turn = _Turn(self._turns, Endpointer(self._rules.endpoints, now))
        self._out.append(OpenTurn(self._turns, begun - self._rules.preroll_s))
        return self._turn

    def _mute(self, event: Mute, now: float) -> None:
        self._muted = event.muted
        answer = self._answer
        if event.muted and answer is not None and answer.playback is Playback.DUCKED:
            self._come_back(answer, now)

    # ── a person's turn ─────────────────────────────────────────────────────────────────────────

    def _transcribed(self, event: Transcript, now: float) -> None:
        turn, answer = self._turn, self._answer
        if turn is None or turn.number != event.turn:
            return
        turn.endpointer.transcript(event.text, event.examination)
        if self.phase is Phase.HEARING:
            self._follow(turn, now)
        elif answer is not None and self.phase is Phase.SPEAKING:
            self._weigh(turn, answer, event, now)

    def _judged(self, event: EndJudged, now: float) -> None:
        turn = self._turn
        if turn is None or turn.number != event.turn or self.phase is not Phase.HEARING:
            return
        turn.endpointer.judged(event.probability, event.examination)
        self._follow(turn, now)

    def _follow(self, turn: _Turn, now: float) -> None:
        """See what the turn has come to."""
        endpointer = turn.endpointer
        endpointer.tick(now)
        self._examine(turn)
        if endpointer.state is Floor.SPEAKING:
            self._cancel_preemptive()
        if self._answer is not None and self._matters(endpointer.text, self._answer):
            self._take_floor(self._answer, turn)
        if endpointer.state is Floor.OVER or (self._answer is not None and endpointer.answered):
            self._end_turn(turn, now)
        elif (
            endpointer.state is Floor.PAUSING
            and endpointer.answered
            and endpointer.probability >= self._rules.preempt
        ):
            self._preempt(turn)

    def _examine(self, turn: _Turn) -> None:
        if turn.endpointer.examination > turn.examined:
            turn.examined = turn.endpointer.examination
            self._out.append(Examine(turn.number, turn.examined))

    def _matters(self, text: str, answer: Answer) -> bool:
        """Whether words take the floor from an answer."""
        said = meaning(text)
        if said is Meaning.COMMAND:
            return True
        return said is Meaning.SPEECH and not (answer.begun and is_echo(text, answer.ledger.text))

    def _take_floor(self, answer: Answer, turn: _Turn) -> None:
        """The answer that is held will not go on."""
        self._answer = None
        self._silence(answer)
        if answer.begun or answer.acted:
            self._cut = answer
        elif answer.turn:
            self._out.append(RetractTurn(answer.turn))
            turn.before = answer.prompt
        else:
            self._announcements.appendleft(answer.prompt)

    def _end_turn(self, turn: _Turn, now: float) -> None:
        if turn.endpointer.heard(now):
            # It was ended though the voice goes on: only another voice is one again.
            self._evidence.dismiss()
        nothing = meaning(turn.text) is Meaning.NOTHING
        if nothing or self._answer is not None:
            self._cancel_preemptive()
            self._drop_turn()
            self._give_back(now)
            return
        self._settle()
        self._turn = None
        self._out.append(CommitTurn(turn.number, turn.text))
        answer = self._preemptive
        if answer is None or answer.prompt != turn.text:
            self._cancel_preemptive()
            answer = self._begin(turn, committed=True)
        answer.committed = True
        self._preemptive = None
        self._answer = answer
        self._move("commit", now)
        self._get_on(answer, now)

    def _give_back(self, now: float) -> None:
        """The person has said nothing: go on as before."""
        answer = self._answer
        if answer is None or answer.complete:
            self._finish(answer, "nothing said", now)
        elif answer.playback is Playback.PAUSED and answer.playable:
            answer.move("resume")
            self._out.append(Resume(answer.number, answer.ledger.resume_point()))
            self._move("speak on", now)
        else:
            if answer.playback is Playback.PAUSED:
                answer.move("run dry")
            self._move("work on" if answer.tools else "think on", now)
            self._get_on(answer, now)

    def _drop_turn(self) -> None:
        if self._turn is not None:
            self._out.append(DropTurn(self._turn.number))
            self._turn = None

    # ── generation ──────────────────────────────────────────────────────────────────────────────

    def _preempt(self, turn: _Turn) -> None:
        """Begin an answer though the turn may go on."""
        present = self._preemptive
        if (present is not None and present.prompt == turn.text) or (
            meaning(turn.text) is Meaning.NOTHING
        ):
            return
        self._cancel_preemptive()
        self._settle()
        self._preemptive = self._begin(turn, committed=False)

    def _begin(self, turn: _Turn, *, committed: bool) -> Answer:
        self._answers += 1
        answer = Answer(self._answers, turn.number, turn.text, committed=committed)
        self._out.append(Generate(answer.number, turn.text, preemptive=not committed))
        return answer

    def _cancel_preemptive(self) -> None:
        if self._preemptive is not None:
            self._silence(self._preemptive)
            self._preemptive = None

    def _token(self, event: Token, now: float) -> None:
        answer = self._find(event.answer)
        if answer is not None and answer.generating:
            self._speak(answer, answer.write(event.text))

    def _generated(self, event: Generated, now: float) -> None:
        answer = self._find(event.answer)
        if answer is not None and answer.generating:
            self._speak(answer, answer.close())
            self._get_on(answer, now)

    def _failed(self, event: GenerationFailed, now: float) -> None:
        answer = self._find(event.answer)
        if answer is None or not answer.generating:
            return
        if answer is self._preemptive:
            self._preemptive = None
            answer.move("stop")
        else:
            self._excuse(answer)

    def _excuse(self, answer: Answer) -> None:
        answer.excused = True
        self._speak(answer, [*answer.write(f" {self._rules.excuse}"), *answer.close()])

    def _speak(self, answer: Answer, sentences: list[str]) -> None:
        self._out.extend(Speak(answer.number, sentence) for sentence in sentences)

    def _tool_started(self, event: ToolStarted, now: float) -> None:
        answer = self._answer
        if answer is None or answer.number != event.answer:
            return
        answer.tools += 1
        answer.acted = True
        if self.phase is Phase.THINKING:
            self._move("tool", now)

    def _tool_ended(self, event: ToolEnded, now: float) -> None:
        answer = self._answer
        if answer is None or answer.number != event.answer:
            return
        answer.tools = max(0, answer.tools - 1)
        if self.phase is Phase.WORKING and not answer.tools:
            self._move("tool done", now)

    def _announce(self, event: Announce, now: float) -> None:
        if event.text.strip():
            self._announcements.append(event.text)
        if self.phase is Phase.LISTENING:
            self._next_announcement(now)

    def _next_announcement(self, now: float) -> None:
        if not self._announcements:
            return
        self._answers += 1
        text = self._announcements.popleft()
        self._answer = Answer(self._answers, 0, text, committed=True)
        self._speak(self._answer, [*self._answer.write(text), *self._answer.close()])
        self._move("announce", now)

    # ── sound ───────────────────────────────────────────────────────────────────────────────────

    def _synthesised(self, event: Synthesised, now: float) -> None:
        answer = self._find(event.answer)
        if answer is not None:
            answer.voiced(event.words, event.samples)
            self._get_on(answer, now)

    def _get_on(self, answer: Answer, now: float) -> None:
        """Play what is there, if it is time for it; end what is complete."""
        if answer is not self._answer or self.phase not in (Phase.THINKING, Phase.WORKING):
            return
        if answer.playable:
            answer.move("play")
            self._out.append(Play(answer.number))
            self._move("sound", now)
        elif answer.complete:
            self._finish(answer, "done", now)

    def _played(self, event: Played, now: float) -> None:
        for answer in (self._answer, self._cut):
            if answer is not None and answer.number == event.answer:
                if answer.ledger.advance(event.samples):
                    self._since = now
                if answer.audible and not answer.playable:
                    self._run_dry(answer, now)

    def _run_dry(self, answer: Answer, now: float) -> None:
        if answer.complete:
            self._finish(answer, "done", now)
            return
        answer.move("run dry")
        self._drop_turn()
        self._move("run dry at a tool" if answer.tools else "run dry", now)

    def _finish(self, answer: Answer | None, event: str, now: float) -> None:
        """Nothing is to be said any more."""
        self._settle()
        if answer is not None and answer.ledger.heard:
            self._out.append(CommitAnswer(answer.number, answer.ledger.heard, cut=False))
        self._answer = None
        self._alarms = 0
        self._drop_turn()
        self._move(event, now)
        self._next_announcement(now)

    def _silence(self, answer: Answer) -> None:
        """Nothing more is generated or played of an answer."""
        if answer.playback is not Playback.WAITING or answer.ledger.played:
            self._out.append(StopPlayback(answer.number))
        answer.move("stop")
        if answer.generating:
            self._out.append(CancelGeneration(answer.number))

    def _settle(self) -> None:
        """Put what was heard of an answer that was cut into the context."""
        cut, self._cut = self._cut, None
        if cut is not None and cut.ledger.heard:
            self._out.append(CommitAnswer(cut.number, cut.ledger.heard, cut=True))

    # ── time and the end ────────────────────────────────────────────────────────────────────────

    def _tick(self, event: Tick, now: float) -> None:
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return
        turn, answer = self._turn, self._answer
        if self.phase is Phase.HEARING and turn is not None:
            self._follow(turn, now)
        elif answer is not None and self.phase is Phase.SPEAKING:
            if now >= self._since + self._rules.stall_s:
                self._give_up(answer, now)
            elif answer.playback is Playback.DUCKED:
                self._come_back(answer, now)
            else:
                self._drop_turn()
        elif answer is not None:
            self._wait_no_longer(answer, now)

    def _wait_no_longer(self, answer: Answer, now: float) -> None:
        """No sound has come."""
        if answer.excused or not answer.generating:
            self._give_up(answer, now)
            return
        self._out.append(CancelGeneration(answer.number))
        self._excuse(answer)
        answer.tools = 0
        if self.phase is Phase.WORKING:
            self._move("tool done", now)
        self._since = now

    def _give_up(self, answer: Answer, now: float) -> None:
        self._silence(answer)
        self._cut = answer
        self._finish(None, "done", now)

    def _hang_up(self, event: HangUp, now: float) -> None:
        self._cancel_preemptive()
        if self._answer is not None:
            self._silence(self._answer)
            self._cut, self._answer = self._answer, None
        self._settle()
        self._drop_turn()
        self._move("hang up", now)

    # ── small parts ─────────────────────────────────────────────────────────────────────────────

    def _find(self, number: int) -> Answer | None:
        for answer in (self._answer, self._preemptive):
            if answer is not None and answer.number == number:
                return answer
        return None

    def _move(self, event: str, now: float) -> None:
        following = TRANSITIONS[self.phase].get(event)
        if following is None:
            raise InvalidTransition("The conversation", self.phase, event)
        self.phase = following
        self._since = now


_HANDLERS: dict[type, Callable[[TurnTaking, Any, float], None]] = {
    Frame: TurnTaking._frame,
    Transcript: TurnTaking._transcribed,
    EndJudged: TurnTaking._judged,
    Token: TurnTaking._token,
    Generated: TurnTaking._generated,
    GenerationFailed: TurnTaking._failed,
    Synthesised: TurnTaking._synthesised,
    Played: TurnTaking._played,
    ToolStarted: TurnTaking._tool_started,
    ToolEnded: TurnTaking._tool_ended,
    Announce: TurnTaking._announce,
    Mute: TurnTaking._mute,
    HangUp: TurnTaking._hang_up,
    Tick: TurnTaking._tick,
}
