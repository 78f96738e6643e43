"""Readiness, conditions, joins, maps, retries: what a constellation says may run."""

from __future__ import annotations

from typing import Any

import pytest

from constellation.errors import InvalidTransition, TaskFailed, UnknownTaskError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import (
    AddDependency,
    AddTask,
    Batch,
    CancelTask,
    Edit,
    RemoveDependency,
    RetryTask,
)
from constellation.graph.task import Dependency, Outcome, Task, TaskState

COMPLETED, FAILED = TaskState.COMPLETED, TaskState.FAILED
CANCELED, SUBMITTED = TaskState.CANCELED, TaskState.SUBMITTED


def task(id: str, **fields: Any) -> AddTask:
    return AddTask(Task(id, skill="s", **fields))


def edge(source: str, target: str, condition: Any = "success", when: str | None = None) -> Edit:
    return AddDependency(Dependency(source, target, condition, when))


def build(*edits: Edit) -> Constellation:
    graph = Constellation("c")
    graph.apply(Batch(edits), 0.0)
    return graph


def ready(graph: Constellation) -> list[str]:
    return graph.take_changes().ready


def end(
    graph: Constellation,
    name: str,
    state: TaskState = COMPLETED,
    output: Any = None,
    settle: bool = True,
) -> None:
    graph.start(name, "d", 1.0)
    error = None if state is COMPLETED else {"code": "task.failed", "message": "no"}
    graph.finish(name, Outcome(state, output, error), 2.0, settle)


def test_a_chain_becomes_ready_step_by_step() -> None:
    graph = build(task("a"), task("b"), task("c"), edge("a", "b"), edge("b", "c"))
    assert ready(graph) == ["a"]
    end(graph, "a")
    assert ready(graph) == ["b"]
    end(graph, "b")
    assert ready(graph) == ["c"]
    assert not graph.done
    end(graph, "c")
    assert graph.done
    assert graph.state is COMPLETED
    assert graph.counts[COMPLETED] == 3


def test_success_with_an_empty_result_is_success() -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    ready(graph)
    end(graph, "a", output=None)
    assert ready(graph) == ["b"]


def test_failure_skips_what_needs_success_and_nobody_waits_for_ever() -> None:
    graph = build(task("a"), task("b"), task("c"), edge("a", "b"), edge("b", "c"))
    end(graph, "a", FAILED, output=ValueError)
    changes = graph.take_changes()
    assert changes.skipped == [
        ("b", "it needs success of a, which is failed"),
        ("c", "it needs success of b, which is canceled"),
    ]
    assert graph.nodes["b"].state is CANCELED
    assert graph.nodes["b"].error is not None
    assert graph.nodes["b"].error["code"] == "task.skipped"
    assert graph.done
    assert graph.state is FAILED


@pytest.mark.parametrize(
    ("condition", "when", "outcome", "runs"),
    [
        ("success", None, COMPLETED, True),
        ("success", None, FAILED, False),
        ("completion", None, COMPLETED, True),
        ("completion", None, FAILED, True),
        ("failure", None, FAILED, True),
        ("failure", None, TaskState.REJECTED, True),
        ("failure", None, COMPLETED, False),
        ("failure", None, CANCELED, False),
        ("when", "output.n > 1", COMPLETED, True),
        ("when", "output.n > 5", COMPLETED, False),
        ("when", "output.n > 'x'", COMPLETED, False),
        ("when", "state == 'failed'", FAILED, True),
    ],
)
def test_conditions(condition: Any, when: str | None, outcome: TaskState, runs: bool) -> None:
    graph = build(task("a"), task("b"), edge("a", "b", condition, when))
    end(graph, "a", outcome, {"n": 3})
    changes = graph.take_changes()
    assert ("b" in changes.ready) is runs
    assert graph.nodes["b"].state is (SUBMITTED if runs else CANCELED)


def test_join_any_runs_at_the_first_met_dependency() -> None:
    graph = build(
        task("a"), task("b"), task("j", join="any"), edge("a", "j"), edge("b", "j", "failure")
    )
    end(graph, "a", FAILED)
    assert "j" not in ready(graph)
    assert graph.nodes["j"].state is SUBMITTED
    end(graph, "b", FAILED)
    assert ready(graph) == ["j"]


def test_join_any_is_skipped_when_nothing_can_be_met() -> None:
    graph = build(task("a"), task("b"), task("j", join="any"), edge("a", "j"), edge("b", "j"))
    end(graph, "a", FAILED)
    end(graph, "b", FAILED)
    assert graph.take_changes().skipped[0][0] == "j"


