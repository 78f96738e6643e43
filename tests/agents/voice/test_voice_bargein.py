"""Whether a voice means something."""

from __future__ import annotations

import pytest

from agents.voice.answers import Answer
from agents.voice.bargein import LISTENING, SPEAKING, Evidence, Profile
from agents.voice.events import FRAME_S, Frame, Word
from agents.voice.ledger import Ledger
from agents.voice.phases import TRANSITIONS as PHASES
from agents.voice.phases import Phase
from agents.voice.playback import TRANSITIONS, Playback, following
from constellation.errors import InvalidTransition


class Hearing:
    def __init__(self, profile: Profile = SPEAKING) -> None:
        self.evidence = Evidence()
        self.now = 0.0
        self._profile = profile

    def hear(self, frames: int, anyone: float, primary: float, echo: float = 0.0) -> Evidence:
        for _ in range(frames):
            self.now += FRAME_S
            self.evidence.hear(Frame(anyone, primary, echo), self._profile, self.now)
        return self.evidence


def test_voice_is_known_sooner_than_whose_it_is() -> None:
    hearing = Hearing()
    hearing.hear(50, 0.0, 0.0)
    evidence = hearing.hear(SPEAKING.anyone_frames, 0.9, 0.95)
    assert evidence.voice
    assert not evidence.primary
    assert hearing.hear(4, 0.9, 0.95).primary


def test_single_frame_means_nothing() -> None:
    hearing = Hearing()
    hearing.hear(10, 0.0, 0.0)
    evidence = hearing.hear(1, 1.0, 1.0)
    assert not evidence.voice
    assert not evidence.primary
    assert not evidence.speaking


def test_it_takes_less_while_nobody_speaks() -> None:
    listening, speaking = Hearing(LISTENING), Hearing(SPEAKING)
    assert listening.hear(20, 0.9, 0.75).primary
    assert not speaking.hear(20, 0.9, 0.75).primary


def test_more_is_asked_for_among_a_babble_of_voices() -> None:
    quiet, babble = Hearing(), Hearing()
    quiet.hear(400, 0.01, 0.0)
    babble.hear(400, 0.6, 0.0)
    assert babble.evidence.murmur
    assert not quiet.evidence.murmur
    # Just what is enough in a quiet room.
    assert quiet.hear(20, 0.99, 0.84).primary
    assert not babble.hear(20, 0.99, 0.84).primary
    assert babble.hear(20, 0.99, 0.95).primary
    babble.hear(400, 0.01, 0.0)
    assert not babble.evidence.murmur


def test_echo_counts_for_less() -> None:
    assert not Hearing().hear(20, 0.9, 0.95, echo=0.6).voice


def test_gap_between_words_does_not_end_a_voice() -> None:
    hearing = Hearing()
    hearing.hear(20, 0.9, 0.95)
    begun = hearing.evidence.since
    hearing.hear(10, 0.0, 0.0)
    assert hearing.hear(5, 0.9, 0.95).since == begun
    hearing.hear(20, 0.0, 0.0)
    assert hearing.evidence.since is None
    assert hearing.evidence.highest < 0.01


def test_voice_begins_with_the_sound_that_came_just_before_it_was_known() -> None:
    hearing = Hearing()
    hearing.hear(50, 0.0, 0.0)
    hearing.hear(30, 0.9, 0.1)
    assert hearing.hear(5, 0.9, 0.95).since == pytest.approx(1.0)


def test_television_that_ran_before_is_not_the_beginning_of_a_voice() -> None:
    hearing = Hearing()
    hearing.hear(500, 0.9, 0.1)
    assert hearing.hear(5, 0.9, 0.95).since == pytest.approx(10.0)


def test_belief_is_that_of_the_last_second_with_a_voice() -> None:
    hearing = Hearing()
    assert not hearing.hear(24, 0.9, 0.95).settled
    assert hearing.hear(1, 0.9, 0.95).settled
    hearing.hear(10, 0.0, 0.0)
    assert hearing.evidence.belief == pytest.approx(0.95)
    assert hearing.hear(50, 0.9, 0.2).belief == pytest.approx(0.2)
    assert hearing.hear(30, 0.0, 0.0).belief == 0.0


def test_dismissed_voice_counts_again_when_it_comes_again() -> None:
    hearing = Hearing()
    hearing.hear(20, 0.9, 0.95)
    hearing.evidence.dismiss()
    assert not hearing.hear(50, 0.9, 0.95).primary
    hearing.hear(20, 0.0, 0.0)
    assert hearing.hear(20, 0.9, 0.95).primary


def test_word_was_heard_when_its_last_sample_was() -> None:
    ledger = Ledger()
    ledger.add([Word("one", 100), Word("two", 250)], 300)
    ledger.add([Word("three", 100)], 150)
    heard = {}
    for played in (0, 99, 100, 249, 250, 399, 400, 450):
        ledger.advance(played)
        heard[played] = (ledger.heard, ledger.resume_point())
    assert heard[99] == ("", 0)
    assert heard[100] == heard[249] == ("one", 100)
    assert heard[250] == heard[399] == ("one two", 250)
    assert heard[400] == heard[450] == ("one two three", 400)
    assert ledger.all_played


def test_position_never_goes_back_nor_beyond_what_there_is() -> None:
    ledger = Ledger()
    ledger.add([Word("one", 100)], 100)
    assert ledger.advance(60)
    assert not ledger.advance(30)
    assert ledger.advance(1_000)
    assert ledger.played == 100


def test_sentences_are_spoken_as_soon_as_they_are_whole() -> None:
    answer = Answer(1, 1, "")
    assert answer.write("It is 3.5 giga") == []
    assert answer.write("bytes. No. That") == ["It is 3.5 gigabytes."]
    assert answer.write(" is all") == []
    assert answer.close() == ["No. That is all"]
    assert answer.close() == []


@pytest.mark.parametrize("state", list(Playback))
def test_playback_follows_its_table_and_nothing_else(state: Playback) -> None:
    for event in ("play", "duck", "restore", "pause", "resume", "run dry", "stop", "dance"):
        if event in TRANSITIONS[state]:
            assert following(state, event, 1) is TRANSITIONS[state][event]
        else:
            with pytest.raises(InvalidTransition, match="answer 1"):
                following(state, event, 1)


def test_every_phase_can_be_reached_and_left() -> None:
    reached = {phase for leads in PHASES.values() for phase in leads.values()}
    assert reached == set(Phase)
    for phase, leads in PHASES.items():
        assert (Phase.ENDED in leads.values()) == (phase is not Phase.ENDED)
