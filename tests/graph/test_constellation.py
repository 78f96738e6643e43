"""Readiness, conditions, joins, retries: what a constellation says may run."""

from __future__ import annotations

from typing import Any

import pytest
from graph_kit import CANCELED, COMPLETED, FAILED, SUBMITTED, build, edge, end, mapped, ready, task

from constellation.errors import InvalidTransition, TaskFailed, UnknownTaskError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import (
    Batch,
    RemoveDependency,
    RetryTask,
)
from constellation.graph.task import Outcome, TaskState


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
