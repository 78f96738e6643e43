"""Batches of edits: all or nothing, invertible, refused with a reason and a remedy."""

from __future__ import annotations

from typing import Any, cast

import pytest

from constellation.errors import (
    CycleError,
    EditConflictError,
    GraphError,
    ImmutableTaskError,
    UnknownTaskError,
)
from constellation.graph.constellation import Constellation
from constellation.graph.edits import (
    AddDependency,
    AddTask,
    Batch,
    CancelTask,
    Edit,
    RemoveDependency,
    RemoveTask,
    ReplaceSubgraph,
    RestoreTask,
    RetryTask,
    UpdateDependency,
    UpdateTask,
)
from constellation.graph.plain import batch_from_plain, batch_to_plain, task_from_plain
from constellation.graph.task import Dependency, Outcome, Requirement, RetryPolicy, Task, TaskState


def task(id: str, **fields: Any) -> AddTask:
    return AddTask(Task(id, skill="s", **fields))


def edge(source: str, target: str, condition: Any = "success", when: str | None = None) -> Edit:
    return AddDependency(Dependency(source, target, condition, when))


def build(*edits: Edit) -> Constellation:
    graph = Constellation("c")
    graph.apply(Batch(edits), 0.0)
    graph.take_changes()
    return graph


def diamond() -> Constellation:
    return build(
        *(task(name) for name in "abcd"),
        edge("a", "b"),
        edge("a", "c"),
        edge("b", "d"),
        edge("c", "d"),
    )


def shape(graph: Constellation) -> dict[str, Any]:
    """Everything an edit may change, but for the version, labels and the order of listing."""
    return {
        name: (node.task, node.state, node.ready, node.output, dict(node.incoming), node.skipped)
        for name, node in sorted(graph.nodes.items())
    }


def everything(graph: Constellation) -> dict[str, Any]:
    """All of it: a refused batch must leave this untouched."""
    return {**graph.snapshot(), "counts": dict(graph.counts), "order": list(graph.nodes)}


@pytest.mark.parametrize(
    "edits",
    [
        (task("e"), edge("d", "e")),
        (RemoveTask("b"),),
        (RemoveTask("a"),),
        (UpdateTask("b", {"priority": 3, "skill": "other"}),),
        (UpdateTask("b", {"requirement": {"device": "desk"}}),),
        (CancelTask("b"),),
        (CancelTask("b", subtree=True),),
        (RemoveDependency("a", "b"),),
        (UpdateDependency("a", "b", new_source="c"),),
        (UpdateDependency("a", "b", condition="when", when="output.x"),),
        (UpdateDependency("b", "d", new_target="c"),),
        (ReplaceSubgraph(("b",), (Task("x", skill="s"),), (Dependency("a", "x"),)),),
        (ReplaceSubgraph(("b",), (Task("b", skill="new"),), (Dependency("a", "b"),)),),
        (task("e", arguments={"v": "${a.output}"}),),
    ],
)
def test_what_was_applied_can_be_taken_back(edits: tuple[Edit, ...]) -> None:
    graph = diamond()
    before = shape(graph)
    applied = graph.apply(Batch(edits), 1.0)
    assert shape(graph) != before
    assert applied.inverse is not None
    graph.apply(applied.inverse, 2.0)
    assert shape(graph) == before
    assert graph.version == 3


def test_a_retry_can_be_taken_back() -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    graph.start("a", "d", 1.0)
    graph.finish("a", Outcome(TaskState.FAILED, None, {"code": "x", "message": "no"}), 2.0)
    before = shape(graph)
    applied = graph.apply(Batch((RetryTask("a"),)), 3.0)
    assert graph.nodes["a"].ready
    assert applied.inverse is not None
    graph.apply(applied.inverse, 4.0)
    assert shape(graph) == before
    assert graph.nodes["a"].history == ()


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.REJECTED, TaskState.CANCELED])
@pytest.mark.parametrize("settle", [True, False])
@pytest.mark.parametrize("tried", [True, False])
def test_a_retry_taken_back_restores_whatever_the_end_was(
    state: TaskState, settle: bool, tried: bool
) -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    graph.start("a", "d", 1.0)
    graph.requeue("a", "lost", 2.0)
    if tried:
        graph.start("a", "d", 3.0)
    graph.finish("a", Outcome(state, None, {"code": "x", "message": "no"}), 4.0, settle)
    before = shape(graph), graph.nodes["a"].history, graph.nodes["a"].settled
    applied = graph.apply(Batch((RetryTask("a"),)), 5.0)
    assert applied.inverse is not None
    graph.apply(applied.inverse, 6.0)
    assert (shape(graph), graph.nodes["a"].history, graph.nodes["a"].settled) == before


