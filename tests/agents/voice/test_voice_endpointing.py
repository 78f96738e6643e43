"""When a turn is over, by itself and against any sequence of voices and answers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agents.voice.endpointing import Endpointer, Endpoints, Floor
from agents.voice.odds import log_odds, probability

RULES = Endpoints()


def paused(text: str, complete: float | None, *, voiced: float = 1.0) -> Endpointer:
    """A turn whose last sound was at ``voiced``, examined and answered."""
    endpointer = Endpointer(RULES, 0.0)
    endpointer.voice(voiced)
    endpointer.tick(voiced + RULES.examine_s)
    endpointer.transcript(text, endpointer.examination)
    if complete is not None:
        endpointer.judged(complete, endpointer.examination)
    return endpointer


def silence_s(endpointer: Endpointer, *, voiced: float = 1.0) -> float:
    """How long the silence is that ends it."""
    return endpointer.deadline() - voiced


def test_whole_sentence_ends_soon_and_half_a_one_late() -> None:
    whole, half = paused("Is it there?", 0.98), paused("Send it to", 0.05)
    assert silence_s(whole) < RULES.short_s + 0.15
    assert silence_s(half) > RULES.long_s - 0.15


@pytest.mark.parametrize("text", ["Send it to", "Send it to me.", "Is it there?"])
def test_sound_counts_beside_the_words(text: str) -> None:
    waits = [silence_s(paused(text, complete)) for complete in (0.05, 0.5, 0.95)]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] - waits[-1] > 0.3


def test_words_count_without_the_sound() -> None:
    assert silence_s(paused("Is it there?", None)) < silence_s(paused("Send it to", None))


def test_answer_to_an_older_examination_is_only_partial() -> None:
    endpointer = paused("Send it to", 0.9)
    endpointer.voice(2.0)
    endpointer.tick(2.0 + RULES.examine_s)
    endpointer.judged(0.99, 1)
    endpointer.transcript("Send it to me", 1)
    assert not endpointer.answered
    assert silence_s(endpointer, voiced=2.0) == pytest.approx(RULES.lost_s)


def test_late_partial_transcript_does_not_replace_a_whole_one() -> None:
    endpointer = paused("Send it to me.", 0.9)
    endpointer.transcript("Send it", 0)
    assert endpointer.text == "Send it to me."


def test_turn_without_words_ends_sooner_than_one_without_a_transcript() -> None:
    assert silence_s(paused("", 0.9)) == pytest.approx(RULES.empty_s)


def test_words_that_are_late_are_waited_for_though_nothing_else_waits_so_long() -> None:
    endpointer = Endpointer(RULES, 0.0)
    endpointer.voice(1.0)
    assert endpointer.late == math.inf
    endpointer.tick(1.0 + RULES.examine_s)
    endpointer.transcript("Send it to", 0)
    assert silence_s(endpointer) == pytest.approx(RULES.lost_s)
    assert endpointer.late == pytest.approx(1.0 + RULES.bound_s)
    endpointer.transcript("Send it to me.", 1)
    assert endpointer.late == math.inf


def test_long_turn_is_looked_at_without_a_pause_and_ended_at_last() -> None:
    endpointer = Endpointer(RULES, 0.0)
    now = 0.0
    while endpointer.state is Floor.SPEAKING:
        now += 0.1
        endpointer.voice(now)
        endpointer.tick(now)
    assert now == pytest.approx(RULES.turn_s, abs=0.11)
    assert endpointer.examination == pytest.approx(RULES.turn_s / RULES.probe_s, abs=2)
    assert endpointer.heard(now)
    assert endpointer.deadline() == math.inf


@given(st.floats(0, 1))
def test_odds_go_there_and_back(value: float) -> None:
    assert probability(log_odds(value)) == pytest.approx(value, abs=0.0025)


class AnyTurn(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.voiced = 0.0
        self.turn = Endpointer(RULES, 0.0)

    @rule(seconds=st.floats(0, 1))
    def speak(self, seconds: float) -> None:
        self.now += seconds
        over = self.turn.state is Floor.OVER
        self.turn.voice(self.now)
        self.turn.tick(self.now)
        self.voiced = self.voiced if over else self.now

    @rule(seconds=st.floats(0, 4))
    def keep_silent(self, seconds: float) -> None:
        self.now += seconds
        self.turn.tick(self.now)

    @rule(text=st.sampled_from(["", "and", "Is it there?"]), examination=st.integers(0, 5))
    def transcribe(self, text: str, examination: int) -> None:
        self.turn.transcript(text, examination)
        self.turn.tick(self.now)

    @rule(complete=st.floats(0, 1), examination=st.integers(0, 5))
    def judge(self, complete: float, examination: int) -> None:
        self.turn.judged(complete, examination)
        self.turn.tick(self.now)

    @rule()
    def wait(self) -> None:
        if self.turn.state is not Floor.OVER:
            self.now = max(self.now, self.turn.deadline())
            self.turn.tick(self.now)

    @invariant()
    def it_ends_neither_too_early_nor_too_late(self) -> None:
        silent = self.now - self.voiced
        if self.turn.state is Floor.OVER:
            assert silent >= RULES.short_s - 1e-9 or self.now >= RULES.turn_s
        else:
            assert silent <= RULES.lost_s
            assert self.now <= RULES.turn_s
            assert self.turn.deadline() >= self.now


TestAnyTurn = AnyTurn.TestCase
TestAnyTurn.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
