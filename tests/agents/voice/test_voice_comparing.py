"""A second opinion on whose voice it is, before an answer is lost or begun for it."""

from __future__ import annotations

import pytest

from agents.voice.events import (
    CommitTurn,
    Compare,
    Compared,
    DropTurn,
    Examine,
    Frame,
    Generate,
    Generated,
    OpenTurn,
    Pause,
    Played,
    Resume,
    StopPlayback,
    Synthesised,
    Tick,
    Token,
    Transcript,
    Word,
)
from agents.voice.phases import Phase
from agents.voice.rules import Rules
from agents.voice.turns import TurnTaking

WORD = 4000
RULES = Rules(compares=True)
SENTENCE = "Send it to the other machine instead"


class Scene:
    """An agent that speaks, and a machine that is driven by hand."""

    def __init__(self) -> None:
        self.machine = TurnTaking(RULES)
        self.now = 0.0
        self.said: list[object] = []

    def send(self, event: object, after: float = 0.02) -> None:
        self.now += after
        self.said += self.machine.handle(event, self.now)  # type: ignore[arg-type]

    def hear(self, seconds: float, primary: float = 0.95, anyone: float = 0.95) -> None:
        for _ in range(round(seconds / 0.02)):
            self.send(Frame(anyone, primary))
            deadline = self.machine.deadline()
            if deadline is not None and deadline <= self.now:
                self.send(Tick(), 0.0)

    def silence(self, seconds: float) -> None:
        self.hear(seconds, primary=0.0, anyone=0.0)

    def last(self, kind: type) -> object:
        return next(each for each in reversed(self.said) if isinstance(each, kind))

    def count(self, kind: type) -> int:
        return sum(isinstance(each, kind) for each in self.said)

    def says(self, text: str, *, examined: bool = False) -> None:
        turn = self.last(OpenTurn).turn  # type: ignore[attr-defined]
        number = self.last(Examine).examination if examined else 0  # type: ignore[attr-defined]
        self.send(Transcript(turn, text, number))

    def compared(self, likeness: float | None) -> None:
        self.send(Compared(self.last(Compare).turn, likeness))  # type: ignore[attr-defined]


@pytest.fixture
def scene() -> Scene:
    """It plays a long answer."""
    scene = Scene()
    scene.hear(1.0)
    scene.silence(0.3)
    scene.says("What is the disk usage?", examined=True)
    scene.compared(0.99)
    scene.silence(1.5)
    answer = scene.last(Generate).answer  # type: ignore[attr-defined]
    scene.send(Token(answer, " ".join(["word"] * 40)))
    scene.send(Generated(answer))
    words = tuple(Word("word", (number + 1) * WORD) for number in range(40))
    scene.send(Synthesised(answer, words, 40 * WORD))
    scene.send(Played(answer, 2 * WORD))
    scene.said.clear()
    assert scene.machine.phase is Phase.SPEAKING
    return scene


def test_answer_is_not_given_up_before_the_voices_were_compared(scene: Scene) -> None:
    scene.hear(1.0)
    scene.says(SENTENCE)
    assert scene.count(Pause) == 1
    assert scene.count(Compare) == 1
    assert scene.count(StopPlayback) == 0
    scene.compared(0.9)
    assert scene.count(StopPlayback) == 1
    scene.silence(0.4)
    scene.says(SENTENCE, examined=True)
    scene.compared(0.9)
    scene.silence(2.0)
    assert scene.last(CommitTurn).text == SENTENCE  # type: ignore[attr-defined]


def test_answer_goes_on_where_another_was_taken_for_the_person(scene: Scene) -> None:
    scene.hear(1.0)
    scene.says(SENTENCE)
    scene.compared(0.001)
    scene.silence(0.3)
    scene.says(SENTENCE, examined=True)
    assert scene.count(StopPlayback) == 0
    if scene.count(Compare) == 2:
        scene.compared(0.001)
    assert scene.count(Resume) == 1
    assert scene.count(DropTurn) == 1


def test_end_of_what_was_said_waits_for_the_comparison(scene: Scene) -> None:
    scene.hear(1.0)
    scene.silence(0.25)
    scene.says(SENTENCE, examined=True)
    assert scene.machine.phase is Phase.HEARING
    assert scene.count(Resume) == 0
    scene.compared(0.99)
    assert scene.count(StopPlayback) == 1


def test_comparison_that_is_late_is_not_waited_for(scene: Scene) -> None:
    scene.hear(1.0)
    scene.says(SENTENCE)
    assert scene.count(StopPlayback) == 0
    scene.hear(RULES.compared_s + 0.1)
    assert scene.count(StopPlayback) == 1


def test_comparison_that_cannot_tell_leaves_it_to_the_belief(scene: Scene) -> None:
    scene.hear(1.0)
    scene.says(SENTENCE)
    scene.compared(None)
    assert scene.count(StopPlayback) == 1


def test_voice_is_compared_again_when_there_is_more_of_it(scene: Scene) -> None:
    scene.hear(0.8)
    scene.says(SENTENCE)
    scene.compared(0.1)
    assert scene.count(StopPlayback) == 0
    scene.hear(RULES.compare_s)
    assert scene.count(Compare) == 2
    scene.compared(0.99)
    assert scene.count(StopPlayback) == 1


def test_stop_is_obeyed_without_a_comparison(scene: Scene) -> None:
    scene.hear(0.4)
    scene.says("Stop")
    assert scene.count(StopPlayback) == 1


def test_turn_for_which_an_answer_was_given_up_is_answered_whatever_is_found_later(
    scene: Scene,
) -> None:
    scene.hear(1.0)
    scene.says(SENTENCE)
    scene.compared(0.9)
    scene.hear(0.8)
    scene.silence(0.3)
    scene.says(SENTENCE, examined=True)
    scene.compared(0.001)
    scene.silence(2.0)
    assert scene.count(CommitTurn) == 1


def test_first_words_of_another_are_not_answered() -> None:
    scene = Scene()
    scene.hear(1.0, primary=0.8)
    scene.silence(0.3)
    scene.says("What is the disk usage?", examined=True)
    scene.silence(1.0)
    assert scene.machine.phase is Phase.HEARING
    scene.compared(0.01)
    scene.silence(0.5)
    assert scene.count(CommitTurn) == 0
    assert scene.machine.phase is Phase.LISTENING


def test_first_words_are_answered_though_the_comparison_never_comes() -> None:
    scene = Scene()
    scene.hear(1.0, primary=0.8)
    scene.silence(0.3)
    scene.says("What is the disk usage?", examined=True)
    scene.silence(RULES.compared_s + 0.5)
    assert scene.count(CommitTurn) == 1


def test_without_a_model_nothing_is_compared() -> None:
    scene = Scene()
    scene.machine = TurnTaking()
    scene.hear(1.0)
    scene.silence(0.3)
    scene.says("What is the disk usage?", examined=True)
    scene.silence(1.0)
    assert scene.count(Compare) == 0
    assert scene.count(CommitTurn) == 1