def test_an_optional_task_may_fail_without_harm() -> None:
    graph = build(task("a", optional=True), task("b", arguments={"x": "${a.output.deep[0].path}"}))
    end(graph, "a", FAILED)
    assert "b" in ready(graph)
    assert graph.arguments("b") == {"x": None}
    end(graph, "b")
    assert graph.state is COMPLETED


def test_a_failure_that_another_task_took_care_of_does_not_fail_the_whole() -> None:
    graph = build(task("a"), task("b"), edge("a", "b", "failure"))
    end(graph, "a", FAILED)
    end(graph, "b")
    assert graph.state is COMPLETED


def test_an_edge_from_a_task_that_has_ended_is_decided_at_once() -> None:
    graph = build(task("a"))
    end(graph, "a")
    ready(graph)
    graph.apply(Batch((task("b"), edge("a", "b"), task("c"), edge("a", "c", "failure"))), 3.0)
    changes = graph.take_changes()
    assert changes.ready == ["b"]
    assert [name for name, _ in changes.skipped] == ["c"]


def test_an_unsettled_outcome_holds_its_descendants_and_nothing_else() -> None:
    graph = build(task("a"), task("b"), task("c"), task("x"), edge("a", "b"), edge("b", "c"))
    assert ready(graph) == ["a", "x"]
    end(graph, "a", FAILED, settle=False)
    assert graph.take_changes() == ([], [], [], [])
    assert graph.nodes["b"].state is SUBMITTED
    graph.apply(Batch((RetryTask("a"),)), 3.0)
    assert ready(graph) == ["a"]
    end(graph, "a", settle=False)
    assert ready(graph) == []
    graph.settle("a", 4.0)
    graph.settle("a", 4.0)
    assert ready(graph) == ["b"]


def test_an_edge_from_an_unsettled_outcome_waits_too() -> None:
    graph = build(task("a"))
    end(graph, "a", settle=False)
    graph.apply(Batch((task("b"), edge("a", "b"))), 3.0)
    assert ready(graph) == ["a"]
    graph.settle("a", 4.0)
    assert ready(graph) == ["b"]


def test_retry_brings_back_what_was_skipped() -> None:
    graph = build(task("a"), task("b"), task("c"), edge("a", "b"), edge("b", "c"))
    end(graph, "a", FAILED)
    assert graph.done
    graph.take_changes()
    graph.apply(Batch((RetryTask("a"),)), 3.0)
    assert ready(graph) == ["a"]
    assert graph.nodes["c"].state is SUBMITTED
    assert graph.start("a", "d", 4.0) == 2
    assert graph.nodes["a"].history == ((1, "d", 1.0, 2.0, "no"),)
    graph.finish("a", Outcome(COMPLETED), 5.0)
    assert ready(graph) == ["b"]


def test_requeue_makes_a_running_task_ready_again() -> None:
    graph = build(task("a"))
    graph.start("a", "d", 1.0)
    graph.take_changes()
    graph.requeue("a", "its device was lost", 2.0)
    assert ready(graph) == ["a"]
    assert graph.start("a", "e", 3.0) == 2
    assert graph.nodes["a"].history == ((1, "d", 1.0, 2.0, "its device was lost"),)


def test_questions_move_a_task_to_input_required_and_back() -> None:
    graph = build(task("a"))
    graph.start("a", "d", 1.0)
    graph.require_input("a", {"id": "q", "kind": "approval", "prompt": "?"}, 2.0)
    assert graph.nodes["a"].state is TaskState.INPUT_REQUIRED
    graph.answer("a", 3.0)
    assert graph.nodes["a"].question is None
    graph.finish("a", Outcome(COMPLETED), 4.0)


def test_what_cannot_be_is_refused() -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    with pytest.raises(InvalidTransition, match="waiting for its dependencies"):
        graph.start("b", "d", 1.0)
    with pytest.raises(InvalidTransition):
        graph.finish("a", Outcome(COMPLETED), 1.0)
    with pytest.raises(InvalidTransition):
        graph.finish("b", Outcome(SUBMITTED), 1.0)
    with pytest.raises(InvalidTransition):
        graph.requeue("a", "", 1.0)
    with pytest.raises(InvalidTransition):
        graph.answer("a", 1.0)
    with pytest.raises(UnknownTaskError):
        graph.start("nope", "d", 1.0)
    end(graph, "a")
    with pytest.raises(InvalidTransition):
        graph.finish("a", Outcome(FAILED), 3.0)
    with pytest.raises(InvalidTransition):
        graph.start("a", "d", 3.0)


