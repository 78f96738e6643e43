"""Dependencies of the kind ``stream``: the first item lets a reader run."""

from __future__ import annotations

from typing import Any

import pytest
from graph_kit import CANCELED, COMPLETED, FAILED, build, edge, end, ready, task

from constellation.errors import CycleError, EditConflictError, InvalidTransition, TaskFailed
from constellation.graph.constellation import Constellation
from constellation.graph.edits import (
    AddDependency,
    Batch,
    CancelTask,
    Edit,
    RetryTask,
    UpdateDependency,
    UpdateTask,
)
from constellation.graph.export import from_json, to_json, to_mermaid
from constellation.graph.references import ReferenceSyntaxError
from constellation.graph.task import Dependency, Outcome


def pair(**fields: Any) -> Constellation:
    """``lines`` puts out items, ``count`` reads them."""
    graph = build(task("lines", **fields), task("count", arguments={"of": "${lines.items}"}))
    graph.take_changes()
    return graph


def flowing() -> Constellation:
    graph = pair()
    graph.start("lines", "d", 1.0)
    graph.flow("lines", 1.5)
    return graph


def change(graph: Constellation, *edits: Edit) -> None:
    graph.apply(Batch(edits), 3.0)


def test_what_refers_to_items_depends_on_the_stream() -> None:
    assert pair().predecessors("count")["lines"].condition == "stream"


def test_a_reader_runs_from_the_first_item_on() -> None:
    graph = pair()
    graph.start("lines", "d", 1.0)
    assert ready(graph) == []
    graph.flow("lines", 1.5)
    assert ready(graph) == ["count"]
    assert graph.arguments("count") == {"of": {"$items": "lines"}}
    graph.flow("lines", 1.6)
    assert ready(graph) == []


def test_without_items_a_reader_gets_the_whole_list() -> None:
    graph = pair()
    end(graph, "lines", output=[1, 2])
    assert ready(graph) == ["count"]
    assert graph.arguments("count") == {"of": [1, 2]}


def test_an_output_that_is_no_list_is_no_stream() -> None:
    graph = pair()
    end(graph, "lines", output="text")
    with pytest.raises(TaskFailed, match="put out no items, and its output is no list"):
        graph.arguments("count")


def test_of_an_optional_task_that_failed_there_is_nothing_to_read() -> None:
    graph = pair(optional=True)
    end(graph, "lines", FAILED)
    assert graph.arguments("count") == {"of": []}


def test_items_stand_alone() -> None:
    with pytest.raises(ReferenceSyntaxError, match="one by one"):
        build(task("lines"), task("count", arguments={"of": "all: ${lines.items}"}))


def test_items_are_no_instruction() -> None:
    with pytest.raises(EditConflictError, match="one by one"):
        build(task("lines"), task("count", instruction="${lines.items}"))


def test_a_task_may_have_items_in_its_name() -> None:
    graph = build(task("a.items"), task("b", arguments={"x": "${a.items.output}"}))
    assert graph.predecessors("b")["a.items"].condition == "success"


@pytest.mark.parametrize("state", [FAILED, CANCELED])
def test_a_reader_that_has_not_begun_is_skipped_with_what_it_reads(state: Any) -> None:
    graph = flowing()
    graph.finish("lines", Outcome(state), 2.0)
    changes = graph.take_changes()
    assert changes.ready == ["count"]
    assert changes.unready == ["count"]
    assert "it needs stream of lines" in changes.skipped[0][1]


def test_success_leaves_a_reader_ready() -> None:
    graph = flowing()
    graph.finish("lines", Outcome(COMPLETED, None), 2.0)
    changes = graph.take_changes()
    assert (changes.ready, changes.unready) == (["count"], [])
    assert graph.arguments("count") == {"of": {"$items": "lines"}}


def test_another_attempt_lets_readers_wait_for_its_first_item() -> None:
    graph = flowing()
    graph.requeue("lines", "lost", 2.0)
    assert not graph.node("count").ready
    graph.start("lines", "d", 3.0)
    graph.flow("lines", 4.0)
    assert graph.node("count").ready