def test_a_task_canceled_before_it_started_can_be_removed_and_comes_back_canceled() -> None:
    graph = diamond()
    graph.apply(Batch((CancelTask("b", "enough"),)), 1.0)
    before = shape(graph)
    applied = graph.apply(Batch((RemoveTask("b"),)), 2.0)
    assert graph.nodes["d"].state is TaskState.SUBMITTED
    assert applied.inverse is not None
    graph.apply(applied.inverse, 3.0)
    assert shape(graph) == before


def test_what_starts_a_map_task_has_no_inverse() -> None:
    graph = build(task("a"))
    graph.start("a", "d", 1.0)
    graph.finish("a", Outcome(TaskState.COMPLETED, [1]), 2.0)
    applied = graph.apply(Batch((task("m", for_each="${a.output}"),)), 3.0)
    assert graph.nodes["m[0]"].ready
    assert applied.inverse is None
    graph.start("m[0]", "d", 4.0)
    graph.finish("m[0]", Outcome(TaskState.FAILED), 5.0)
    assert graph.apply(Batch((RetryTask("m"),)), 6.0).inverse is None


def test_what_was_skipped_is_canceled_only_for_what_lies_below() -> None:
    graph = build(*map(task, "abc"), edge("a", "b"), edge("b", "c", "completion"))
    graph.start("a", "d", 1.0)
    graph.finish("a", Outcome(TaskState.FAILED), 2.0)
    assert graph.nodes["b"].skipped
    assert graph.nodes["c"].ready
    with pytest.raises(ImmutableTaskError, match="Task b has ended"):
        graph.apply(Batch((CancelTask("b"),)), 3.0)
    graph.apply(Batch((CancelTask("b", subtree=True),)), 3.0)
    assert graph.nodes["c"].state is TaskState.CANCELED
    assert not graph.nodes["c"].skipped


def test_an_edge_that_is_no_predicate_any_more_loses_it() -> None:
    graph = build(*map(task, "ab"), edge("a", "b", "when", "output.x > 1"))
    graph.apply(Batch((UpdateDependency("a", "b", condition="success"),)), 1.0)
    assert graph.predecessors("b")["a"] == Dependency("a", "b")


def test_canceling_started_work_stops_it_and_has_no_inverse() -> None:
    graph = diamond()
    graph.start("a", "d", 1.0)
    applied = graph.apply(Batch((CancelTask("a", "enough", subtree=True),)), 2.0)
    assert applied.canceled == ("a",)
    assert applied.inverse is None
    assert graph.done
    assert all(node.error is not None for node in graph.nodes.values())


REFUSALS: list[tuple[tuple[Edit, ...], type[GraphError], str]] = [
    ((edge("d", "a"),), CycleError, "a → b → d → a"),
    ((edge("a", "a"),), CycleError, "a → a"),
    ((task("e"), edge("d", "e"), edge("e", "a")), CycleError, "cycle"),
    ((UpdateDependency("a", "b", new_source="d"),), CycleError, "cycle"),
    ((edge("a", "b"),), EditConflictError, "waits for a already"),
    ((edge("a", "nope"),), UnknownTaskError, "nope"),
    ((edge("nope", "a"),), UnknownTaskError, "nope"),
    ((edge("a", "d", "sometimes"),), EditConflictError, "no condition"),
    ((edge("a", "d", "success", "output.x"),), EditConflictError, "would ignore"),
    ((edge("a", "d", "when", "import os"),), GraphError, "cannot be read"),
    ((edge("a", "d", "when", None),), GraphError, "cannot be read"),
    ((task("a"),), EditConflictError, "already"),
    ((task(""),), EditConflictError, "is no id"),
    ((task("a/b"),), EditConflictError, "is no id"),
    ((task("x" * 200),), EditConflictError, "is no id"),
    ((AddTask(Task("e")),), EditConflictError, "nothing to do"),
    ((task("e", timeout_s=0.0),), EditConflictError, "timeout_s"),
    ((task("e", deadline_s=-1.0),), EditConflictError, "deadline_s"),
    ((task("e", deadline_s=float("inf")),), EditConflictError, "deadline_s is inf"),
    ((task("e", timeout_s=float("nan")),), EditConflictError, "timeout_s is nan"),
    ((task("e", retry=RetryPolicy(factor=float("nan"))),), EditConflictError, "without end"),
    ((task("e", retry=RetryPolicy(max_backoff_s=float("inf"))),), EditConflictError, "without end"),
    ((task("e", retry=RetryPolicy(attempts=0)),), EditConflictError, "no attempt"),
    ((task("e", retry=RetryPolicy(backoff_s=-1)),), EditConflictError, "negative"),
    ((task("e", max_parallel=0),), EditConflictError, "no element"),
    ((task("e", for_each="files"),), EditConflictError, "is no reference"),
    ((task("e", for_each="${item}"),), EditConflictError, "names no task"),
    ((task("e", arguments={"x": "${item}"}),), EditConflictError, "has no list"),
    ((task("e", arguments={"x": "${nope.output}"}),), UnknownTaskError, "does not exist"),
    ((task("e", arguments={"x": "${what}"}),), GraphError, "is no reference"),
    ((task("e", arguments={"x": "${e.output}"}),), CycleError, "e → e"),
    ((RemoveTask("nope"),), UnknownTaskError, "nope"),
    ((RemoveDependency("a", "d"),), UnknownTaskError, "does not wait"),
    ((UpdateTask("b", {"id": "z"}),), EditConflictError, "cannot be changed"),
    ((UpdateTask("b", {"colour": "red"}),), EditConflictError, "colour"),
    ((UpdateTask("b", {"priority": "high"}),), EditConflictError, "priority"),
    ((RetryTask("a"),), ImmutableTaskError, "cannot be retried"),
    ((task("e"), CancelTask("e"), edge("a", "e")), ImmutableTaskError, "made to wait"),
    ((RestoreTask("a", TaskState.COMPLETED),), ImmutableTaskError, "taken back"),
]


