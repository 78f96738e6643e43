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
    end(graph, "a", FAILED, output={"exception": "ValueError"})
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


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("output.n > 5", "it needs output.n > 5 of a, which is completed and does not meet it"),
        (
            "output.n > 'x'",
            "it needs output.n > 'x' of a, which cannot be told: "
            "'>' not supported between instances of 'int' and 'str'",
        ),
    ],
)
def test_a_skipped_task_says_which_condition_was_not_met(when: str, reason: str) -> None:
    graph = build(task("a"), task("b"), edge("a", "b", "when", when))
    end(graph, "a", output={"n": 3})
    assert graph.take_changes().skipped == [("b", reason)]
    assert graph.nodes["b"].error is not None
    assert reason in graph.nodes["b"].error["message"]


def test_the_reason_for_a_skip_is_what_went_wrong_first() -> None:
    graph = build(task("a"), task("b"), task("j", join="any"), edge("a", "j"), edge("b", "j"))
    end(graph, "b", FAILED)
    graph.start("a", "d", 3.0)
    graph.finish("a", Outcome(FAILED), 4.0)
    assert graph.take_changes().skipped == [("j", "it needs success of b, which is failed")]


def test_what_was_taken_is_not_changed_by_what_follows() -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    graph.take_changes()
    taken = graph.take_changes()
    end(graph, "a")
    assert taken == ([], [], [], [])


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


def test_canceling_elements_keeps_the_bound_and_never_wakes_a_canceled_one() -> None:
    graph = mapped(max_parallel=1)
    end(graph, "list", output={"files": [{"path": str(n)} for n in range(5)]})
    assert ready(graph) == ["each[0]"]
    graph.apply(Batch((CancelTask("each[1]"), CancelTask("each[3]"))), 3.0)
    assert ready(graph) == []
    end(graph, "each[0]")
    assert ready(graph) == ["each[2]"]
    graph.apply(Batch((CancelTask("each[2]"),)), 4.0)
    changes = graph.take_changes()
    assert (changes.ready, changes.unready) == (["each[4]"], ["each[2]"])
    end(graph, "each[4]")
    assert graph.nodes["each"].state is FAILED
    assert graph.nodes["each"].output == [None] * 5
    assert graph.done


def test_a_refused_cancel_of_an_element_wakes_nobody() -> None:
    graph = mapped(max_parallel=1)
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    graph.take_changes()
    with pytest.raises(UnknownTaskError):
        graph.apply(Batch((CancelTask("each[0]"), CancelTask("nope"))), 3.0)
    assert graph.take_changes() == ([], [], [], [])
    assert graph.nodes["each[0]"].ready
    assert not graph.nodes["each[1]"].ready


def test_a_large_map_is_let_go_one_by_one_without_copying_what_waits() -> None:
    graph = mapped(max_parallel=1)
    end(graph, "list", output={"files": [{"path": "x"}] * 300})
    for n in range(300):
        assert graph.nodes["each"].released == n + 1
        end(graph, f"each[{n}]")
    assert graph.nodes["each"].state is COMPLETED


def test_a_map_task_runs_by_its_elements_alone() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}]})
    with pytest.raises(InvalidTransition, match="elements"):
        graph.requeue("each", "lost", 3.0)
    with pytest.raises(InvalidTransition):
        graph.start("each", "d", 3.0)


def test_an_element_that_is_held_for_a_planner_does_not_hold_its_map_task() -> None:
    graph = mapped()
    end(graph, "list", output={"files": [{"path": "x"}]})
    end(graph, "each[0]", settle=False)
    assert graph.nodes["each"].state is COMPLETED
    graph.settle("each[0]", 3.0)
    assert graph.counts[COMPLETED] == 3


def test_what_became_of_an_element_is_for_its_map_task_to_tell() -> None:
    graph = mapped(optional=True)
    end(graph, "list", output={"files": [{"path": "x"}, {"path": "y"}]})
    assert graph.apply(Batch((CancelTask("each[1]"),)), 3.0).inverse is None
    end(graph, "each[0]", output="X")
    assert graph.nodes["each"].output == ["X", None]
    end(graph, "after")
    assert graph.state is COMPLETED


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


# ── looking around, and again from the journal ──────────────────────────────────────────────────


def test_neighbours_and_descendants() -> None:
    graph = build(
        *(task(name) for name in "abcd"), edge("a", "b"), edge("b", "c", "failure"), edge("a", "d")
    )
    assert list(graph.predecessors("c")) == ["b"]
    assert graph.successors("b")["c"].condition == "failure"
    assert set(graph.descendants(["a"])) == {"b", "c", "d"}
    assert graph.descendants(["c"]) == []
    assert set(graph.descendants(["a", "b"])) == {"b", "c", "d"}


def test_facts_of_the_journal_do_again_what_was_done() -> None:
    graph = Constellation("c")
    facts: list[tuple[str, dict[str, Any]]] = [
        ("edited", {"batch": {"edits": [{"op": "add_task", "task": {"id": "a", "skill": "s"}}]}}),
        ("started", {"task": "a", "attempt": 1, "device": "desk"}),
        ("asked", {"task": "a", "question": {"id": "q"}}),
        ("answered", {"task": "a", "question": "q", "answer": "yes", "by": "me"}),
        ("requeued", {"task": "a", "reason": "lost"}),
        ("paused", {}),
        ("started", {"task": "a", "attempt": 2, "device": "desk"}),
        ("finished", {"task": "a", "state": "failed", "settle": False, "device": "lab"}),
        ("settled", {"task": "a"}),
    ]
    for now, (kind, body) in enumerate(facts):
        graph.replay(kind, body, float(now))
    node = graph.nodes["a"]
    assert (node.state, node.attempt, node.device, node.settled) == (FAILED, 2, "lab", True)
    assert node.history == ((1, "desk", 1.0, 4.0, "lost"),)
