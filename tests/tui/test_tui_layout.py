"""The picture of a constellation: layers, places, lines; lanes in time; drafts of tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.errors import EditConflictError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Batch
from constellation.graph.task import Dependency, Outcome, Requirement, Task, TaskState
from constellation.tui.model.draft import Draft, draft_of, edits_for
from constellation.tui.model.lanes import lanes_of
from constellation.tui.model.layers import critical_chain, lay_out
from constellation.tui.model.wires import Gutter

GRAPHS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=24)


def graph_of(size: int, edges: list[tuple[int, int]]) -> Constellation:
    graph = Constellation("c")
    after = dict.fromkeys((min(edge), max(edge)) for edge in edges if edge[0] != edge[1])
    graph.apply(
        Batch(
            (
                *(AddTask(Task(f"t{number}", "work")) for number in range(size)),
                *(AddDependency(Dependency(f"t{a}", f"t{b}")) for a, b in after),
            )
        ),
        0.0,
    )
    return graph


@given(GRAPHS)
def test_each_task_has_a_place_of_its_own_behind_what_it_waits_for(
    edges: list[tuple[int, int]],
) -> None:
    graph = graph_of(12, edges)
    layout = lay_out(graph)
    assert set(layout.places) == set(graph.nodes)
    for node in graph.nodes.values():
        place = layout.places[node.id]
        assert layout.layers[place.layer][place.slot] is place
        assert 0 <= place.slot < layout.height
        for source in node.incoming:
            assert layout.places[source].layer < place.layer


@given(GRAPHS)
def test_lines_lead_from_each_task_to_all_that_wait_for_it(edges: list[tuple[int, int]]) -> None:
    graph = graph_of(12, edges)
    layout = lay_out(graph)
    for node in graph.nodes.values():
        reached, stack = set(), list(layout.places[node.id].after)
        while stack:
            place = stack.pop()
            if place.passes:
                stack += place.after
            else:
                reached.add(place.task)
        assert reached == set(node.outgoing)


def test_a_fork_and_a_join_are_drawn_with_their_lines() -> None:
    layout = lay_out(graph_of(4, [(0, 1), (0, 2), (1, 3), (2, 3)]))
    fork, join = Gutter(layout.layers[0]), Gutter(layout.layers[1])
    top, bottom = sorted(layout.layers[1])
    assert fork.row(top).endswith("─▸")
    assert fork.row(bottom).endswith("─▸")
    assert "┬" in fork.row(top) or "╭" in fork.row(top)
    assert join.row(bottom)[:2] in ("─╯", "──")
    assert len(fork.between(top)) == len(fork.row(top))


def test_the_longest_chain_is_marked() -> None:
    assert critical_chain(graph_of(5, [(0, 1), (1, 2), (3, 4)])) == ["t0", "t1", "t2"]


def test_a_large_constellation_is_laid_out_whole() -> None:
    edges = [(max(0, number - 7), number) for number in range(1, 3000)]
    layout = lay_out(graph_of(3000, edges))
    assert len(layout.places) == 3000
    assert all(Gutter(layer).channels <= 6 for layer in layout.layers)


def test_attempts_that_overlap_on_a_device_lie_in_lanes() -> None:
    graph = graph_of(3, [])
    for number, start in enumerate((1.0, 2.0, 6.0)):
        graph.start(f"t{number}", "desk", start)
    graph.finish("t0", Outcome(TaskState.COMPLETED), 5.0)
    lanes = lanes_of(graph, 9.0)
    assert [(lane.title, [span.label for span in lane.spans]) for lane in lanes] == [
        ("desk", ["t0", "t2"]),
        ("", ["t1"]),
    ]
    assert lanes[0].spans[1].end == 9.0


# ── drafts ──────────────────────────────────────────────────────────────────────────────────────


def drafted() -> Constellation:
    graph = Constellation("c")
    needs = Requirement(device="desk", labels={"site": "home"})
    tasks = [Task("a", "work"), Task("b", "work", {"n": 1}, name="B", requirement=needs)]
    joined = AddDependency(Dependency("a", "b"))
    graph.apply(Batch((*map(AddTask, tasks), joined)), 0.0)
    return graph


def test_a_draft_that_was_not_changed_makes_no_edits() -> None:
    graph = drafted()
    assert edits_for(graph, "b", draft_of(graph, "b")) == ()


def test_a_changed_draft_makes_the_task_so_and_keeps_the_rest() -> None:
    graph = drafted()
    graph.apply(Batch(edits_for(graph, None, Draft("c", skill="work"))), 0.0)
    draft = Draft("b", "Bee", "look", "laptop", "c", '{"n": 2}')
    graph.apply(Batch(edits_for(graph, "b", draft)), 0.0)
    task = graph.nodes["b"].task
    assert (task.name, task.skill, task.arguments) == ("Bee", "look", {"n": 2})
    assert task.requirement == Requirement(device="laptop", labels={"site": "home"})
    assert list(graph.nodes["b"].incoming) == ["c"]


@pytest.mark.parametrize(
    ("draft", "rule"),
    [
        (Draft("c", arguments="{"), "arguments"),
        (Draft("c", arguments="[1]"), "arguments"),
        (Draft(""), "id"),
    ],
)
def test_a_draft_that_makes_no_sense_says_why(draft: Draft, rule: str) -> None:
    with pytest.raises(EditConflictError) as refused:
        edits_for(drafted(), None, draft)
    assert refused.value.details["rule"] == rule
    assert refused.value.remedy


def test_a_line_to_a_task_that_reads_along_has_a_head_of_its_own() -> None:
    graph = Constellation("c")
    reading = Task("b", "work", {"x": "${a.items}"})
    waiting = Task("c", "work", {"x": "${a.output}"})
    graph.apply(Batch((AddTask(Task("a", "work")), AddTask(reading), AddTask(waiting))), 0.0)
    layout = lay_out(graph)
    gutter = Gutter(layout.layers[0])
    heads = {name: gutter.row(layout.places[name].slot)[-1] for name in "bc"}
    assert heads == {"b": "»", "c": "▸"}
