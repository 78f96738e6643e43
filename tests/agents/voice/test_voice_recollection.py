"""What is remembered of a long conversation."""

from __future__ import annotations

from agents.voice.ports import Said
from agents.voice.recollection import Recollection
from constellation.llm.chat import ModelUnavailable

TALK = [Said("person" if n % 2 == 0 else "agent", f"{n:02} " + "x" * 17) for n in range(20)]


class Summaries:
    def __init__(self, fails: int = 0) -> None:
        self.asked: list[tuple[str, str]] = []
        self._fails = fails

    def __call__(self, summary: str, text: str) -> str:
        self.asked.append((summary, text))
        if len(self.asked) <= self._fails:
            raise ModelUnavailable("It does not answer.")
        return f"{summary}[{len(text.splitlines())}]"


def test_short_conversation_is_told_word_by_word() -> None:
    summaries = Summaries()
    recollection = Recollection(summaries, budget=100)
    recollection.catch_up(TALK[:5])
    recollection.settle()
    assert recollection.of(TALK[:5]) == ("", TALK[:5])
    assert summaries.asked == []


def test_what_does_not_fit_is_summed_up_beside_the_conversation() -> None:
    summaries = Summaries()
    recollection = Recollection(summaries, budget=100)
    assert recollection.of(TALK[:6]) == ("", TALK[1:6])
    recollection.catch_up(TALK[:6])
    recollection.settle()
    # Down to half of what may be told, so that there is room for what comes.
    assert summaries.asked[0][1].splitlines() == [f"{each.who}: {each.text}" for each in TALK[:4]]
    assert recollection.of(TALK[:7]) == ("[4]", TALK[4:7])
    recollection.catch_up(TALK[:10])
    recollection.settle()
    assert recollection.of(TALK[:10]) == ("[4][4]", TALK[8:10])
    assert summaries.asked[1][0] == "[4]"


def test_model_that_fails_to_sum_up_is_asked_again() -> None:
    summaries = Summaries(fails=1)
    recollection = Recollection(summaries, budget=100)
    recollection.catch_up(TALK[:6])
    recollection.settle()
    assert recollection.of(TALK[:6]) == ("", TALK[1:6])
    recollection.catch_up(TALK[:6])
    recollection.settle()
    assert recollection.of(TALK[:6]) == ("[4]", TALK[4:6])


def test_turn_that_was_taken_back_is_not_remembered() -> None:
    recollection = Recollection(Summaries(), budget=100)
    recollection.catch_up(TALK[:6])
    recollection.settle()
    assert recollection.of(TALK[:5]) == ("[4]", TALK[4:5])


def test_beginning_of_a_conversation_may_be_gone() -> None:
    recollection = Recollection(Summaries(), budget=100)
    recollection.catch_up(TALK[:6])
    recollection.settle()
    # What was summed up is there in part, to its end, or not at all.
    for begin in (2, 4, 5):
        assert recollection.of(TALK[begin:7]) == ("[4]", TALK[max(begin, 4) : 7])
    recollection.catch_up(TALK[4:10])
    recollection.settle()
    assert recollection.of(TALK[4:10]) == ("[4][4]", TALK[8:10])
