"""What the agent says without a language model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agents.voice.audience import Audience, Wish
from agents.voice.dialogue import Dialogue
from agents.voice.hands import Asked, Outcome
from agents.voice.ports import Working
from agents.voice.spoken import result
from agents.voice.utterances import Meaning, completeness, is_echo, meaning
from constellation.errors import (
    ConstellationError,
    HubUnreachable,
    PlanError,
    UnknownConstellationError,
)


class Fabric:
    """Hands that know two kinds of work: "quick" and "slow"."""

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.canceled: list[str] = []
        self.done: dict[str, Outcome | Asked] = {}
        self.replies: list[bool | str] = []
        self.amended: list[tuple[str, str]] = []
        self.plans: dict[str, str | PlanError] = {}
        self.waits = False
        self.away: ConstellationError | None = None

    def amend(self, work: str, request: str, within_s: float) -> str | None:
        if "nonsense" in request:
            raise PlanError("I do not understand that.", remedy="Name a device.")
        if not self.waits:
            return None
        self.amended.append((work, request))
        return request

    def submit(self, request: str, within_s: float) -> tuple[str, str | None]:
        if "nonsense" in request:
            raise PlanError("I do not understand that.", remedy="Name a device.")
        if "homeless" in request and " on " not in request:
            places = [f"{request} on {name}" for name in self.devices()]
            problem = {"clause": request, "reason": "Where?", "suggestions": places}
            raise PlanError("I cannot place it.", problems=[problem])
        self.submitted.append(request)
        work = f"c-{len(self.submitted)}"
        if "hard" in request:
            return work, None
        if "quick" in request:
            self.done[work] = Outcome("completed", {"free_bytes": 40e9})
        if "dangerous" in request:
            self.done[work] = Asked(work, "t", "q", "May it delete a.txt?", approval=True)
        return work, f"{request} on desk"

    def planned(self, work: str, within_s: float) -> str | None:
        plan = self.plans.get(work)
        if isinstance(plan, PlanError):
            raise plan
        return plan

    def outcome(self, work: str, within_s: float) -> Outcome | Asked | None:
        if self.away is not None:
            raise self.away
        return self.done.get(work)

    def reply(self, asked: Asked, answer: bool | str) -> None:
        self.replies.append(answer)
        self.done[asked.work] = Outcome("completed" if answer else "failed", "as you said")

    def cancel(self, work: str) -> None:
        self.canceled.append(work)

    def devices(self) -> Sequence[str]:
        return ["desk", "server"]


@pytest.fixture
def fabric() -> Fabric:
    return Fabric()


def said(dialogue: Dialogue, prompt: str) -> str:
    return " ".join(each for each in dialogue.answer(prompt, ()) if isinstance(each, str))


@pytest.mark.parametrize(
    ("prompt", "begin"),
    [
        ("Hello!", "Hello"),
        ("Hello, how are you today?", "Fine"),
        ("Good morning, how are you doing today?", "Fine"),
        ("Good morning!", "Hello"),
        ("Wait, thank you very much.", "You are welcome"),
        ("What can you do?", "I am your voice agent"),
    ],
)
def test_small_talk_needs_nothing_and_changes_nothing(prompt: str, begin: str) -> None:
    dialogue = Dialogue()
    (reply,) = dialogue.answer(prompt, ())
    assert isinstance(reply, str)
    assert reply.startswith(begin)


def test_request_without_devices_is_declined() -> None:
    assert "not connected" in said(Dialogue(), "Show the disk usage.")


def test_request_is_written_as_planners_read_it(fabric: Fabric) -> None:
    said(Dialogue(fabric), "Please wait sixty seconds.")
    assert fabric.submitted == ["wait 60 seconds"]


def test_request_is_done_and_its_result_told(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    pieces = list(dialogue.answer("A quick look.", ()))
    assert pieces == [Working(True), Working(False), "Free: 40 gigabytes."]
    assert fabric.submitted == ["A quick look"]
    assert dialogue.working == {}


def test_what_takes_long_to_plan_is_told_and_not_waited_for(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    reply = said(dialogue, "Do something hard.")
    assert reply.startswith("It takes long to plan that: Do something hard.")
    assert dialogue.busy
    assert list(dialogue.ended()) == []
    said(dialogue, "Do something slow.")
    assert said(dialogue, "What are you doing?") == (
        "I am still at it: Do something slow on desk. I am still planning it: Do something hard."
    )
    fabric.plans["c-1"] = "something hard on server"
    assert list(dialogue.ended()) == []
    assert dialogue.working["c-1"] == "something hard on server"
    fabric.done["c-1"] = Outcome("completed", "ready")
    assert list(dialogue.ended()) == ["About something hard on server: Ready."]


def test_plan_that_fails_late_is_told(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "Do something hard.")
    fabric.plans["c-1"] = PlanError("There is no such device.", remedy="Name one.")
    assert list(dialogue.ended()) == ["About Do something hard: There is no such device. Name one."]
    assert dialogue.working == {}
    assert list(dialogue.ended()) == []


def test_what_is_being_planned_is_stopped_or_asked_for_elsewhere(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "Do something hard on desk.")
    assert said(dialogue, "No, the other machine.").startswith("It takes long to plan that")
    # It cannot be amended before it is there.
    assert fabric.canceled == ["c-1"]
    assert fabric.amended == []
    assert said(dialogue, "Stop.") == "I have stopped it: Do something hard on server."
    assert fabric.canceled == ["c-1", "c-2"]
    assert dialogue.working == {}
    assert not dialogue.busy


def test_words_that_take_the_floor_are_no_part_of_a_request(fabric: Fabric) -> None:
    said(Dialogue(fabric), "Stop. No, wait, please take a quick look!")
    assert fabric.submitted == ["take a quick look"]
    # A recogniser writes a comma where it expects more.
    said(Dialogue(fabric), "Take a quick look on Desk,")
    assert fabric.submitted[-1] == "Take a quick look on Desk"
    said(Dialogue(fabric), "Wait until it is quick.")
    assert fabric.submitted[-1] == "Wait until it is quick"


def test_request_that_cannot_be_planned_starts_nothing(fabric: Fabric) -> None:
    answer = "I do not understand that. Name a device."
    assert said(Dialogue(fabric), "Some nonsense.") == answer
    assert fabric.submitted == []


@pytest.mark.parametrize("prompt", ["A quick look.", "Yes.", "stop"])
def test_nothing_is_done_before_it_says_that_it_works(fabric: Fabric, prompt: str) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "something dangerous")
    del fabric.submitted[:]
    answer = dialogue.answer(prompt, ())
    assert next(answer) in (Working(True), "I need a yes or a no. May it delete a.txt?")
    assert fabric.submitted == fabric.replies == fabric.canceled == []


def test_long_work_is_announced_when_it_ends(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    assert said(dialogue, "a slow copy").startswith("I am at it: a slow copy on desk.")
    assert list(dialogue.ended()) == []
    assert said(dialogue, "How far is it?") == "I am still at it: a slow copy on desk."
    fabric.done["c-1"] = Outcome("failed", "The disk is full.")
    (announcement,) = dialogue.ended()
    assert announcement == "About a slow copy on desk: It failed. The disk is full."
    assert list(dialogue.ended()) == []


def test_whoever_interrupts_a_wait_is_heeded_during_it(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    answer = dialogue.answer("a slow copy", ())
    assert [next(answer) for _ in range(3)] == [Working(True)] * 3
    # It is waited for: nobody else announces it.
    fabric.done["c-1"] = Outcome("completed", "ready")
    assert list(dialogue.ended()) == []
    del fabric.done["c-1"], answer
    assert said(dialogue, "Stop.") == "I have stopped it: a slow copy on desk."
    assert fabric.canceled == ["c-1"]


def test_what_is_stopped_while_it_is_looked_at_is_not_announced() -> None:
    class Stopped(Fabric):
        """Its work is stopped, by another thread, while somebody looks at it."""

        def outcome(self, work: str, within_s: float) -> Outcome | Asked | None:
            if within_s < 0.2:
                said(dialogue, "Stop.")
                return Outcome("canceled", None)
            return None

    dialogue = Dialogue(Stopped())
    said(dialogue, "a slow copy")
    assert list(dialogue.ended(within_s=0.1)) == []
    assert dialogue.working == {}


def test_wait_ends_with_what_is_found_or_in_the_end(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    pieces = list(dialogue.answer("a slow copy", ()))
    assert 5 < pieces.count(Working(True)) < 20
    assert pieces[-2] == Working(False)
    answer = dialogue.answer("another slow copy", ())
    assert [next(answer), next(answer)] == [Working(True)] * 2
    fabric.done["c-2"] = Outcome("completed", "ready")
    assert list(answer) == [Working(False), "Ready."]


def test_place_that_a_late_plan_lacks_is_asked_for(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    answer = dialogue.answer("Do something hard.", ())
    assert [next(answer), next(answer)] == [Working(True)] * 2
    places = [f"Do something hard on {name}" for name in fabric.devices()]
    problem = {"clause": "Do something hard", "reason": "Where?", "suggestions": places}
    fabric.plans["c-1"] = PlanError("I cannot place it.", problems=[problem])
    assert list(answer)[-1] == "On which device: desk or server?"
    assert dialogue.working == {}
    assert said(dialogue, "The server.").startswith("It takes long to plan that")
    assert fabric.submitted[-1] == "Do something hard on server"


def test_result_of_an_answer_that_was_cut_is_announced(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    answer = dialogue.answer("a quick look", ())
    assert [next(answer), next(answer)] == [Working(True), Working(False)]
    assert list(dialogue.ended()) == []
    del answer
    assert list(dialogue.ended()) == ["About a quick look on desk: Free: 40 gigabytes."]
    assert list(dialogue.ended()) == []


@pytest.mark.parametrize("prompt", ["Stop!", "cancel that", "Stop it, please", "Stop the backup."])
def test_stop_cancels_what_was_started_last(fabric: Fabric, prompt: str) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "a slow copy")
    said(dialogue, "a slow backup")
    assert said(dialogue, prompt) == "I have stopped it: a slow backup on desk."
    assert fabric.canceled == ["c-2"]
    assert list(dialogue.working) == ["c-1"]


@pytest.mark.parametrize("prompt", ["Wait.", "Be quiet!", "Hold on, please.", "Stop talking."])
def test_silence_is_asked_for_and_work_goes_on(fabric: Fabric, prompt: str) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "a slow copy")
    assert said(dialogue, prompt) == "Okay."
    assert fabric.canceled == []
    assert list(dialogue.working) == ["c-1"]


@pytest.mark.parametrize(
    ("answer", "reply", "end"),
    [
        ("Yes, please.", True, "As you said."),
        ("No, don't!", False, "It failed. As you said."),
    ],
)
def test_dangerous_work_is_confirmed_by_voice(
    fabric: Fabric, answer: str, reply: bool, end: str
) -> None:
    dialogue = Dialogue(fabric)
    assert said(dialogue, "something dangerous") == "May it delete a.txt? Yes or no?"
    assert said(dialogue, answer) == end
    assert fabric.replies == [reply]
    assert said(dialogue, "Yes.") == "All right."


@pytest.mark.parametrize("answer", ["Is it new?", "Yes, or no, what do I know?"])
def test_what_is_neither_yes_nor_no_confirms_nothing(fabric: Fabric, answer: str) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "something dangerous")
    assert said(dialogue, answer).startswith("I need a yes or a no.")
    assert fabric.replies == []


def test_work_that_the_hub_cannot_be_asked_about_is_asked_about_again(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "a slow copy")
    assert dialogue.busy
    fabric.away = HubUnreachable("It does not answer.")
    assert list(dialogue.ended()) == []
    fabric.away = None
    fabric.done["c-1"] = Outcome("completed", None)
    assert list(dialogue.ended()) == ["About a slow copy on desk: It is done."]
    said(dialogue, "a slow backup")
    fabric.away = UnknownConstellationError("It knows nothing of it.")
    assert list(dialogue.ended()) == ["About a slow backup on desk: I have lost sight of it."]
    assert not dialogue.busy


def test_question_is_announced_once(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "something slow")
    fabric.done["c-1"] = Asked("c-1", "t", "q", "Which folder?", approval=False)
    assert list(dialogue.ended()) == ["About something slow on desk: Which folder?"]
    assert list(dialogue.ended()) == []
    said(dialogue, "notes")
    assert fabric.replies == ["notes"]


def test_stop_takes_back_the_question(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "something dangerous")
    assert said(dialogue, "stop").startswith("I have stopped it")
    assert said(dialogue, "Yes.") == "All right."
    assert fabric.replies == []


def test_work_is_referred_to_by_name(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    for request in ("a slow copy of the pictures", "a slow backup", "a slow copy of the letters"):
        said(dialogue, request)
    assert said(dialogue, "How far is the backup?") == "I am still at it: a slow backup on desk."
    # Two fit: nothing is guessed.
    assert said(dialogue, "Stop the copy.").startswith("Which one: a slow copy of the pictures on")
    assert fabric.canceled == []
    assert said(dialogue, "The letters, please.").startswith(
        "I have stopped it: a slow copy of the l"
    )
    assert fabric.canceled == ["c-3"]
    assert said(dialogue, "Stop the copy of the pictures.").startswith("I have stopped it")
    assert fabric.canceled == ["c-3", "c-1"]
    said(dialogue, "a slow copy of the films")
    said(dialogue, "Stop everything.")
    assert fabric.canceled == ["c-3", "c-1", "c-2", "c-4"]
    # What runs on a device is the device's matter, and is stopped by it.
    said(dialogue, "Stop the quick web server on desk.")
    assert fabric.submitted[-1] == "Stop the quick web server on desk"


@pytest.mark.parametrize(
    ("request_", "correction", "becomes"),
    [
        ("a slow copy on desk", "No, the other machine!", "a slow copy on server"),
        ("a slow copy on desk", "Not that one, the other machine.", "a slow copy on server"),
        ("a slow copy on the Server", "I meant desk.", "a slow copy on the desk"),
        ("a slow copy on desk", "On the server instead, please.", "a slow copy on server"),
        ("a slow copy", "No, on the server.", "a slow copy on server"),
    ],
)
def test_work_is_moved_to_the_machine_that_was_meant(
    fabric: Fabric, request_: str, correction: str, becomes: str
) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, request_)
    assert dialogue.owns(correction)
    answer = dialogue.answer(correction, ())
    assert next(answer) == Working(True)
    assert fabric.canceled == []
    list(answer)
    assert fabric.canceled == ["c-1"]
    assert fabric.submitted == [request_, becomes]
    assert list(dialogue.working) == ["c-2"]


def test_work_that_has_not_begun_is_moved_without_being_stopped(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    fabric.waits = True
    said(dialogue, "a slow copy on desk")
    told = said(dialogue, "No, the other machine.")
    assert told == "I am at it: a slow copy on server. I will tell you when it is done."
    assert fabric.amended == [("c-1", "a slow copy on server")]
    assert (fabric.submitted, fabric.canceled) == (["a slow copy on desk"], [])
    assert dialogue.working == {"c-1": "a slow copy on server"}
    # And back again, from what it has become.
    said(dialogue, "Not that one, the other machine.")
    assert fabric.amended[-1] == ("c-1", "a slow copy on desk")


def test_question_of_work_is_still_answered_after_a_change(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    fabric.waits = True
    said(dialogue, "a slow copy on desk")
    fabric.done["c-1"] = Asked("c-1", "t", "q", "May it replace a.txt?", approval=True)
    assert said(dialogue, "No, the other machine.") == "May it replace a.txt? Yes or no?"
    assert said(dialogue, "Yes.") == "As you said."
    assert fabric.replies == [True]


def test_change_that_cannot_be_planned_stops_nothing(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "a slow copy on desk")
    list(dialogue.change("copy", "nonsense"))
    assert fabric.canceled == []
    assert list(dialogue.working) == ["c-1"]


def test_machine_that_is_not_clear_is_asked_for(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    assert not dialogue.owns("No, the other machine.")
    said(dialogue, "a slow copy")
    assert said(dialogue, "No, the other one.") == "Which one do you mean: desk or server?"
    assert fabric.canceled == []
    assert dialogue.owns("The server, please.")
    said(dialogue, "The server, please.")
    assert fabric.submitted == ["a slow copy", "a slow copy on server"]
    # It was asked once.
    assert not dialogue.owns("The server, please.")


def test_request_that_names_no_device_asks_for_one_and_takes_its_name(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    answer = said(dialogue, "Show the homeless files.")
    assert answer == "On which device: desk or server?"
    assert fabric.submitted == []
    pieces = dialogue.answer("On the server.", ())
    # A turn that goes on takes nothing from the question.
    assert next(pieces) == Working(True)
    assert dialogue.owns("I mean desk.")
    list(dialogue.answer("I mean desk.", ()))
    assert fabric.submitted == ["Show the homeless files on desk"]


def test_other_words_than_a_choice_are_a_request_of_their_own(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "Show the homeless files.")
    assert not dialogue.owns("A quick look on the server.")
    said(dialogue, "A quick look on the server.")
    assert fabric.submitted == ["A quick look on the server"]
    assert not dialogue.owns("On the server.")


@pytest.mark.parametrize(
    "prompt", ["On the server.", "No.", "Not now.", "I meant well.", "No, the laptop."]
)
def test_not_every_no_is_about_a_machine(fabric: Fabric, prompt: str) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "a slow copy on desk")
    assert not dialogue.owns(prompt)


def test_work_that_has_ended_is_done_again_elsewhere_and_not_stopped(fabric: Fabric) -> None:
    dialogue = Dialogue(fabric)
    said(dialogue, "a quick look on desk")
    said(dialogue, "No, the other one.")
    assert fabric.canceled == []
    assert fabric.submitted[-1] == "a quick look on server"


def test_stop_with_nothing_to_stop(fabric: Fabric) -> None:
    assert said(Dialogue(fabric), "stop") == "Okay."


@pytest.mark.parametrize(
    ("prompt", "wish"),
    [
        ("Everyone may interrupt you.", Wish.EVERYONE),
        ("Anybody can interrupt you now.", Wish.EVERYONE),
        ("Listen to everyone again!", Wish.EVERYONE),
        ("Only I may interrupt you.", Wish.ONE),
        ("Nobody else can interrupt.", Wish.ONE),
        ("Listen only to me.", Wish.ONE),
        ("Learn my voice.", Wish.ONE),
        ("Listen to somebody else now.", Wish.ONE),
    ],
)
def test_who_may_interrupt_is_changed_by_words(prompt: str, wish: Wish) -> None:
    audience = Audience()
    dialogue = Dialogue(audience=audience)
    assert dialogue.owns(prompt)
    pieces = dialogue.answer(prompt, [])
    # Not before the turn is over for certain.
    assert next(pieces) == Working(True)
    assert audience.wish is None
    assert isinstance(list(pieces)[-1], str)
    assert audience.take() is wish
    assert audience.take() is None


def test_who_may_interrupt_is_not_guessed() -> None:
    dialogue = Dialogue(audience=Audience())
    for prompt in ("Can everyone hear you?", "Did I interrupt you?", "Interrupt the download."):
        assert not dialogue.owns(prompt)
    assert not Dialogue().owns("Only I may interrupt you.")


def test_devices_are_named(fabric: Fabric) -> None:
    assert said(Dialogue(fabric), "Which devices are there?") == "desk and server."


@pytest.mark.parametrize(
    ("output", "spoken"),
    [
        (None, "It is done."),
        (True, "Yes."),
        ("half full", "Half full."),
        (3.14159, "3.142."),
        ({"used_percent": 51.3, "name": "/"}, "Used: 51 percent, name: /."),
        ("\n".join(f"line {n}" for n in range(9)), "9 lines, of which the first is: line 0."),
        (list(range(6)), "0, 1, 2, 3, and 2 more."),
        ("word " * 100, "Word" + " word" * 46 + " word, and so on."),
    ],
)
def test_results_are_short_sentences(output: object, spoken: str) -> None:
    assert result(output) == spoken


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", Meaning.NOTHING),
        ("Mm-hm.", Meaning.BACKCHANNEL),
        ("Yeah, right.", Meaning.BACKCHANNEL),
        ("Stop!", Meaning.COMMAND),
        ("Hold on, please.", Meaning.COMMAND),
        ("Stop the backup on the server", Meaning.SPEECH),
        ("yes yes yes yes yes", Meaning.SPEECH),
    ],
)
def test_what_words_mean(text: str, kind: Meaning) -> None:
    assert meaning(text) is kind


def test_own_words_are_known_as_an_echo() -> None:
    assert is_echo("Is half full", "The disk is half full.")
    assert not is_echo("is quite full", "The disk is half full.")
    assert not is_echo("full", "The disk is half full.")


def test_unfinished_sentences_are_known() -> None:
    assert completeness("Send it to") < completeness("Send it to me") < completeness("Is it there?")
    assert completeness("Send it, um...") < 0.2
    assert completeness("Yes.") > 0.8