def test_a_reader_that_is_tried_again_waits_with_what_it_reads() -> None:
    graph = flowing()
    graph.start("count", "e", 2.0)
    graph.requeue("count", "lost", 3.0)
    assert graph.node("count").ready
    graph.start("count", "e", 4.0)
    graph.requeue("lines", "lost", 5.0)
    graph.requeue("count", "what it reads begins anew", 5.0)
    assert not graph.node("count").ready
    graph.start("lines", "d", 6.0)
    graph.flow("lines", 7.0)
    assert graph.node("count").ready


@pytest.mark.parametrize("state", [COMPLETED, FAILED])
def test_a_planner_that_thinks_holds_readers_that_have_not_begun(state: Any) -> None:
    graph = flowing()
    graph.finish("lines", Outcome(state), 2.0, settle=False)
    assert graph.node("count").ready == (state is COMPLETED)
    # A look at the counters meanwhile changes nothing.
    change(graph, UpdateTask("count", {"priority": 2}))
    assert graph.node("count").ready == (state is COMPLETED)
    graph.settle("lines", 4.0)
    assert graph.node("count").ready == (state is COMPLETED)
    assert graph.node("count").skipped == (state is FAILED)


def test_a_retry_wakes_readers_that_were_skipped() -> None:
    graph = flowing()
    graph.finish("lines", Outcome(FAILED), 2.0)
    change(graph, RetryTask("lines"))
    graph.start("lines", "d", 4.0)
    assert not graph.node("count").ready
    graph.flow("lines", 5.0)
    assert graph.node("count").ready


def test_an_edge_added_to_what_flows_is_met() -> None:
    graph = flowing()
    change(graph, task("also", arguments={"of": "${lines.items}"}))
    assert graph.node("also").ready


def test_canceling_what_flows_skips_its_readers() -> None:
    graph = flowing()
    change(graph, CancelTask("lines"))
    assert graph.node("count").skipped


def test_an_edge_may_become_a_stream_before_its_target_begins() -> None:
    graph = build(task("lines"), task("count"), edge("lines", "count"))
    graph.start("lines", "d", 1.0)
    graph.flow("lines", 1.0)
    assert not graph.node("count").ready
    change(graph, UpdateDependency("lines", "count", condition="stream"))
    assert graph.node("count").ready


def test_nothing_flows_that_does_not_run() -> None:
    with pytest.raises(InvalidTransition):
        pair().flow("lines", 1.0)


@pytest.mark.parametrize(
    "edits",
    [
        (task("b", arguments={"x": "${a.items}"}), edge("a", "b")),
        (task("b", arguments={"x": "${a.output}"}), edge("a", "b", "stream")),
        (task("b", arguments={"x": "${a.items}", "y": "${a.output}"}),),
        (task("b", arguments={"x": "${a.items}"}, gang=2),),
        (task("b", gang=2), edge("a", "b", "stream")),
        (task("b", for_each="${a.items}"),),
        (task("b"), edge("a", "b", "stream"), UpdateTask("b", {"gang": 2})),
        (
            task("b", arguments={"x": "${a.items}"}),
            edge("a", "b", "stream"),
            UpdateDependency("a", "b", condition="success"),
        ),
    ],
)
def test_what_makes_no_sense_is_refused(edits: tuple[Edit, ...]) -> None:
    graph = build(task("a"))
    with pytest.raises(EditConflictError):
        graph.apply(Batch(edits), 1.0)
    assert list(graph.nodes) == ["a"]


def test_streams_make_no_cycle() -> None:
    graph = pair()
    with pytest.raises(CycleError):
        change(graph, AddDependency(Dependency("count", "lines", "stream")))


def test_it_is_kept_and_shown() -> None:
    graph = flowing()
    again = from_json(to_json(graph))
    assert again.node("lines").flowing
    assert again.node("count").ready
    assert "|stream|" in to_mermaid(graph).replace('"', "")


def test_facts_are_replayed() -> None:
    graph = pair()
    graph.replay("started", {"task": "lines", "device": "d"}, 1.0)
    graph.replay("flowing", {"task": "lines"}, 1.5)
    assert ready(graph) == ["count"]