@pytest.mark.parametrize(("edits", "error", "words"), REFUSALS)
def test_a_refused_batch_leaves_no_trace(
    edits: tuple[Edit, ...], error: type[GraphError], words: str
) -> None:
    graph = diamond()
    before = everything(graph)
    # Valid edits around the bad one must be rolled back as well.
    around = (task("new"), edge("d", "new"), RemoveTask("new"), RemoveDependency("c", "d"))
    more = (CancelTask("c"), UpdateTask("d", {"priority": 9}))
    with pytest.raises(error, match=words):
        graph.apply(Batch((*around, *more, *edits)), 1.0)
    assert everything(graph) == before
    assert graph.take_changes() == ([], [], [], [])
    graph.apply(Batch((edge("b", "c"),)), 1.0)


def test_what_goes_wrong_unforeseen_leaves_no_trace_either() -> None:
    graph = diamond()
    before = everything(graph)
    with pytest.raises(TypeError):
        graph.apply(Batch((RemoveTask("c"), UpdateTask("b", cast(Any, 5)))), 1.0)
    assert everything(graph) == before


def test_a_refused_replacement_leaves_even_the_order_of_things() -> None:
    graph = diamond()
    before = everything(graph)
    nodes = dict(graph.nodes)
    replaced = ReplaceSubgraph(
        ("b", "c"), (Task("b", skill="new"),), (Dependency("a", "b"), Dependency("b", "d"))
    )
    with pytest.raises(CycleError):
        graph.apply(Batch((replaced, RemoveTask("b"), edge("a", "d"), edge("d", "a"))), 1.0)
    assert everything(graph) == before
    assert all(graph.nodes[name] is node for name, node in nodes.items())
    assert list(graph.nodes) == list(nodes)
    assert [list(node.outgoing) for node in graph.nodes.values()] == [["b", "c"], ["d"], ["d"], []]
    graph.apply(Batch((replaced,)), 1.0)
    assert list(graph.nodes) == ["a", "b", "d"]
    assert graph.nodes["b"].task.skill == "new"


def test_the_ids_in_edges_are_those_of_the_tasks_and_not_copies() -> None:
    # As they come over the wire: every mention of an id is a text of its own.
    edits = [task("first"), task("second"), edge("".join(("fi", "rst")), "".join(("sec", "ond")))]
    graph = Constellation("c")
    graph.apply(Batch(tuple(edits)), 0.0)
    kept = graph.nodes["first"].outgoing["second"]
    assert kept.source is graph.nodes["first"].id
    assert kept.target is graph.nodes["second"].id


def test_tasks_that_ask_for_nothing_special_share_what_they_ask_for() -> None:
    tasks = [task_from_plain({"id": name, "skill": "s"}) for name in ("first", "second")]
    assert tasks[0].requirement is tasks[1].requirement
    assert tasks[0].retry is tasks[1].retry


