"""A constellation rebuilt from its events remembers how its edits are undone."""

from __future__ import annotations

from typing import Any

import pytest

from constellation.errors import UnknownTaskError
from constellation.graph.constellation import Constellation
from constellation.graph.plain import batch_to_plain
from constellation.telling.watched import KEPT_INVERSES, Watched


def edited(version: int, edit: dict[str, Any], time: float = 1.0) -> dict[str, Any]:
    return {
        "kind": "edited",
        "time": time,
        "body": {"batch": {"edits": [edit]}, "version": version},
    }


def add(name: str) -> dict[str, Any]:
    return {"op": "add_task", "task": {"id": name, "skill": "work"}}


def test_the_inverse_of_an_edit_takes_it_back() -> None:
    watched = Watched("c-1")
    watched.take(edited(1, add("a")))
    watched.take(edited(2, add("b")))
    inverse = watched.inverses[2]
    assert inverse is not None
    (undo,) = batch_to_plain(inverse)["edits"]
    watched.take(edited(3, undo))
    assert list(watched.constellation.nodes) == ["a"]


def test_old_inverses_are_forgotten() -> None:
    watched = Watched("c-1")
    for version in range(1, KEPT_INVERSES + 4):
        watched.take(edited(version, add(f"t{version}")))
    assert len(watched.inverses) == KEPT_INVERSES


def fact(kind: str, /, **body: Any) -> dict[str, Any]:
    return {"kind": kind, "time": 2.0, "body": body}


def test_a_result_that_was_left_out_is_told_and_the_rest_goes_on() -> None:
    watched = Watched("c-1")
    watched.take(edited(1, add("a")))
    watched.take(fact("started", task="a", device="desk", attempt=1))
    rest = {"task": "a", "attempt": 1, "state": "completed", "settle": True}
    lines = watched.take(fact("omitted", kind="finished", reason="too large", rest=rest))
    assert [line.text for line in lines] == [
        "Left out here: finished of a: too large",
        "a completed on desk in 0 ms",
    ]
    assert not watched.is_whole
    assert watched.constellation.done


def test_what_rests_on_an_edit_that_was_left_out_breaks_nothing() -> None:
    watched = Watched("c-1")
    watched.take(edited(1, add("a")))
    watched.take(fact("omitted", kind="edited", reason="too deep", rest={"version": 2}))
    gone = {"op": "update_task", "id": "b", "changes": {"name": "B"}}
    watched.take(edited(3, gone))
    texts = [
        line.text
        for each in (
            fact("started", task="b", device="desk", attempt=1),
            fact("asked", task="b", attempt=1, question={"id": "q", "prompt": "Sure?"}),
            fact("answered", task="b", question="q", answer=True, by="ann"),
            fact("requeued", task="b", attempt=1, reason="lost", cause="lost", not_before=0),
            fact("finished", task="b", attempt=2, state="failed", settle=True),
            fact("ended", state="failed", counts={}, duration_s=1.0),
        )
        for line in watched.take(each)
    ]
    assert texts[0] == "b started on desk"
    assert texts[-1] == "b failed"
    assert watched.state == "failed"
    shown = Constellation("c-1")
    watched.replace(shown)
    assert watched.is_whole
    assert watched.constellation is shown


def test_without_anything_left_out_a_fact_that_cannot_be_is_a_mistake() -> None:
    with pytest.raises(UnknownTaskError):
        Watched("c-1").take(fact("started", task="b", device="desk", attempt=1))


def test_a_stream_that_begins_lets_its_reader_start() -> None:
    watched = Watched("c-1")
    watched.take(edited(1, add("a")))
    reader = {"id": "b", "skill": "work", "arguments": {"x": "${a.items}"}}
    watched.take(edited(2, {"op": "add_task", "task": reader}))
    watched.take(fact("started", task="a", device="desk", attempt=1))
    lines = watched.take(fact("flowing", task="a", attempt=1))
    assert [line.text for line in lines] == ["a puts out what others read."]
    lines = watched.take(fact("started", task="b", device="desk", attempt=1))
    assert [line.text for line in lines] == ["b started on desk"]


def test_a_gang_that_begins_anew_is_followed() -> None:
    watched = Watched("c-1")
    gang = {"id": "g", "skill": "work", "gang": 2}
    watched.take(edited(1, {"op": "add_task", "task": gang}))
    for number in (1, 2):
        for rank in (0, 1):
            started = fact("started", task=f"g[{rank}]", device=f"d{rank}", attempt=number)
            assert watched.take(started)
        if number == 1:
            lines = watched.take(fact("regrouped", task="g", reason="d1 is gone"))
            assert [line.text for line in lines] == ["g begins anew: d1 is gone"]
