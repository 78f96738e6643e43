"""What is known of a hub: the same, however its facts arrive."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tui_facts import ID, MOVES, Play, shape

from constellation.graph.task import TaskState
from constellation.tui.model.fabric import KEPT_ENDED, KEPT_GRAPHS, Fabric

EDGES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6)
PLAYED = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 9)), max_size=30)
ROW = {
    "id": ID,
    "name": "Play",
    "request": "play it",
    "state": "working",
    "paused": False,
    "counts": {"submitted": 5},
    "created_at": 100.0,
    "ended_at": None,
}


def event(kind: str, body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "time": 1.0, "constellation": ID, "body": body, **fields}


@given(EDGES, PLAYED, st.data())
def test_any_split_between_asked_and_told_gives_the_state_of_the_hub(
    edges: list[tuple[int, int]], moves: list[tuple[str, int]], data: st.DataObject
) -> None:
    play = Play(edges)
    for word, number in moves:
        play.move(word, number)
    events = play.events
    listed = data.draw(st.integers(0, len(events)), "facts before the listing")
    asked = data.draw(st.integers(listed, len(events)), "facts in the answers")
    page = data.draw(st.integers(1, 7), "facts in an answer")

    fabric = Fabric()
    fabric.listed([ROW])
    run = fabric.runs[ID]
    for start in range(0, asked, page):
        run.load(events[start : min(asked, start + page)])
        for each in events[max(listed, start) : min(asked, start + page)]:
            fabric.take(each)
    run.go_live()
    for each in events[asked:]:
        fabric.take(each)

    assert shape(run.graph) == shape(play.graph)
    assert run.last_seq == len(events)
    assert run.summary.counts == {str(s): n for s, n in play.graph.counts.items() if n}
    waiting = {n.id for n in play.graph.nodes.values() if n.state is TaskState.INPUT_REQUIRED}
    assert set(run.questions) == waiting == {each.task for each in fabric.questions()}


@given(EDGES, PLAYED)
def test_a_constellation_that_begins_while_one_looks_is_complete(
    edges: list[tuple[int, int]], moves: list[tuple[str, int]]
) -> None:
    play, fabric = Play(edges), Fabric()
    for word, number in moves:
        play.move(word, number)
    for each in play.events:
        fabric.take(each)
    assert shape(fabric.runs[ID].graph) == shape(play.graph)
    assert [entry.seq for entry in fabric.journal] == [each["seq"] for each in play.events]


def test_until_its_facts_are_known_a_constellation_is_what_the_listing_says() -> None:
    fabric = Fabric()
    fabric.listed([ROW])
    for each in Play([]).events:
        fabric.take(each)
    assert fabric.runs[ID].summary.counts == {"submitted": 5}


def test_live_output_is_kept_with_its_task_and_bounded() -> None:
    play, fabric = Play([]), Fabric()
    for each in play.events:
        fabric.take(each)
    for number in range(2000):
        fabric.take(event("output", {"task": "t0", "data": f"line {number}\n"}))
    kept = list(fabric.runs[ID].output("t0"))
    assert kept[-1] == "line 1999"
    assert len(kept) == 500


def test_ended_constellations_are_forgotten_in_the_end() -> None:
    fabric = Fabric()
    for number in range(KEPT_ENDED + 10):
        play = Play([], size=1)
        play.move("finish", 0)
        for each in play.events:
            fabric.take({**each, "constellation": f"c-{number}"})
    assert len(fabric.runs) == KEPT_ENDED
    assert sum(run.is_live for run in fabric.runs.values()) == KEPT_GRAPHS
    assert fabric.runs["c-50"].summary.state == "completed"


def test_devices_keep_their_cards_between_listings() -> None:
    fabric = Fabric()
    bare = {
        "name": "desk",
        "presence": "connected",
        "unavailable": "",
        "running": ["c-1/t0/1"],
        "rtt_s": 0.001,
    }
    devices = fabric.devices
    devices.listed([bare])
    assert devices.take_wanted(5) == ["desk"]
    devices.update([{**bare, "card": {"name": "desk", "capacity": 2}}])
    devices.listed([bare])
    assert (devices.rows["desk"].load, devices.take_wanted(5)) == (0.5, [])
    fabric.take({"kind": "device", "time": 1.0, "constellation": "", "body": {"device": "desk"}})
    assert devices.take_wanted(5) == ["desk"]
