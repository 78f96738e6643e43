"""What task graphs of this kind are known to get wrong, each as the least that shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from graph_kit import CANCELED, COMPLETED, FAILED, build, edge, end, task

from constellation.errors import (
    CycleError,
    EditConflictError,
    GraphError,
    ImmutableTaskError,
)
from constellation.graph.constellation import Constellation
from constellation.graph.edits import (
    Batch,
    Edit,
    RemoveDependency,
    RemoveTask,
    RetryTask,
    UpdateTask,
)
from constellation.graph.export import from_json
from constellation.graph.task import Outcome, TaskState


@pytest.mark.parametrize("output", [None, "", 0, False, [], {}])
def test_success_with_an_empty_result_releases_what_waits_for_success(output: Any) -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    end(graph, "a", COMPLETED, output)
    assert graph.nodes["b"].ready


@pytest.mark.parametrize("output", ["an exception", {"error": "no"}, True])
def test_failure_with_a_result_does_not_release_what_waits_for_success(output: Any) -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    end(graph, "a", FAILED, output)
    assert not graph.nodes["b"].ready


def test_what_can_never_run_ends_and_says_why_instead_of_waiting_for_ever() -> None:
    graph = build(*map(task, "abc"), edge("a", "b"), edge("b", "c"))
    end(graph, "a", FAILED)
    assert graph.done
    assert graph.nodes["b"].state is graph.nodes["c"].state is CANCELED
    assert "needs success of a, which is failed" in (graph.nodes["b"].error or {})["message"]


def test_an_edge_from_a_completed_task_does_not_keep_its_target_waiting() -> None:
    graph = build(task("a"))
    end(graph, "a")
    graph.apply(Batch((task("b"), edge("a", "b"))), 3.0)
    assert graph.nodes["b"].ready


def test_a_second_edge_between_the_same_tasks_is_refused() -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    with pytest.raises(EditConflictError, match="waits for a already"):
        graph.apply(Batch((edge("a", "b", "completion"),)), 1.0)
    assert graph.predecessors("b")["a"].condition == "success"


@pytest.mark.parametrize(
    "edit",
    [
        UpdateTask("b", {"skill": "other"}),
        RemoveTask("b"),
        RemoveTask("a"),
        edge("x", "b"),
        RemoveDependency("a", "b"),
        RetryTask("b"),
    ],
)
@pytest.mark.parametrize("ended", [True, False], ids=["completed", "running"])
def test_started_work_cannot_be_edited_removed_or_made_to_wait(ended: bool, edit: Edit) -> None:
    graph = build(*map(task, "abx"), edge("a", "b"))
    end(graph, "a")
    graph.start("b", "d", 2.0)
    if ended:
        graph.finish("b", Outcome(COMPLETED), 3.0)
    before = graph.snapshot()
    with pytest.raises(ImmutableTaskError) as caught:
        graph.apply(Batch((edit,)), 4.0)
    assert {"task", "rule"} <= set(caught.value.details)
    assert caught.value.remedy
    assert graph.snapshot() == before


def test_success_means_success_also_after_json() -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    graph = from_json(json.loads(json.dumps(graph.snapshot())))
    end(graph, "a", FAILED)
    assert graph.nodes["b"].state is CANCELED


def test_a_batch_whose_last_edit_is_refused_leaves_no_trace() -> None:
    graph = build(*map(task, "abc"), edge("a", "b"), edge("b", "c"))
    before = graph.snapshot()
    edits = (RemoveTask("c"), UpdateTask("b", {"priority": 1}), task("d"), edge("b", "a"))
    with pytest.raises(CycleError):
        graph.apply(Batch(edits), 1.0)
    assert graph.snapshot() == before


@pytest.mark.parametrize("prose", ["if it looks good", "the disk is full", "__import__('os')"])
def test_a_condition_in_prose_is_refused_instead_of_never_evaluated(prose: str) -> None:
    with pytest.raises(GraphError):
        build(task("a"), task("b"), edge("a", "b", "when", prose))


def test_while_a_planner_thinks_about_one_outcome_the_rest_goes_on() -> None:
    graph = build(*map(task, "abxy"), edge("a", "b"), edge("x", "y"))
    graph.start("a", "d", 1.0)
    graph.finish("a", Outcome(COMPLETED), 2.0, settle=False)
    end(graph, "x")
    assert graph.nodes["y"].ready
    assert not graph.nodes["b"].ready


def test_after_all_was_canceled_a_task_can_be_retried() -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    graph.start("a", "d", 1.0)
    assert graph.cancel_all("enough", 2.0) == ["a"]
    graph.apply(Batch((RetryTask("a"), RetryTask("b"))), 3.0)
    end(graph, "a")
    end(graph, "b")
    assert graph.state is COMPLETED


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.full)])
def test_a_long_chain_added_backwards_runs_and_is_skipped_without_recursion(count: int) -> None:
    names = [f"t{n}" for n in range(count)]
    backwards = [edge(names[n], names[n + 1]) for n in reversed(range(count - 1))]
    graph = build(*map(task, reversed(names)), *backwards)
    assert graph.take_changes().ready == [names[0]]
    with pytest.raises(CycleError):
        graph.apply(Batch((edge(names[-1], names[0]),)), 1.0)
    for name in names[:1_000]:
        end(graph, name)
    end(graph, names[1_000], FAILED)
    assert graph.done
    assert graph.counts[CANCELED] == count - 1_001


def test_a_map_over_a_million_elements_fails_and_makes_none_of_them() -> None:
    graph = build(task("list"), task("each", for_each="${list.output}"), task("after"))
    end(graph, "list", COMPLETED, [0] * 1_000_000)
    node = graph.nodes["each"]
    assert node.state is FAILED
    assert node.error is not None
    assert node.error["code"] == "task.failed.map.limit"
    assert "1,000,000 elements" in node.error["message"]
    assert node.error["remedy"]
    assert len(graph.nodes) == 3
    end(graph, "after")
    assert graph.state is FAILED


def test_the_bound_of_a_map_counts_all_tasks_and_survives_json() -> None:
    graph = Constellation("c", max_tasks=6)
    graph.apply(Batch((task("l"), task("m", for_each="${l.output}"))), 0.0)
    copy = from_json(json.loads(json.dumps(graph.snapshot())))
    end(graph, "l", COMPLETED, [0] * 4)
    assert graph.nodes["m"].size == 4
    for n in range(4):
        end(graph, f"m[{n}]", FAILED)
    graph.apply(Batch((RetryTask("m"),)), 3.0)
    assert graph.nodes["m"].state is TaskState.WORKING
    end(copy, "l", COMPLETED, [0] * 5)
    assert copy.nodes["m"].state is FAILED
