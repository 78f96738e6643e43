"""What of a plan is begun early, and what becomes of it when the plan is whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Batch, CancelTask, Edit, UpdateTask
from constellation.graph.task import Dependency, Outcome, Requirement, Task, TaskState
from constellation.planner.headstart import SPARE, HeadStart, reading

CARDS = [
    DeviceCard(name="desk", skills=(SkillCard(name="look", effect="read"),)),
    DeviceCard(
        name="server",
        skills=(
            SkillCard(name="look", effect="read"),
            SkillCard(name="find", effect="read"),
            SkillCard(name="save", effect="write"),
        ),
    ),
    DeviceCard(name="odd", skills=(SkillCard(name="find", effect="write"),)),
]
COMPLETED, FAILED = TaskState.COMPLETED, TaskState.FAILED


def task(id: str, skill: str = "look", at: str | None = None, **fields: Any) -> AddTask:
    return AddTask(Task(id, skill, requirement=Requirement(device=at), **fields))


def after(source: str, target: str, condition: Any = "success") -> AddDependency:
    return AddDependency(Dependency(source, target, condition))


def names(edits: Sequence[Edit]) -> list[str]:
    return [edit.task.id for edit in edits if isinstance(edit, AddTask)]


def apply(graph: Constellation, edits: Sequence[Edit]) -> None:
    if edits:
        graph.apply(Batch(tuple(edits)), 0.0)


def end(graph: Constellation, name: str, state: TaskState = COMPLETED) -> None:
    graph.start(name, "desk", 1.0)
    error = None if state is COMPLETED else {"code": "task.failed", "message": "no"}
    graph.finish(name, Outcome(state, 5, error), 2.0)


def what_is_left(graph: Constellation) -> dict[str, TaskState]:
    return {
        name: node.state
        for name, node in graph.nodes.items()
        if node.error is None or SPARE not in node.error["message"]
    }


# ── what may begin ──────────────────────────────────────────────────────────────────────────────


def test_only_what_reads_wherever_it_may_run_is_begun() -> None:
    plan = (
        task("a"),
        task("b", "save"),
        task("c", "find"),
        task("d", "find", at="server"),
        task("e", "none"),
        AddTask(Task("g", instruction="look around")),
    )
    assert names(reading(plan, CARDS)) == ["a", "d"]


def test_what_waits_for_anything_else_is_not_begun() -> None:
    plan = (
        task("a", arguments={"path": "${b.output}"}),
        task("b"),
        task("c", "save"),
        task("d"),
        after("c", "d", "completion"),
        task("e", arguments={"path": "${d.output}"}),
        task("f", arguments={"path": "${unknown.output}"}),
        task("g", for_each="${b.output.items}", arguments={"path": "${item}"}),
        after("a", "g"),
    )
    assert names(reading(plan, CARDS)) == ["a", "b", "g"]
    assert after("a", "g") in reading(plan, CARDS)
    assert after("c", "d", "completion") not in reading(plan, CARDS)


# ── what becomes of it ──────────────────────────────────────────────────────────────────────────


def test_a_plan_that_turns_out_as_begun_adds_only_the_rest() -> None:
    head, graph = HeadStart(), Constellation("c")
    first = (task("a"),)
    both = (*first, task("b", arguments={"path": "${a.output}"}))
    apply(graph, head.decide(graph, first))
    apply(graph, head.decide(graph, both))
    assert all(node.task.optional for node in graph.nodes.values())
    end(graph, "a")
    apply(graph, head.settle(graph, (*both, task("c", "save"), after("b", "c"))))
    assert list(graph.nodes) == ["a", "b", "c"]
    assert not graph.nodes["b"].task.optional
    assert list(graph.nodes["c"].incoming) == ["b"]


def test_a_guess_is_kept_under_its_own_name() -> None:
    head, graph = HeadStart(), Constellation("c")
    apply(graph, head.guess(graph, (task("list", at="desk"), task("other", at="server"))))
    step = task("t1", at="desk", name="List it", timeout_s=5.0)
    apply(graph, head.decide(graph, (step,)))
    assert list(graph.nodes) == ["list", "other"]
    graph.start("list", "desk", 1.0)
    plan = (step, task("t2", "save", arguments={"text": "${t1.output.all} at ${t1.device}"}))
    apply(graph, head.settle(graph, plan))
    assert graph.nodes["list"].task.name == "List it"
    assert graph.nodes["list"].task.timeout_s is None
    assert graph.nodes["t2"].task.arguments == {"text": "${list.output.all} at ${list.device}"}
    assert list(graph.nodes["t2"].incoming) == ["list"]
    assert graph.nodes["other"].state is TaskState.CANCELED
    graph.finish("list", Outcome(COMPLETED), 2.0)
    end(graph, "t2")
    assert graph.state is COMPLETED


def test_any_device_is_as_good_as_the_one_that_was_guessed_and_not_the_other_way_round() -> None:
    head, graph = HeadStart(), Constellation("c")
    apply(graph, head.guess(graph, (task("here", at="desk"), task("any"))))
    apply(graph, head.settle(graph, (task("t1"), task("t2", at="server"))))
    assert what_is_left(graph).keys() == {"here", "t2"}


def test_what_looked_before_it_should_have_does_not_count() -> None:
    # The whole plan looks only once it has saved.
    head, graph = HeadStart(), Constellation("c")
    apply(graph, head.guess(graph, (task("look"),)))
    end(graph, "look")
    plan = (task("write", "save"), task("look"), after("write", "look"))
    apply(graph, head.settle(graph, plan))
    assert list(graph.nodes["look-2"].incoming) == ["write"]


def test_what_failed_early_is_done_again_and_spoils_nothing() -> None:
    head, graph = HeadStart(), Constellation("c")
    plan = (task("a"), task("b", arguments={"path": "${a.output}"}))
    apply(graph, head.decide(graph, plan))
    end(graph, "a", FAILED)
    end(graph, "b")
    apply(graph, head.settle(graph, plan))
    # What used nothing for its result is done again as well.
    assert graph.nodes.keys() == {"a", "b", "b-2"}
    for name in ("a", "b-2"):
        end(graph, name)
    assert graph.state is COMPLETED
    assert not graph.nodes["a"].task.optional


def test_what_a_person_changed_meanwhile_stays_as_they_made_it() -> None:
    head, graph = HeadStart(), Constellation("c")
    plan = (task("a", at="desk"), task("b", at="desk", arguments={"path": "x"}))
    apply(graph, head.decide(graph, plan))
    apply(graph, (UpdateTask("a", {"requirement": {"device": "server"}}), CancelTask("b")))
    apply(graph, head.settle(graph, (*plan, task("c", "save", arguments={"x": "${a.output}"}))))
    assert list(graph.nodes) == ["a", "b", "c"]
    assert graph.nodes["a"].task.requirement.device == "server"
    assert graph.nodes["b"].state is TaskState.CANCELED


def test_what_a_person_took_out_is_planned_again() -> None:
    head, graph = HeadStart(), Constellation("c")
    apply(graph, head.decide(graph, (task("a"),)))
    end(graph, "a")
    again = Constellation("c")
    apply(again, head.settle(again, (task("a"),)))
    assert list(again.nodes) == ["a"]


IDS = ["a", "b", "c", "d", "a-2"]


@st.composite
def plans(draw: st.DrawFn) -> tuple[Edit, ...]:
    """Tasks under a few ids, each after some of those before it."""
    order = draw(st.permutations(IDS))[: draw(st.integers(1, 5))]
    edits: list[Edit] = []
    for place, name in enumerate(order):
        skill = draw(st.sampled_from(["look", "look", "find", "save"]))
        device = draw(st.sampled_from([None, "desk", "server"]))
        arguments: dict[str, Any] = {"n": draw(st.integers(0, 1))}
        if place and draw(st.booleans()):
            arguments["from"] = f"${{{draw(st.sampled_from(order[:place]))}.output}}"
        optional = draw(st.booleans())
        edits.append(task(name, skill, device, arguments=arguments, optional=optional))
        for source in order[:place]:
            condition = draw(st.sampled_from([None, None, None, "success", "completion"]))
            if condition is not None:
                edits.append(after(source, name, condition))
    return tuple(edits)


@given(guess=plans(), plan=plans(), parts=st.lists(st.integers(0, 12), max_size=3), data=st.data())
def test_whatever_was_begun_the_plan_is_carried_out_as_if_nothing_had_been(
    guess: tuple[Edit, ...], plan: tuple[Edit, ...], parts: list[int], data: st.DataObject
) -> None:
    head, graph = HeadStart(), Constellation("c")
    apply(graph, head.guess(graph, reading(guess, CARDS)))
    for part in sorted(parts):
        known = reading(plan[:part], CARDS)
        apply(graph, head.decide(graph, known))
        for name, node in list(graph.nodes.items()):
            if node.ready and data.draw(st.booleans()):
                end(graph, name, data.draw(st.sampled_from([COMPLETED, FAILED])))
    apply(graph, head.settle(graph, plan))

    # Everything runs; whatever is begun in vain has been canceled or is over.
    while ready := [name for name, node in graph.nodes.items() if node.ready]:
        end(graph, ready[0])
    assert graph.state is COMPLETED
    direct = Constellation("c")
    apply(direct, plan)
    found = {_work(graph, name) for name in graph.nodes if graph.nodes[name].state is COMPLETED}
    assert {_work(direct, name) for name in direct.nodes} <= found
    assert {
        name
        for name, node in graph.nodes.items()
        if not node.task.optional and node.state is not COMPLETED
    } == set()


def _work(graph: Constellation, name: str) -> Any:
    """A task without names: what it does, and after what."""
    node = graph.nodes[name]
    known = {**node.task.arguments}
    source = known.pop("from", None)
    waits = frozenset(
        (_work(graph, other), each.condition) for other, each in node.incoming.items()
    )
    return node.task.skill, tuple(known.items()), source is not None, waits


ROOM = [
    DeviceCard(
        name="room",
        skills=(
            SkillCard(name="measure", effect="read", emits=True),
            SkillCard(name="smooth", effect="read", emits=True, reads=True),
            SkillCard(name="highest", effect="read", reads=True),
            SkillCard(name="save", effect="write", reads=True),
        ),
    )
]


def test_what_puts_out_items_waits_for_whoever_reads_them() -> None:
    measure = task("a", "measure")
    smooth = task("b", "smooth", arguments={"x": "${a.items}"})
    highest = task("c", "highest", arguments={"x": "${b.items}"})
    save = task("d", "save", arguments={"x": "${b.items}"})
    assert names(reading([measure], ROOM)) == []
    assert names(reading([measure, smooth], ROOM)) == []
    assert names(reading([measure, smooth, save], ROOM)) == []
    assert names(reading([measure, smooth, highest], ROOM)) == ["a", "b", "c"]


def test_what_reads_items_waits_for_the_stream_of_them() -> None:
    plan = [task("a", "measure"), task("b", "highest", arguments={"x": "${a.items}"})]
    start, graph = HeadStart(), Constellation("c")
    apply(graph, start.decide(graph, reading(plan, ROOM)))
    assert graph.predecessors("b")["a"].condition == "stream"
    apply(graph, start.settle(graph, plan))
    assert list(graph.nodes) == ["a", "b"]
    assert not graph.nodes["b"].task.optional
