"""Any conversation at all, late and stale events included, keeps the promises of turn-taking."""

from __future__ import annotations

import copy

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agents.voice.events import (
    Announce,
    CommitAnswer,
    CommitTurn,
    Compare,
    Compared,
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
    Word,
)
from agents.voice.phases import Phase
from agents.voice.rules import Rules
from agents.voice.turns import TurnTaking
from agents.voice.utterances import Meaning, meaning

WORD_SAMPLES = 4000
NUMBERS = st.integers(0, 6)
TEXTS = st.sampled_from(
    ["", "mm-hm", "stop", "right", "what is the disk usage", "and", "w1 w2", "send it to the desk"]
)


class Loudspeaker:
    """What plays, as a page would play it; what may not happen to it fails the test."""

    def __init__(self) -> None:
        self.words: dict[int, list[tuple[str, int]]] = {}
        self.samples: dict[int, int] = {}
        self.furthest: dict[int, int] = {}
        self.playing: int | None = None
        self.paused: int | None = None
        self.stopped: set[int] = set()

    def add(self, event: Synthesised) -> None:
        begin = self.samples.get(event.answer, 0)
        words = self.words.setdefault(event.answer, [])
        words.extend((word.text, begin + word.end) for word in event.words)
        self.samples[event.answer] = begin + event.samples

    def do(self, instruction: Instruction) -> None:
        match instruction:
            case Play(answer):
                assert answer not in self.stopped
                assert self.playing in (None, answer) or self.ran_out(self.playing)
                self.playing, self.paused = answer, None
            case Resume(answer, sample):
                assert answer not in self.stopped
                assert self.paused == answer
                assert sample <= self.furthest.get(answer, 0)
                self.playing, self.paused = answer, None
            case Duck(answer) | Restore(answer):
                assert answer not in self.stopped
                assert self.playing == answer
            case Pause(answer):
                assert self.playing == answer
                self.playing, self.paused = None, answer
            case StopPlayback(answer):
                self.stopped.add(answer)
                self.playing = None if self.playing == answer else self.playing
                self.paused = None if self.paused == answer else self.paused

    def ran_out(self, answer: int | None) -> bool:
        return answer is not None and self.furthest.get(answer, 0) == self.samples.get(answer, 0)

    def heard(self, answer: int) -> str:
        played = self.furthest.get(answer, 0)
        return " ".join(text for text, end in self.words.get(answer, []) if end <= played)


