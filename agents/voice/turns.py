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

Words that are late hold an answer up for a while only; they count whenever they come.

An answer that was not heard yet and has done nothing is taken back together with the turn it
answers, for the person had not ended: both parts become one turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from constellation.errors import InvalidTransition

from .answering import Answering
from .answers import Answer
from .endpointing import Floor, Turn
from .events import (
    Announce,
    CancelGeneration,
    CommitTurn,
    Compared,
    Duck,
    EndJudged,
    Event,
    Frame,
    Generated,
    GenerationFailed,
    HangUp,
    Instruction,
    Mute,
    Pause,
    Played,
    Restore,
    Resume,
    Synthesised,
    Tick,
    Token,
    ToolEnded,
    ToolStarted,
    Transcript,
)
from .person import Person
from .phases import TRANSITIONS, Phase
from .playback import Playback
from .rules import Rules
from .utterances import Meaning, meaning


class TurnTaking:
    """One conversation.

    Attributes:
        phase: see `Phase`.
    """

    def __init__(self, rules: Rules | None = None) -> None:
        self.phase = Phase.LISTENING
        self._rules = rules or Rules()
        self._since = 0.0
        self._doubted = 0.0
        self._calm = 0.0
        self._alarms = 0
        self._out: list[Instruction] = []
        self._person = Person(self._out, self._rules)
        self._agent = Answering(self._out, self._rules.excuse)

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take in what happened.

        Whatever is late, stale or after the end is ignored: every event is possible at any time.

        Args:
            now: seconds; never goes back.
        """
        if self.phase is Phase.ENDED:
            return []
        _HANDLERS[type(event)](self, event, now)
        out = list(self._out)
        self._out.clear()
        return out

    def deadline(self) -> float | None:
        """When to send `Tick`; None while nothing is waited for but a voice."""
        rules, turn, answer = self._rules, self._person.turn, self._agent.present
        if turn is not None and self.phase is Phase.HEARING:
            return turn.deadline(beside=answer is not None)
        if self.phase is Phase.THINKING:
            return self._since + rules.think_s
        if self.phase is Phase.WORKING:
            return self._since + rules.tool_s
        if answer is not None and self.phase is Phase.SPEAKING:
            stalled = self._since + rules.stall_s
            if answer.playback is Playback.DUCKED:
                return min(stalled, self._doubted + rules.doubt_s)
            return stalled if turn is None else min(stalled, turn.endpointer.lost)
        return None

    # ── the microphone ──────────────────────────────────────────────────────────────────────────

    def _frame(self, frame: Frame, now: float) -> None:
        person = self._person
        person.hear(frame, self._rules.profile(self.phase), now)
        if person.turn is not None and self.phase is Phase.HEARING:
            if person.evidence.speaking:
                person.turn.endpointer.voice(now)
            self._follow(person.turn, now)
        elif self._agent.present is not None and self.phase is Phase.SPEAKING:
            self._hear_over(self._agent.present, now)
        elif person.evidence.primary:
            person.open(now).endpointer.voice(now)
            self._move("voice", now)

    def _hear_over(self, answer: Answer, now: float) -> None:
        """A frame of the microphone while the agent speaks."""
        evidence = self._person.evidence
        if evidence.primary:
            self._person.part(now)
            self._interrupt(answer, now)
        elif answer.playback is Playback.DUCKED:
            if not evidence.voice:
                self._come_back(answer, now)
        elif evidence.voice and now >= self._calm:
            answer.move("duck")
            self._out.append(Duck(answer.number))
            self._doubted = now
            self._person.open(now)

    def _interrupt(self, answer: Answer, now: float) -> None:
        if answer.audible:
            answer.move("pause")
            self._out.append(Pause(answer.number))
        turn = self._person.open(now)
        if not turn.endpointer.known:
            turn.endpointer.voice(now)
        self._move("voice", now)

    def _come_back(self, answer: Answer, now: float) -> None:
        """It seems to be a false alarm. What was said shows whether it was."""
        answer.move("restore")
        self._out.append(Restore(answer.number))
        self._calm = now + min(self._rules.calm_s * 2**self._alarms, self._rules.calmest_s)
        self._alarms += 1
        self._person.look_again(now)

    def _weigh(self, turn: Turn, answer: Answer, text: str, now: float, *, partial: bool) -> None:
        """More is known of what is said while the agent speaks, or before it does."""
        answered = turn.endpointer.answered
        matters = self._agent.matters(text, answer)
        if matters and self._person.is_known(turn, now):
            self._interrupt(answer, now)
            self._follow(turn, now)
            return
        if not matters and meaning(text) is Meaning.NOTHING and partial:
            return
        if answer.playback is Playback.DUCKED and not matters:
            self._come_back(answer, now)
        if answered and turn.compared_by is None:
            self._person.drop()

    def _mute(self, event: Mute, now: float) -> None:
        self._person.muted = event.muted
        answer = self._agent.present
        if event.muted and answer is not None and answer.playback is Playback.DUCKED:
            self._come_back(answer, now)

    # ── a person's turn ─────────────────────────────────────────────────────────────────────────

    def _transcribed(self, event: Transcript, now: float) -> None:
        turn = self._person.of(event.turn)
        if turn is not None:
            turn.endpointer.transcript(event.text, event.examination)
            self._learn(turn, event.text, now, partial=not event.examination)

    def _compared(self, event: Compared, now: float) -> None:
        turn = self._person.of(event.turn)
        if turn is not None:
            turn.take(event.likeness)
            self._learn(turn, turn.endpointer.text, now, partial=True)

    def _learn(self, turn: Turn, text: str, now: float, *, partial: bool) -> None:
        """More is known of what is said."""
        if self.phase is Phase.HEARING:
            self._follow(turn, now)
        elif self._agent.present is not None:
            self._weigh(turn, self._agent.present, text, now, partial=partial)

    def _judged(self, event: EndJudged, now: float) -> None:
        turn = self._person.of(event.turn)
        if turn is not None and self.phase is Phase.HEARING:
            turn.endpointer.judged(event.probability, event.examination)
            self._follow(turn, now)

    def _follow(self, turn: Turn, now: float) -> None:
        """See what the turn has come to."""
        endpointer = turn.endpointer
        turn.tick(now)
        self._person.examine(turn, now)
        if endpointer.state is Floor.SPEAKING:
            self._agent.cancel_preemptive()
        held = self._agent.present
        matters = held is not None and self._agent.matters(endpointer.text, held)
        if held is not None and matters and self._person.is_known(turn, now):
            turn.take_floor(self._agent.yield_to(endpointer.text, held))
            held = None
        over = endpointer.state is Floor.OVER or (held is not None and endpointer.answered)
        if over and turn.compared_by is None:
            self._end_turn(turn, now)
        elif held is not None and now >= endpointer.late:
            self._give_back(now)
        elif (
            endpointer.state is Floor.PAUSING
            and endpointer.answered
            and endpointer.probability >= self._rules.preempt
            and self._person.is_said(turn, beside=held is not None)
        ):
            self._agent.preempt(turn.number, turn.text)

    def _end_turn(self, turn: Turn, now: float) -> None:
        self._person.ended(turn, now)
        text = "" if self._agent.present is not None else self._person.words(turn)
        if not text:
            self._agent.cancel_preemptive()
            self._person.drop()
            self._give_back(now)
            return
        self._agent.settle()
        self._person.turn = None
        self._out.append(CommitTurn(turn.number, text))
        self._move("commit", now)
        self._get_on(self._agent.answer(turn.number, text), now)

    def _give_back(self, now: float) -> None:
        """The person has said nothing that is known: go on as before."""
        answer = self._agent.present
        if answer is None or answer.complete:
            self._finish("nothing said", now)
        elif answer.playback is Playback.PAUSED and answer.playable:
            answer.move("resume")
            self._out.append(Resume(answer.number, answer.ledger.resume_point()))
            self._move("speak on", now)
        else:
            if answer.playback is Playback.PAUSED:
                answer.move("run dry")
            self._move("work on" if answer.tools else "think on", now)
            self._get_on(answer, now)

    # ── the agent's answer ──────────────────────────────────────────────────────────────────────

    def _written(self, event: Token | Generated | GenerationFailed, now: float) -> None:
        answer = self._agent.take(event)
        if answer is not None and isinstance(event, Generated):
            self._get_on(answer, now)

    def _tool(self, event: ToolStarted | ToolEnded, now: float) -> None:
        answer = self._agent.present
        if answer is None or answer.number != event.answer:
            return
        answer.use(event)
        if answer.tools and self.phase is Phase.THINKING:
            self._move("tool", now)
        elif not answer.tools and self.phase is Phase.WORKING:
            self._move("tool done", now)

    def _announce(self, event: Announce, now: float) -> None:
        self._agent.announce(event.text)
        if self.phase is Phase.LISTENING and self._agent.next_announcement():
            self._move("announce", now)

    def _synthesised(self, event: Synthesised, now: float) -> None:
        answer = self._agent.find(event.answer)
        if answer is not None:
            answer.voiced(event.words, event.samples)
            self._get_on(answer, now)

    def _get_on(self, answer: Answer, now: float) -> None:
        """Play what is there, if it is time for it; end what is complete."""
        if answer is not self._agent.present or self.phase not in (Phase.THINKING, Phase.WORKING):
            return
        if answer.playable:
            self._agent.play(answer)
            self._move("sound", now)
        elif answer.complete:
            self._finish("done", now)

    def _played(self, event: Played, now: float) -> None:
        if self._agent.played(event.answer, event.samples):
            self._since = now
        answer = self._agent.present
        if answer is None or not answer.audible or answer.playable:
            return
        if answer.complete:
            self._finish("done", now)
            return
        answer.move("run dry")
        self._move("run dry at a tool" if answer.tools else "run dry", now)
        self._hear_out(now)

    def _finish(self, event: str, now: float) -> None:
        """Nothing is to be said any more."""
        self._agent.finish()
        self._alarms = 0
        self._move(event, now)
        if not self._hear_out(now) and self._agent.next_announcement():
            self._move("announce", now)

    def _hear_out(self, now: float) -> bool:
        """The agent is silent: see whether the person has begun to speak beside its last words."""
        if self._person.has_begun():
            self._move("voice", now)
            return True
        self._person.drop()
        return False

    # ── time and the end ────────────────────────────────────────────────────────────────────────

    def _tick(self, event: Tick, now: float) -> None:
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return
        turn, answer = self._person.turn, self._agent.present
        if self.phase is Phase.HEARING and turn is not None:
            self._follow(turn, now)
        elif answer is not None and self.phase is Phase.SPEAKING:
            if now >= self._since + self._rules.stall_s:
                self._give_up(answer, now)
            elif answer.playback is Playback.DUCKED:
                self._come_back(answer, now)
            else:
                self._person.drop()
        elif answer is not None:
            self._wait_no_longer(answer, now)

    def _wait_no_longer(self, answer: Answer, now: float) -> None:
        """No sound has come."""
        if answer.excused or not answer.generating:
            self._give_up(answer, now)
            return
        self._out.append(CancelGeneration(answer.number))
        self._agent.excuse(answer)
        answer.tools = 0
        if self.phase is Phase.WORKING:
            self._move("tool done", now)
        self._since = now

    def _give_up(self, answer: Answer, now: float) -> None:
        self._agent.give_up(answer)
        self._finish("done", now)

    def _hang_up(self, event: HangUp, now: float) -> None:
        self._agent.cancel_preemptive()
        if self._agent.present is not None:
            self._agent.give_up(self._agent.present)
        self._agent.settle()
        self._person.drop()
        self._move("hang up", now)

    def _move(self, event: str, now: float) -> None:
        following = TRANSITIONS[self.phase].get(event)
        if following is None:
            raise InvalidTransition("The conversation", self.phase, event)
        self.phase = following
        self._since = now
        if event == "voice":
            self._agent.hold()


_HANDLERS: dict[type, Callable[[TurnTaking, Any, float], None]] = {
    Frame: TurnTaking._frame,
    Transcript: TurnTaking._transcribed,
    EndJudged: TurnTaking._judged,
    Compared: TurnTaking._compared,
    Token: TurnTaking._written,
    Generated: TurnTaking._written,
    GenerationFailed: TurnTaking._written,
    Synthesised: TurnTaking._synthesised,
    Played: TurnTaking._played,
    ToolStarted: TurnTaking._tool,
    ToolEnded: TurnTaking._tool,
    Announce: TurnTaking._announce,
    Mute: TurnTaking._mute,
    HangUp: TurnTaking._hang_up,
    Tick: TurnTaking._tick,
}