def test_an_edge_added_to_a_hub_copies_nothing() -> None:
    graph = build(task("hub"), *(task(f"t{n}") for n in range(50)))
    dependents = graph.nodes["hub"].outgoing
    for n in range(50):
        graph.apply(Batch((edge("hub", f"t{n}"),)), 1.0)
    assert graph.nodes["hub"].outgoing is dependents


def test_started_work_is_immutable() -> None:
    graph = diamond()
    graph.start("a", "d", 1.0)
    for edit in (
        RemoveTask("a"),
        UpdateTask("a", {"priority": 1}),
        edge("d", "a"),
        ReplaceSubgraph(("a",)),
    ):
        with pytest.raises(ImmutableTaskError, match="Task a is working"):
            graph.apply(Batch((edit,)), 2.0)
    graph.finish("a", Outcome(TaskState.COMPLETED), 2.0)
    for edit in (
        RemoveTask("a"),
        UpdateTask("a", {"priority": 1}),
        CancelTask("a"),
        RetryTask("a"),
    ):
        with pytest.raises(ImmutableTaskError, match="Task a"):
            graph.apply(Batch((edit,)), 3.0)
    graph.start("b", "d", 3.0)
    with pytest.raises(ImmutableTaskError, match="can no longer be released"):
        graph.apply(Batch((RemoveDependency("a", "b"),)), 4.0)


def test_whether_a_task_is_needed_may_change_while_it_runs_and_not_afterwards() -> None:
    graph = build(task("a", optional=True), task("b"), edge("a", "b"))
    graph.start("a", "d", 1.0)
    needed = UpdateTask("a", {"optional": False, "name": "A"})
    graph.apply(Batch((needed,)), 2.0)
    with pytest.raises(ImmutableTaskError, match="can no longer be changed"):
        graph.apply(Batch((UpdateTask("a", {"optional": False, "timeout_s": 1.0}),)), 2.0)
    graph.finish("a", Outcome(TaskState.FAILED, None, {"code": "x", "message": "no"}), 3.0)
    assert graph.nodes["b"].skipped
    with pytest.raises(ImmutableTaskError, match="can no longer be changed"):
        graph.apply(Batch((UpdateTask("a", {"optional": True}),)), 4.0)


def test_an_optional_task_that_is_canceled_leaves_the_whole_complete() -> None:
    graph = build(task("a", optional=True), task("b"))
    graph.apply(Batch((CancelTask("a"),)), 1.0)
    graph.start("b", "d", 1.0)
    graph.finish("b", Outcome(TaskState.COMPLETED), 2.0)
    assert graph.state is TaskState.COMPLETED


def test_what_is_called_off_as_a_whole_is_canceled_until_it_is_edited() -> None:
    graph = build(task("a", optional=True))
    graph.start("a", "d", 1.0)
    graph.finish("a", Outcome(TaskState.COMPLETED), 2.0)
    graph.cancel_all("enough", 3.0)
    assert graph.state is TaskState.CANCELED
    assert Constellation.restore(graph.snapshot()).state is TaskState.CANCELED
    graph.apply(Batch((task("b"),)), 4.0)
    graph.start("b", "d", 5.0)
    graph.finish("b", Outcome(TaskState.COMPLETED), 6.0)
    assert graph.state is TaskState.COMPLETED


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        (TaskState.WORKING, "Cancel it, or add a task after it."),
        (TaskState.COMPLETED, "Add a task after it."),
        (TaskState.FAILED, "Retry it, or add a task after it."),
    ],
)
def test_the_remedy_is_one_that_is_open(state: TaskState, remedy: str) -> None:
    graph = build(task("a"))
    graph.start("a", "d", 1.0)
    if state is not TaskState.WORKING:
        graph.finish("a", Outcome(state), 2.0)
    with pytest.raises(ImmutableTaskError) as caught:
        graph.apply(Batch((UpdateTask("a", {"priority": 1}),)), 3.0)
    assert caught.value.remedy == remedy


def test_a_batch_made_against_an_older_version_conflicts_only_where_it_matters() -> None:
    graph = diamond()
    graph.apply(Batch((UpdateTask("b", {"priority": 1}),)), 1.0)
    graph.apply(Batch((UpdateTask("c", {"priority": 1}),), base_version=1), 1.0)
    with pytest.raises(EditConflictError, match="version 2") as caught:
        graph.apply(Batch((UpdateTask("b", {"priority": 2}),), base_version=1), 1.0)
    assert caught.value.details["task"] == "b"
    graph.apply(Batch((UpdateTask("b", {"priority": 2}),), base_version=2), 1.0)
    graph.apply(Batch((task("e"), edge("b", "e")), base_version=1), 1.0)


