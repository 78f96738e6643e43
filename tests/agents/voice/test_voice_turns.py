"""Turn taking by scenarios: what a listener would notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from agents.voice.events import (
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
    Word,
)
from agents.voice.phases import Phase
from agents.voice.rules import Rules
from agents.voice.turns import TurnTaking

WORD = 4000  # samples
T = TypeVar("T")


class Talk:
    """A conversation driven by hand; time goes on with what happens."""

    def __init__(self) -> None:
        self.machine = TurnTaking()
        self.now = 0.0
        self.said: list[Instruction] = []

    def send(self, event: Event, after: float = 0.0) -> list[Instruction]:
        self.now += after
        deadline = self.machine.deadline()
        out = []
        if deadline is not None and deadline <= self.now and not isinstance(event, Tick):
            out += self.machine.handle(Tick(), self.now)
        out += self.machine.handle(event, self.now)
        self.said += out
        return out

    def hear(
        self, seconds: float, *, anyone: float = 0.95, primary: float = 0.95, echo: float = 0.0
    ) -> list[Instruction]:
        out = []
        for _ in range(round(seconds / 0.02)):
            out += self.send(Frame(anyone, primary, echo), 0.02)
        return out

    def silence(self, seconds: float) -> list[Instruction]:
        return self.hear(seconds, anyone=0.0, primary=0.0)

    def last(self, kind: type[T]) -> T:
        return next(each for each in reversed(self.said) if isinstance(each, kind))

    def kinds(self) -> list[type]:
        return [type(each) for each in self.said]

    def transcribe(self, text: str) -> list[Instruction]:
        asked = self.last(Examine)
        return self.send(Transcript(asked.turn, text, asked.examination), 0.02)

    def ask(self, text: str = "What is the disk usage?") -> int:
        """A whole turn of the person; return the number of the answer to it."""
        self.hear(1.0)
        self.silence(0.3)
        self.transcribe(text)
        self.silence(1.5)
        return self.last(Generate).answer

    def answer(self, text: str, played: int = 0) -> int:
        """Ask, and have this sentence made into sound and some words of it played."""
        answer = self.ask()
        self.send(Token(answer, text))
        self.send(Generated(answer))
        words = text.split()
        sound = tuple(Word(word, (n + 1) * WORD) for n, word in enumerate(words))
        self.send(Synthesised(answer, sound, len(words) * WORD), 0.2)
        self.said.clear()
        self.play(answer, played * WORD)
        return answer

    def play(self, answer: int, samples: int) -> list[Instruction]:
        return self.send(Played(answer, samples), 0.1)


@pytest.fixture
def talk() -> Talk:
    return Talk()


ANSWER = "The disk of the server is half full"


def test_turn_is_committed_answered_and_heard(talk: Talk) -> None:
    answer = talk.ask("What is the disk usage?")
    assert talk.last(CommitTurn).text == "What is the disk usage?"
    assert talk.machine.phase is Phase.THINKING
    assert talk.send(Token(answer, "It is half full. And")) == [Speak(answer, "It is half full.")]
    assert talk.send(Generated(answer)) == [Speak(answer, "And")]
    sound = tuple(
        Word(word, (n + 1) * WORD) for n, word in enumerate(["It", "is", "half", "full."])
    )
    assert talk.send(Synthesised(answer, sound, 4 * WORD)) == [Play(answer)]
    talk.send(Synthesised(answer, (Word("And", WORD),), WORD))
    assert talk.play(answer, 4 * WORD) == []
    assert talk.play(answer, 5 * WORD) == [CommitAnswer(answer, "It is half full. And", cut=False)]
    assert talk.machine.phase is Phase.LISTENING


def test_first_sound_is_not_lost(talk: Talk) -> None:
    talk.silence(2.0)
    begin = talk.now
    talk.hear(0.5)
    assert talk.last(OpenTurn).since == pytest.approx(begin - Rules().preroll_s)


def test_other_voices_do_not_open_a_turn(talk: Talk) -> None:
    assert talk.hear(5.0, primary=0.1) == []


def test_voice_ducks_and_comes_back_without_losing_a_word(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=2)
    out = talk.hear(0.2, primary=0.1)
    assert [type(each) for each in out] == [Duck, OpenTurn]
    talk.play(answer, 3 * WORD)
    assert Restore(answer) in talk.silence(0.5)
    talk.transcribe("and now the weather")
    assert isinstance(talk.said[-1], DropTurn)
    talk.play(answer, 8 * WORD)
    assert talk.said[-1] == CommitAnswer(answer, ANSWER, cut=False)
    assert Pause not in talk.kinds()


def test_what_another_said_before_is_no_part_of_a_turn_though_its_words_are_late(
    talk: Talk,
) -> None:
    talk.answer(ANSWER, played=2)
    talk.hear(0.8, primary=0.1)
    talk.silence(0.5)
    of_another = talk.last(Examine)
    begin = talk.now
    out = talk.hear(0.8)
    opened = talk.last(OpenTurn)
    assert [DropTurn(of_another.turn), opened] == [
        each for each in out if isinstance(each, DropTurn | OpenTurn)
    ]
    assert opened.since == pytest.approx(begin - Rules().preroll_s)
    talk.send(Transcript(of_another.turn, "And now the weather.", of_another.examination))
    talk.silence(0.3)
    talk.transcribe("How full is the disk of the desk?")
    talk.silence(1.5)
    assert talk.last(CommitTurn).text == "How full is the disk of the desk?"


def test_short_word_that_may_be_the_persons_is_kept_for_what_follows_after_a_gap(
    talk: Talk,
) -> None:
    talk.answer(ANSWER, played=2)
    begin = talk.now
    talk.hear(0.3, primary=0.7)
    talk.silence(0.6)
    assert Restore in talk.kinds()
    talk.hear(0.8)
    assert DropTurn not in talk.kinds()
    assert talk.last(OpenTurn).since == pytest.approx(begin - Rules().preroll_s)
    talk.silence(0.3)
    talk.transcribe("Wait. How full is the disk of the desk?")
    talk.silence(1.5)
    assert talk.last(CommitTurn).text == "Wait. How full is the disk of the desk?"


def test_sound_that_comes_while_the_person_speaks_waits_though_some_was_played(talk: Talk) -> None:
    answer = talk.ask()
    talk.send(Token(answer, "It is half full now. And"))
    first = tuple(
        Word(word, (n + 1) * WORD) for n, word in enumerate(["It", "is", "half", "full", "now."])
    )
    talk.send(Synthesised(answer, first, 5 * WORD))
    talk.play(answer, 5 * WORD)
    assert talk.machine.phase is Phase.THINKING
    talk.said.clear()
    talk.hear(0.3)
    assert talk.last(Pause) == Pause(answer)
    talk.send(Generated(answer))
    talk.send(Synthesised(answer, (Word("And", WORD),), WORD))
    assert Play not in talk.kinds()
    assert Resume not in talk.kinds()
    talk.silence(0.3)
    talk.transcribe("")
    assert talk.last(Resume) == Resume(answer, 5 * WORD)
    assert talk.machine.phase is Phase.SPEAKING
    talk.play(answer, 6 * WORD)
    assert talk.last(CommitAnswer).text == "It is half full now. And"


def test_answer_of_which_every_word_was_heard_is_not_cut(talk: Talk) -> None:
    answer = talk.answer(ANSWER)
    # But for the silence behind its last word.
    talk.send(Synthesised(answer, (), WORD))
    talk.play(answer, len(ANSWER.split()) * WORD)
    talk.hear(0.8)
    talk.silence(0.3)
    talk.transcribe("And what about the desk?")
    talk.silence(1.5)
    assert talk.last(CommitAnswer) == CommitAnswer(answer, ANSWER, cut=False)


def test_words_of_a_pause_that_is_over_are_not_all_that_is_said(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=2)
    talk.hear(0.3)
    talk.silence(0.24)
    asked = talk.last(Examine)
    # The person goes on before the recogniser has said what was there in the pause.
    talk.hear(0.06)
    talk.send(Transcript(asked.turn, "No.", asked.examination))
    talk.hear(1.2)
    talk.silence(0.3)
    talk.transcribe("No, not that one, the other machine.")
    talk.silence(1.5)
    assert DropTurn not in talk.kinds()
    assert talk.last(StopPlayback).answer == answer
    assert talk.last(CommitTurn).text == "No, not that one, the other machine."


def test_command_that_was_obeyed_is_answered_though_what_follows_is_not_believed(
    talk: Talk,
) -> None:
    talk.answer(ANSWER, played=2)
    talk.hear(0.5, primary=0.6)
    talk.silence(0.3)
    talk.transcribe("Wait.")
    assert StopPlayback in talk.kinds()
    talk.hear(1.5, primary=0.4)
    talk.silence(0.3)
    talk.transcribe("Wait. And now the weather for tomorrow.")
    talk.silence(1.5)
    assert talk.last(CommitTurn).text == "Wait."
    assert talk.machine.phase is Phase.THINKING


def test_voice_that_is_known_late_was_the_persons_from_its_start(talk: Talk) -> None:
    talk.answer(ANSWER, played=2)
    begin = talk.now
    talk.hear(1.1, primary=0.3)
    assert Restore in talk.kinds()
    talk.hear(0.8)
    assert DropTurn not in talk.kinds()
    assert talk.last(OpenTurn).since == pytest.approx(begin - Rules().preroll_s)


def test_voice_that_goes_on_is_not_feared_for_ever(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=1)
    for step in range(2, 20):
        talk.hear(0.2, primary=0.1)
        talk.play(answer, min(WORD * step // 3, 7 * WORD))
    assert Restore(answer) in talk.said
    assert talk.kinds().count(Duck) <= 3


def test_primary_voice_is_given_the_floor(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=3)
    talk.hear(0.4)
    assert [type(each) for each in talk.said] == [Duck, OpenTurn, Pause]
    talk.play(answer, 3 * WORD + 900)
    talk.hear(0.6)
    talk.silence(0.3)
    talk.transcribe("No, of the desk")
    assert StopPlayback(answer) in talk.said
    talk.silence(1.5)
    assert talk.last(CommitAnswer) == CommitAnswer(answer, "The disk of", cut=True)
    assert talk.last(CommitTurn).text == "No, of the desk"
    assert talk.said.index(talk.last(CommitAnswer)) < talk.said.index(talk.last(CommitTurn))
    assert talk.last(Generate).answer > answer


def test_position_that_arrives_late_counts_for_what_was_heard(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=2)
    talk.hear(0.6)
    talk.send(Transcript(talk.last(OpenTurn).turn, "what about the"))
    assert StopPlayback(answer) in talk.said
    talk.play(answer, 4 * WORD)
    talk.silence(0.3)
    talk.transcribe("what about the desk?")
    assert talk.last(CommitAnswer).text == "The disk of the"


@pytest.mark.parametrize("text", ["mm-hm", "Right.", "yeah, okay", "the disk of", ""])
def test_what_asks_for_nothing_lets_the_answer_go_on_at_the_cut_word(talk: Talk, text: str) -> None:
    answer = talk.answer(ANSWER, played=3)
    talk.hear(0.4)
    talk.play(answer, 3 * WORD + 1700)
    talk.silence(0.24)
    talk.transcribe(text)
    assert talk.last(Resume) == Resume(answer, 3 * WORD)
    assert isinstance(talk.said[-2], DropTurn)
    assert talk.machine.phase is Phase.SPEAKING
    assert StopPlayback not in talk.kinds()


def test_stop_stops_at_once(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=1)
    talk.hear(0.16, primary=0.5)
    assert talk.kinds() == [Duck, OpenTurn]
    out = talk.send(Transcript(talk.last(OpenTurn).turn, "Stop!"))
    assert out == [Pause(answer), StopPlayback(answer)]


def test_short_word_that_was_let_pass_is_heard_afterwards(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=1)
    talk.hear(0.16, primary=0.5)
    talk.silence(0.4)
    assert isinstance(talk.said[-1], Examine)
    talk.transcribe("stop")
    assert StopPlayback(answer) in talk.said


def test_voice_that_was_mistaken_for_the_person_stops_nothing(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=2)
    talk.hear(0.6, primary=0.1)
    talk.hear(0.14)
    assert Pause(answer) in talk.said
    talk.hear(0.5, primary=0.1)
    talk.silence(0.24)
    talk.transcribe("and now the weather for tomorrow")
    assert talk.last(Resume) == Resume(answer, 2 * WORD)
    assert StopPlayback not in talk.kinds()


def test_single_word_does_not_lose_an_answer_unless_it_is_a_command(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=2)
    talk.hear(0.3)
    talk.silence(0.24)
    talk.transcribe("tomorrow")
    assert Resume(answer, 2 * WORD) in talk.said
    talk.silence(0.5)
    talk.hear(0.3)
    talk.silence(0.24)
    talk.transcribe("stop")
    assert StopPlayback(answer) in talk.said


def test_turn_of_somebody_else_is_not_answered(talk: Talk) -> None:
    talk.hear(0.14)
    talk.hear(1.0, primary=0.1)
    talk.silence(0.24)
    talk.transcribe("and now the weather for tomorrow")
    talk.silence(3.0)
    assert isinstance(talk.said[-1], DropTurn)
    assert Generate not in talk.kinds()


def test_stop_of_somebody_else_is_not_obeyed(talk: Talk) -> None:
    talk.answer(ANSWER, played=1)
    talk.hear(0.3, primary=0.1)
    assert talk.send(Transcript(talk.last(OpenTurn).turn, "Stop!")) == []


def test_echo_does_not_even_duck(talk: Talk) -> None:
    talk.answer(ANSWER, played=1)
    assert talk.hear(2.0, echo=0.9) == []


def test_voice_without_words_does_not_silence_for_long(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=1)
    talk.hear(2.5)
    assert talk.machine.phase is Phase.HEARING
    talk.transcribe("")
    assert talk.machine.phase is Phase.SPEAKING
    assert Resume(answer, WORD) in talk.said
    talk.said.clear()
    talk.play(answer, 2 * WORD)
    talk.hear(3.0)
    assert Pause not in talk.kinds()


def test_pause_within_a_sentence_does_not_end_the_turn(talk: Talk) -> None:
    talk.hear(1.0)
    talk.silence(0.3)
    asked = talk.last(Examine)
    talk.send(EndJudged(asked.turn, asked.examination, 0.1))
    talk.transcribe("Send the report to")
    talk.silence(0.9)
    assert CommitTurn not in talk.kinds()
    talk.hear(0.6)
    talk.silence(0.3)
    talk.transcribe("Send the report to my desk machine.")
    talk.silence(0.8)
    assert talk.last(CommitTurn).text == "Send the report to my desk machine."


def test_silence_bound_holds_without_any_transcript(talk: Talk) -> None:
    talk.hear(1.0)
    turn = talk.last(OpenTurn).turn
    talk.send(Transcript(turn, "turn it"))
    talk.silence(Rules().endpoints.lost_s - 0.1)
    assert CommitTurn not in talk.kinds()
    talk.silence(0.3)
    assert talk.last(CommitTurn).text == "turn it"


def test_answer_goes_on_while_words_are_late_and_they_stop_it_when_they_come(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=3)
    talk.hear(0.8)
    talk.silence(Rules().endpoints.bound_s + 0.1)
    assert talk.last(Resume) == Resume(answer, 3 * WORD)
    assert DropTurn not in talk.kinds()
    talk.transcribe("What about the desk?")
    assert StopPlayback(answer) in talk.said
    talk.silence(1.0)
    assert talk.last(CommitTurn).text == "What about the desk?"


def test_words_that_come_after_the_answer_has_ended_are_a_turn(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=7)
    talk.hear(0.8)
    talk.silence(Rules().endpoints.bound_s + 0.1)
    talk.play(answer, 8 * WORD)
    assert talk.said[-1] == CommitAnswer(answer, ANSWER, cut=False)
    talk.transcribe("What about the desk?")
    talk.silence(1.0)
    assert talk.last(CommitTurn).text == "What about the desk?"


def test_words_that_are_late_while_the_agent_thinks_join_the_question(talk: Talk) -> None:
    answer = talk.ask("What is the disk usage?")
    talk.hear(0.8)
    talk.silence(Rules().endpoints.bound_s + 0.1)
    assert talk.machine.phase is Phase.THINKING
    talk.transcribe("Of the desk.")
    assert CancelGeneration(answer) in talk.said
    talk.silence(1.0)
    assert talk.last(CommitTurn).text == "What is the disk usage? Of the desk."


def test_answer_begun_early_is_kept_if_the_turn_ends(talk: Talk) -> None:
    talk.hear(1.0)
    talk.silence(0.24)
    talk.transcribe("How are you?")
    early = talk.last(Generate)
    assert early.preemptive
    talk.send(Token(early.answer, "Well."))
    talk.send(Generated(early.answer))
    talk.send(Synthesised(early.answer, (Word("Well.", WORD),), WORD))
    assert Play not in talk.kinds()
    talk.silence(1.0)
    assert talk.kinds().count(Generate) == 1
    assert talk.said[-2:] == [CommitTurn(early.answer, "How are you?"), Play(early.answer)]


def test_answer_begun_early_is_discarded_if_the_person_goes_on(talk: Talk) -> None:
    talk.hear(1.0)
    talk.silence(0.24)
    talk.transcribe("How are you?")
    early = talk.last(Generate).answer
    assert CancelGeneration(early) in talk.hear(0.3)
    assert talk.send(Token(early, "This is never said. ")) == []


def test_turn_that_was_ended_too_early_is_taken_up_again(talk: Talk) -> None:
    first = talk.ask("Send the report")
    talk.hear(0.6)
    talk.silence(0.24)
    talk.transcribe("to my desk machine.")
    assert CancelGeneration(first) in talk.said
    assert talk.last(RetractTurn) == RetractTurn(1)
    talk.silence(1.0)
    assert talk.last(CommitTurn).text == "Send the report to my desk machine."


def test_stop_while_thinking_is_not_added_to_the_question(talk: Talk) -> None:
    answer = talk.ask("What is the disk usage?")
    talk.hear(0.5)
    talk.silence(0.24)
    talk.transcribe("Stop.")
    talk.silence(1.0)
    assert CancelGeneration(answer) in talk.said
    assert RetractTurn not in talk.kinds()
    assert talk.last(CommitTurn).text == "Stop."


def test_cough_while_thinking_changes_nothing(talk: Talk) -> None:
    answer = talk.ask()
    talk.said.clear()
    talk.hear(0.4)
    talk.silence(0.24)
    talk.send(Synthesised(answer, (Word("It", WORD),), WORD))
    talk.transcribe("")
    assert talk.said[-1] == Play(answer)
    assert CancelGeneration not in talk.kinds()


def test_words_during_a_tool_are_a_turn_of_their_own(talk: Talk) -> None:
    answer = talk.ask()
    talk.send(ToolStarted(answer))
    assert talk.machine.phase is Phase.WORKING
    talk.hear(0.6)
    talk.silence(0.24)
    talk.transcribe("Not that one.")
    talk.silence(1.0)
    assert RetractTurn not in talk.kinds()
    assert CancelGeneration(answer) in talk.said
    assert talk.last(CommitTurn).text == "Not that one."


def test_tool_that_returns_lets_it_think_on(talk: Talk) -> None:
    answer = talk.ask()
    talk.send(ToolStarted(answer))
    talk.send(ToolEnded(answer))
    assert talk.machine.phase is Phase.THINKING


def test_gap_in_the_sound_is_not_the_end(talk: Talk) -> None:
    answer = talk.ask()
    talk.send(Token(answer, "One moment please. Then"))
    sound = tuple(Word(word, (n + 1) * WORD) for n, word in enumerate(["One", "moment", "please."]))
    talk.send(Synthesised(answer, sound, 3 * WORD))
    talk.play(answer, 3 * WORD)
    assert talk.machine.phase is Phase.THINKING
    talk.send(Generated(answer))
    assert talk.send(Synthesised(answer, (Word("Then", WORD),), WORD)) == [Play(answer)]
    talk.play(answer, 4 * WORD)
    assert talk.last(CommitAnswer).text == "One moment please. Then"


@pytest.mark.parametrize(
    "fail",
    [
        lambda talk, answer: talk.send(GenerationFailed(answer)),
        lambda talk, answer: talk.send(Tick(), Rules().think_s),
    ],
)
def test_answer_that_fails_is_excused(talk: Talk, fail: Callable[[Talk, int], object]) -> None:
    answer = talk.ask()
    fail(talk, answer)
    assert talk.last(Speak) == Speak(answer, Rules().excuse)
    words = tuple(Word(word, WORD) for word in Rules().excuse.split())
    talk.send(Synthesised(answer, words, WORD))
    talk.play(answer, WORD)
    assert talk.last(CommitAnswer).text == Rules().excuse


def test_playback_that_stalls_is_given_up(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=2)
    deadline = talk.machine.deadline()
    assert deadline is not None
    out = talk.send(Tick(), deadline - talk.now)
    assert out == [StopPlayback(answer), CommitAnswer(answer, "The disk", cut=True)]
    assert talk.machine.phase is Phase.LISTENING


def test_announcement_waits_for_the_floor(talk: Talk) -> None:
    answer = talk.answer(ANSWER)
    talk.send(Announce("The report is ready."))
    assert Speak not in talk.kinds()
    talk.play(answer, 8 * WORD)
    assert talk.said[-1] == Speak(answer + 1, "The report is ready.")


def test_announcement_that_nobody_heard_is_made_again(talk: Talk) -> None:
    (speak,) = talk.send(Announce("The report is ready."))
    assert isinstance(speak, Speak)
    talk.hear(0.5)
    talk.silence(0.24)
    talk.transcribe("What time is it?")
    talk.silence(1.0)
    answer = talk.last(Generate).answer
    talk.send(Generated(answer))
    assert talk.said[-1] == Speak(answer + 1, "The report is ready.")


def test_muted_microphone_is_not_heard(talk: Talk) -> None:
    talk.send(Mute(True))
    assert talk.hear(2.0) == []
    talk.send(Mute(False))
    assert OpenTurn in [type(each) for each in talk.hear(0.5)]


def test_hanging_up_leaves_what_was_heard(talk: Talk) -> None:
    answer = talk.answer(ANSWER, played=2)
    out = talk.send(HangUp())
    assert out == [StopPlayback(answer), CommitAnswer(answer, "The disk", cut=True)]
    assert talk.hear(1.0) == []
    assert talk.machine.deadline() is None