def test_references_are_resolved_from_outcomes() -> None:
    graph = build(
        task("a"),
        task(
            "b",
            arguments={
                "whole": "${a.output}",
                "deep": "${a.output.files[0].path}",
                "text": "from ${a.device}: ${a.output.files}, $${kept}",
                "nested": [{"state": "${a.state}"}, 7],
            },
        ),
    )
    assert graph.nodes["b"].incoming["a"].condition == "success"
    end(graph, "a", output={"files": [{"path": "/x"}]})
    assert graph.arguments("b") == {
        "whole": {"files": [{"path": "/x"}]},
        "deep": "/x",
        "text": 'from d: [{"path": "/x"}], ${kept}',
        "nested": [{"state": "completed"}, 7],
    }


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("${a.output.missing}", "'missing' is not in an object with files"),
        ("${a.output.files[4]}", "4 is not in a list of 1"),
        ("${a.output.files.name}", "'name' is not in a list of 1"),
        ("${a.output.files[0].x}", "'x' is not in a value of type str"),
    ],
)
def test_a_reference_that_leads_nowhere_says_where(reference: str, reason: str) -> None:
    graph = build(task("a"), task("b", arguments={"x": reference}))
    end(graph, "a", output={"files": ["f"]})
    with pytest.raises(TaskFailed, match="cannot be given its arguments") as caught:
        graph.arguments("b")
    assert reason in caught.value.message


def test_a_failed_task_can_be_told_about() -> None:
    graph = build(
        task("a"),
        task("b", arguments={"why": "${a.error.message}"}),
        edge("a", "b", "completion"),
    )
    end(graph, "a", FAILED)
    assert graph.arguments("b") == {"why": "no"}


# ── map tasks ───────────────────────────────────────────────────────────────────────────────────


def mapped(**fields: Any) -> Constellation:
    graph = build(
        task("list"),
        task(
            "each",
            for_each="${list.output.files}",
            arguments={"path": "${item.path}", "n": "${index}"},
            **fields,
        ),
        task("after", arguments={"all": "${each.output}"}),
    )
    graph.take_changes()
    return graph


def test_a_map_task_runs_once_for_each_element() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    assert ready(graph) == ["each[0]", "each[1]"]
    assert graph.arguments("each[1]") == {"path": "y", "n": 1}
    end(graph, "each[1]", output="Y")
    end(graph, "each[0]", output="X")
    changes = graph.take_changes()
    assert changes.ended == ["each"]
    assert changes.ready[-1] == "after"
    assert graph.arguments("after") == {"all": ["X", "Y"]}


def test_a_map_over_nothing_completes_at_once() -> None:
    graph = mapped()
    end(graph, "list", output={"files": []})
    assert ready(graph) == ["after"]
    assert graph.nodes["each"].output == []


def test_a_map_over_no_list_fails_and_says_so() -> None:
    graph = mapped()
    end(graph, "list", output={"files": "text"})
    assert graph.nodes["each"].state is FAILED
    assert "is not a list" in graph.nodes["each"].error["message"]  # type: ignore[index]
    assert graph.nodes["after"].state is CANCELED


def test_max_parallel_bounds_the_elements_that_run() -> None:
    graph = mapped(max_parallel=2)
    end(graph, "list", output={"files": [{"path": str(n)} for n in range(4)]})
    assert ready(graph) == ["each[0]", "each[1]"]
    end(graph, "each[0]")
    assert ready(graph) == ["each[2]"]


def test_a_failed_element_fails_the_map_after_the_others_ended() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    end(graph, "each[0]", FAILED)
    assert graph.nodes["each"].state is TaskState.WORKING
    end(graph, "each[1]", output="Y")
    assert graph.nodes["each"].state is FAILED
    assert graph.nodes["each"].output == [None, "Y"]


def test_a_map_run_again_never_uses_an_attempt_number_twice() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}]})
    end(graph, "each[0]", FAILED)
    graph.apply(Batch((RetryTask("each"),)), 3.0)
    assert graph.start("each[0]", "d", 4.0) == 2


def test_canceling_a_map_stops_its_elements() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    graph.start("each[0]", "d", 3.0)
    applied = graph.apply(Batch((CancelTask("each"),)), 4.0)
    assert applied.canceled == ("each[0]",)
    assert graph.nodes["each[1]"].state is CANCELED
    assert graph.done


def test_cancel_all_ends_everything_and_names_what_runs() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    graph.start("each[0]", "d", 3.0)
    assert graph.cancel_all("enough", 4.0) == ["each[0]"]
    assert graph.done
    assert graph.state is CANCELED


def test_an_edit_that_takes_the_obstacle_away_revives_the_skipped() -> None:
    graph = build(task("a"), task("b"), task("c"), edge("a", "b"), edge("b", "c"))
    end(graph, "a", FAILED)
    graph.take_changes()
    graph.apply(Batch((RemoveDependency("a", "b"),)), 3.0)
    assert ready(graph) == ["b"]
    assert graph.nodes["c"].state is SUBMITTED
