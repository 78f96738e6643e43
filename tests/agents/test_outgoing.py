"""What a wake-up has to say, in few messages."""

from __future__ import annotations

from agents.outgoing import GAP, MAX_WAITING, Outgoing


def ended(attempt: str) -> dict[str, str]:
    return {"attempt": attempt, "state": "completed"}


def test_accepts_are_gathered_and_left_out_where_the_result_goes_along() -> None:
    outgoing = Outgoing()
    for attempt in ("a", "b", "c"):
        outgoing.accept(attempt)
    outgoing.result(ended("b"))
    assert outgoing.take(room=True) == [
        ("accept", {"attempts": ["a", "c"]}),
        ("result", ended("b")),
    ]
    assert outgoing.take(room=True) == []


def test_the_last_progress_is_sent() -> None:
    outgoing = Outgoing()
    outgoing.progress("a", 0.1, "")
    outgoing.progress("a", 0.2, "on")
    outgoing.progress("b", None, "off")
    assert outgoing.take(room=True) == [
        ("progress", {"attempt": "a", "fraction": 0.2, "message": "on"}),
        ("progress", {"attempt": "b", "message": "off"}),
    ]


def test_text_of_a_channel_is_joined_and_numbered() -> None:
    outgoing = Outgoing()
    for data in ("one ", "two", 3, "four"):
        outgoing.output("a", "stdout", data)
    outgoing.output("a", "stderr", "no")
    first = [body for _, body in outgoing.take(room=True)]
    assert [(body["index"], body["channel"], body["data"]) for body in first] == [
        (0, "stdout", "one two"),
        (1, "stdout", 3),
        (2, "stdout", "four"),
        (3, "stderr", "no"),
    ]
    outgoing.output("a", "stdout", "more")
    assert outgoing.take(room=True)[0][1]["index"] == 4


def test_output_comes_before_the_result_and_questions_between() -> None:
    outgoing = Outgoing()
    outgoing.result(ended("a"))
    outgoing.other("input_required", {"attempt": "b"})
    outgoing.output("a", "stdout", "last words")
    types = [type for type, _ in outgoing.take(room=True)]
    assert types == ["output", "input_required", "result"]


def test_without_room_output_waits_and_results_go() -> None:
    outgoing = Outgoing()
    outgoing.output("a", "stdout", "later")
    outgoing.output("b", "stdout", "never")
    outgoing.progress("b", 1.0, "")
    outgoing.result(ended("b"))
    assert outgoing.take(room=False) == [("result", ended("b"))]
    assert outgoing.waiting
    assert [body["data"] for _, body in outgoing.take(room=True)] == ["later"]
    assert not outgoing.waiting


def test_what_waits_is_bounded_and_the_newest_is_kept() -> None:
    outgoing = Outgoing()
    for number in range(1000):
        outgoing.output("a", "stdout", f"{number:07}\n" * 32)
    ((_, body),) = outgoing.take(room=True)
    assert body["data"].startswith(GAP)
    assert body["data"].endswith("0000999\n")
    assert len(body["data"]) <= MAX_WAITING + len(GAP)
    outgoing.output("a", "stdout", "x" * (2 * MAX_WAITING))
    ((_, body),) = outgoing.take(room=True)
    assert len(body["data"]) == MAX_WAITING + len(GAP)
    for number in range(100_000):
        outgoing.output("a", "numbers", number)
    assert outgoing.take(room=True)[-1][1]["data"] == 99_999
