"""The whole agent with a real detector, voices of pulses and models that know their lines."""

from __future__ import annotations

import pytest
from fake_models import Answers, Scene
from voices import Voice

from agents.voice.events import Event, Instruction, ToolEnded, ToolStarted
from agents.voice.player import DUCKED
from agents.voice.ports import Said, Working
from agents.voice.pvad import Model, enrol
from agents.voice.voiceprint import Voiceprint
from constellation.errors import TaskFailed

ME = Voice(pitch_hz=110, tract=0.92)
TELEVISION = Voice(pitch_hz=215, tract=1.15)
LONG = "the disk of the server is half full and forty gigabytes are left for you to use"


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


@pytest.fixture(scope="module")
def me(model: Model) -> Voiceprint:
    return enrol(model, ME.says(5, seed=99))


def test_question_is_answered(model: Model, me: Voiceprint) -> None:
    mind = Answers("It is half full. ", "Is there anything else?")
    scene = Scene(mind).quiet(1).says(ME, "How full is the disk?").quiet(1)
    conversation = scene.play(model, me)
    assert scene.what() == ["voice", "turn ended", "first audio", "heard"]
    assert conversation.context == [
        Said("person", "How full is the disk?"),
        Said("agent", "It is half full. Is there anything else?"),
    ]
    assert mind.asked[0] == ("How full is the disk?", ())
    (latency,) = scene.timeline.latencies_s()
    assert latency < 0.8
    assert scene.loudness(0, scene.when("first audio")) == 0
    assert scene.loudness(scene.when("first audio"), scene.when("heard")) > 0.4


def test_latest_of_a_long_conversation_is_kept(
    model: Model, me: Voiceprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.voice.conversation._MOST_SAID", 3)
    mind = Answers("It is half full.")
    scene = Scene(mind).quiet(1)
    for what in ("disk", "memory", "tape"):
        scene.says(ME, f"How full is the {what}?").quiet(3)
    conversation = scene.play(model, me)
    assert [each.text for each in conversation.context] == [
        "It is half full.",
        "How full is the tape?",
        "It is half full.",
    ]
    assert len(mind.asked) == 3
    assert len(mind.asked[-1][1]) <= 3


def test_person_interrupts(model: Model, me: Voiceprint) -> None:
    mind = Answers(LONG)
    scene = Scene(mind).quiet(1).says(ME, "How full is the disk?").quiet(2.5)
    conversation = scene.says(ME, "No, of the desk").quiet(1).play(model, me)
    assert [what for what in scene.what() if what in ("paused", "stopped", "heard in part")] == [
        "paused",
        "stopped",
        "heard in part",
    ]
    heard = conversation.context[1].text
    assert LONG.startswith(heard)
    assert 3 <= len(heard.split()) <= 10
    assert conversation.context[2] == Said("person", "No, of the desk")
    assert mind.asked[-1][1] == tuple(conversation.context[:2])
    assert scene.loudness(scene.when("paused") + 0.03, scene.when("stopped")) == 0


def test_television_does_not_interrupt(model: Model, me: Voiceprint) -> None:
    scene = Scene(Answers(LONG)).quiet(1).says(ME, "How full is the disk?").quiet(2)
    conversation = scene.says(TELEVISION, "And now the weather", 1).quiet(1).play(model, me)
    assert conversation.context == [Said("person", "How full is the disk?"), Said("agent", LONG)]
    assert "stopped" not in scene.what()
    ducked, restored = scene.when("ducked"), scene.when("restored")
    assert scene.loudness(ducked + 0.05, restored) == pytest.approx(0.5 * DUCKED, rel=0.01)
    assert scene.loudness(restored + 0.05, restored + 0.5) > 0.4


def test_television_stops_nobody_knows_who_if_everyone_may_interrupt(model: Model) -> None:
    scene = Scene(Answers(LONG)).quiet(1).says(ME, "How full is the disk?").quiet(2)
    scene.says(TELEVISION, "And now the weather", 1).quiet(1).play(model)
    assert "stopped" in scene.what()


def test_backchannel_lets_the_answer_go_on_to_its_end(model: Model, me: Voiceprint) -> None:
    scene = Scene(Answers(LONG)).quiet(1).says(ME, "How full is the disk?").quiet(2)
    conversation = scene.says(ME, "mm-hm", 0.6).quiet(1).play(model, me)
    assert scene.what().count("resumed") == scene.what().count("paused") == 1
    assert conversation.context == [Said("person", "How full is the disk?"), Said("agent", LONG)]


def test_turn_goes_on_after_a_pause_that_was_taken_for_its_end(
    model: Model, me: Voiceprint
) -> None:
    mind = Answers(LONG)
    scene = Scene(mind).quiet(1).says(ME, "Send the report.").quiet(0.45)
    scene.says(ME, "to my desk machine").quiet(1)
    conversation = scene.play(model, me, slowness_s=0.15)
    assert conversation.context[0] == Said("person", "Send the report. to my desk machine")
    assert conversation.context[1] == Said("agent", LONG)
    assert len(conversation.context) == 2
    # Both parts were heard, with the pause between them.
    assert 3.2 < mind.seconds_heard() < 4.2


def test_mind_hears_how_it_was_said_from_before_the_first_sound(
    model: Model, me: Voiceprint
) -> None:
    mind = Answers("It is half full.")
    scene = Scene(mind).quiet(1).says(ME, "How full is the disk?", 1.2).quiet(1)
    scene.play(model, me)
    assert mind.seconds_heard() == pytest.approx(0.4 + 1.2, abs=0.4)


def test_mind_may_say_again_and_again_that_it_works(model: Model, me: Voiceprint) -> None:
    mind = Answers("Let me see. ", *[Working(True)] * 3, Working(False), "It is done.")
    started = []
    scene = Scene(mind).quiet(1).says(ME, "Send the report.").quiet(1)
    note = scene.timeline.note

    def told(what: Event | Instruction, now: float) -> None:
        started.append(isinstance(what, ToolStarted) - isinstance(what, ToolEnded))
        note(what, now)

    scene.timeline.note = told  # type: ignore[method-assign]
    conversation = scene.play(model, me)
    assert [each for each in started if each] == [1, -1]
    assert conversation.context[-1] == Said("agent", "Let me see. It is done.")


def test_what_acts_is_done_once_and_only_to_a_whole_turn(model: Model, me: Voiceprint) -> None:
    mind = Answers("Let me see. ", Working(True), Working(False), "It is done.")
    scene = Scene(mind).quiet(1).says(ME, "Send the report.").quiet(0.4)
    conversation = scene.says(ME, "to the desk").quiet(1).play(model, me)
    whole = "Send the report. to the desk"
    assert [prompt for prompt, _ in mind.asked] == ["Send the report.", whole]
    assert mind.done == [whole]
    assert conversation.context[-1] == Said("agent", "Let me see. It is done.")


def test_error_of_the_mind_is_told(model: Model, me: Voiceprint) -> None:
    mind = Answers("Let me look. ", TaskFailed("The server does not answer."))
    scene = Scene(mind).quiet(1).says(ME, "How full is the disk?").quiet(1)
    conversation = scene.play(model, me)
    assert conversation.context[-1].text == "Let me look. The server does not answer."


def test_sentence_that_cannot_be_spoken_does_not_silence_the_rest(
    model: Model, me: Voiceprint
) -> None:
    mind = Answers("This is unspeakable. ", "This is not, as you can hear.")
    scene = Scene(mind).quiet(1).says(ME, "How full is the disk?").quiet(1)
    conversation = scene.play(model, me)
    assert conversation.context[-1].text == "This is not, as you can hear."