def test_an_edit_against_a_version_that_there_has_not_been_is_refused() -> None:
    graph = diamond()
    before = everything(graph)
    with pytest.raises(EditConflictError, match="there has not been"):
        graph.apply(Batch((task("e"),), base_version=2), 1.0)
    assert everything(graph) == before
    graph.apply(Batch((task("e"),), base_version=1), 1.0)


def test_a_reference_keeps_its_dependency() -> None:
    graph = build(task("a"), task("b", arguments={"x": "${a.output}"}))
    with pytest.raises(EditConflictError, match="still refers"):
        graph.apply(Batch((RemoveDependency("a", "b"),)), 1.0)
    with pytest.raises(EditConflictError, match="still refers"):
        graph.apply(Batch((RemoveTask("a"),)), 1.0)
    graph.apply(Batch((UpdateTask("b", {"arguments": {}}), RemoveDependency("a", "b"))), 1.0)
    assert graph.nodes["b"].ready


@pytest.mark.parametrize(
    "edit",
    [
        RemoveTask("m[1]"),
        UpdateTask("m[1]", {"priority": 1}),
        edge("a", "m[1]"),
        RestoreTask("m[1]", TaskState.FAILED),
        UpdateDependency("a", "m", new_target="m[1]"),
    ],
)
def test_elements_of_a_map_cannot_be_edited(edit: Edit) -> None:
    graph = build(task("a"), task("m", for_each="${a.output}"))
    graph.start("a", "d", 1.0)
    graph.finish("a", Outcome(TaskState.COMPLETED, [1, 2]), 2.0)
    with pytest.raises(GraphError, match=r"element of m|Task m is working"):
        graph.apply(Batch((edit,)), 3.0)


def test_elements_of_a_map_cannot_be_depended_on() -> None:
    graph = build(task("a"), task("m", for_each="${a.output}"))
    graph.start("a", "d", 1.0)
    graph.finish("a", Outcome(TaskState.COMPLETED, [1, 2]), 2.0)
    with pytest.raises(EditConflictError, match="element of m"):
        graph.apply(Batch((task("x"), edge("m[0]", "x"))), 3.0)
    graph.start("m[0]", "d", 3.0)
    graph.finish("m[0]", Outcome(TaskState.FAILED), 4.0)
    with pytest.raises(EditConflictError, match="Retry m"):
        graph.apply(Batch((RetryTask("m[0]"),)), 5.0)


def test_a_task_that_loses_readiness_is_reported() -> None:
    graph = build(task("a"), task("b"))
    graph.apply(Batch((edge("a", "b"),)), 1.0)
    assert graph.take_changes().unready == ["b"]
    assert not graph.nodes["b"].ready


def test_batches_survive_the_journey_through_plain_data() -> None:
    batch = Batch(
        (
            AddTask(
                Task(
                    "a",
                    skill="s",
                    arguments={"x": [1, {"y": None}]},
                    requirement=Requirement(device="desk", labels={"role": "db"}, near=("h",)),
                    retry=RetryPolicy(attempts=3, on=("task.failed",)),
                    join="any",
                )
            ),
            edge("a", "b", "when", "output.x > 1"),
            RemoveTask("c"),
            UpdateTask("d", {"priority": 1}),
            CancelTask("e", "why", True),
            RetryTask("f"),
            RemoveDependency("a", "b"),
            UpdateDependency("a", "b", new_source="c"),
            ReplaceSubgraph(("x",), (Task("y", instruction="do"),), (Dependency("a", "y"),)),
            RestoreTask("r", TaskState.FAILED),
        ),
        base_version=4,
        author="me",
        note="why",
    )
    assert batch_from_plain(batch_to_plain(batch)) == batch


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"edits": [{"op": "explode"}]}, "explode"),
        ({"edits": [{"op": "remove_task"}]}, "edits.0.remove_task.id"),
        ({"edits": [{"op": "remove_task", "id": "a", "x": 1}]}, "x"),
        ({"edits": "no"}, "list"),
        ({"edits": [], "base_version": "new"}, "base_version"),
        ({"edits": [], "autor": "me"}, "autor"),
        ({}, "edits"),
        ({"edits": [{"op": "add_task", "task": {"id": "a", "retry": {"attempts": "x"}}}]}, "retry"),
    ],
)
def test_wrong_plain_data_is_refused_with_the_place(data: dict[str, Any], words: str) -> None:
    with pytest.raises(EditConflictError) as caught:
        batch_from_plain(data)
    assert words in str(caught.value)