class Conversation(RuleBasedStateMachine):
    @initialize(compares=st.booleans())
    def begin(self, compares: bool) -> None:
        self.now = 0.0
        self.rules = Rules(compares=compares)
        self.machine = TurnTaking(self.rules)
        # Of each turn: when a comparison was asked for last, and what came of all of them; None
        # if one was late.
        self.asked_s: dict[int, float] = {}
        self.likeness: dict[int, float | None] = {}
        self.commands: set[int] = set()
        self.waiting: int | None = None
        self.speaker = Loudspeaker()
        self.log: list[tuple[Event, float, list[Instruction]]] = []
        self.open: int | None = None
        self.ended_turns: set[int] = set()
        self.committed: set[int] = set()
        self.tentative: set[int] = set()
        self.generations: set[int] = set()
        self.settled: set[int] = set()
        self.wanted: list[int] = []
        self.examinations: list[tuple[int, int]] = []
        self.words = 0

    def send(self, event: Event, after: float = 0.0) -> None:
        self.now += after
        if self.waiting is not None and self.late(self.waiting):
            self.likeness[self.waiting] = self.waiting = None
        if isinstance(event, Transcript) and meaning(event.text) is Meaning.COMMAND:
            self.commands.add(event.turn)
        if isinstance(event, Synthesised):
            self.speaker.add(event)
        if isinstance(event, Played):
            furthest = max(self.speaker.furthest.get(event.answer, 0), event.samples)
            self.speaker.furthest[event.answer] = furthest
        instructions = self.machine.handle(event, self.now)
        self.log.append((event, self.now, instructions))
        for instruction in instructions:
            self.speaker.do(instruction)
            self.check(instruction)

    def check(self, instruction: Instruction) -> None:
        match instruction:
            case OpenTurn(turn, since):
                assert self.open is None
                assert since <= self.now
                self.open = turn
            case Examine(turn, examination):
                assert self.open == turn
                self.examinations.append((turn, examination))
            case Compare(turn):
                assert self.rules.compares
                assert self.open == turn
                assert self.now >= self.asked_s.get(turn, -1.0) + self.rules.compare_s
                assert turn not in self.asked_s or turn in self.likeness or self.late(turn)
                self.asked_s[turn] = self.now
                self.waiting = turn
            case DropTurn(turn):
                assert self.open == turn
                self.open = None
            case CommitTurn(turn, text):
                assert self.open == turn
                assert text.strip()
                # Nobody else is answered, unless they were obeyed, or it took too long to tell.
                assert self.likeness.get(turn) != 0.0 or turn in self.commands
                self.open = None
                self.ended_turns.add(turn)
                self.tentative.clear()
            case RetractTurn(turn):
                assert turn in self.ended_turns
            case Generate(answer, _, preemptive):
                assert answer not in self.generations
                self.generations.add(answer)
                if preemptive:
                    self.tentative.add(answer)
            case Speak(answer):
                assert answer not in self.speaker.stopped
                self.wanted.append(answer)
            case Play(answer):
                assert answer not in self.tentative
            case CommitAnswer(answer, text, cut):
                assert answer not in self.settled
                assert text == self.speaker.heard(answer)
                assert cut or self.speaker.ran_out(answer)
                self.settled.add(answer)

    # ── what may happen ─────────────────────────────────────────────────────────────────────────

    @rule(
        count=st.integers(1, 60),
        anyone=st.sampled_from([0.0, 0.9]),
        primary=st.sampled_from([0.0, 0.4, 0.95]),
        echo=st.sampled_from([0.0, 0.0, 0.9]),
    )
    def hear(self, count: int, anyone: float, primary: float, echo: float) -> None:
        for _ in range(count):
            self.send(Frame(anyone, primary, echo), 0.02)

    def late(self, turn: int) -> bool:
        return self.now >= self.asked_s[turn] + self.rules.compared_s

    @precondition(lambda self: self.waiting is not None)
    @rule(likeness=st.sampled_from([0.0, 0.0, 0.5, 1.0, None]))
    def compare(self, likeness: float | None) -> None:
        turn, self.waiting = self.waiting, None
        assert turn is not None
        same = likeness if self.likeness.get(turn, likeness) == likeness else None
        self.likeness[turn] = None if self.late(turn) else same
        self.send(Compared(turn, likeness), 0.1)

    @rule(turn=NUMBERS, text=TEXTS, examination=NUMBERS)
    def transcribe_anything(self, turn: int, text: str, examination: int) -> None:
        self.send(Transcript(turn, text, examination), 0.01)

    @precondition(lambda self: self.examinations)
    @rule(text=TEXTS, probability=st.floats(0, 1), judged=st.booleans())
    def answer_examination(self, text: str, probability: float, judged: bool) -> None:
        turn, examination = self.examinations[-1]
        if judged:
            self.send(EndJudged(turn, examination, probability), 0.02)
        self.send(Transcript(turn, text, examination), 0.05)

    @precondition(lambda self: self.generations)
    @rule(back=st.integers(0, 2), text=st.sampled_from(["It is ", "half full. ", "w1 w2 w3 w4. "]))
    def write(self, back: int, text: str) -> None:
        self.send(Token(max(self.generations) - back, text), 0.01)

    @rule(back=st.integers(0, 2))
    def complete(self, back: int) -> None:
        self.send(Generated(max(self.generations, default=0) - back), 0.01)

    @rule(back=st.integers(0, 1))
    def fail(self, back: int) -> None:
        self.send(GenerationFailed(max(self.generations, default=0) - back), 0.01)

    @precondition(lambda self: self.wanted)
    @rule(count=st.integers(0, 5))
    def synthesise(self, count: int) -> None:
        answer = self.wanted.pop(0)
        words = []
        for each in range(count):
            self.words += 1
            words.append(Word(f"w{self.words}", (each + 1) * WORD_SAMPLES))
        if answer not in self.settled:
            self.send(Synthesised(answer, tuple(words), count * WORD_SAMPLES), 0.05)

    @precondition(lambda self: self.speaker.playing is not None)
    @rule(samples=st.sampled_from([0, 320, 3999, 4000, 20000]))
    def play(self, samples: int) -> None:
        answer = self.speaker.playing or self.speaker.paused or 0
        there = self.speaker.samples.get(answer, 0)
        position = min(self.speaker.furthest.get(answer, 0) + samples, there)
        self.send(Played(answer, position), 0.1)

    @rule(started=st.booleans())
    def use_a_tool(self, started: bool) -> None:
        answer = max(self.generations, default=0)
        self.send(ToolStarted(answer) if started else ToolEnded(answer), 0.01)

    @rule(text=TEXTS)
    def announce(self, text: str) -> None:
        self.send(Announce(text), 0.01)

    @rule(muted=st.booleans())
    def mute(self, muted: bool) -> None:
        self.send(Mute(muted), 0.01)

    @rule()
    def wait_for_the_deadline(self) -> None:
        deadline = self.machine.deadline()
        if deadline is not None:
            self.send(Tick(), max(0.0, deadline - self.now))

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds: float) -> None:
        self.send(Tick(), seconds)

    @precondition(lambda self: len(self.log) > 100)
    @rule()
    def hang_up(self) -> None:
        self.send(HangUp())
        assert self.machine.phase is Phase.ENDED
        assert self.open is None
        assert self.speaker.playing is None or self.speaker.ran_out(self.speaker.playing)

    # ── what must hold ──────────────────────────────────────────────────────────────────────────

    @invariant()
    def nothing_is_played_into_what_the_person_says(self) -> None:
        present = self.machine._agent.present
        if self.machine.phase is Phase.HEARING and present is not None:
            # Even if it has run out: more sound may come.
            assert self.speaker.playing != present.number

    @invariant()
    def left_alone_it_comes_to_rest(self) -> None:
        machine, now = copy.deepcopy(self.machine), self.now
        for _ in range(40):
            deadline = machine.deadline()
            if deadline is None:
                break
            assert deadline - now <= 130
            now = max(now, deadline)
            machine.handle(Tick(), now)
        assert machine.phase in (Phase.LISTENING, Phase.ENDED)

    def teardown(self) -> None:
        again = TurnTaking(self.rules)
        for event, now, instructions in self.log:
            assert again.handle(event, now) == instructions


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
