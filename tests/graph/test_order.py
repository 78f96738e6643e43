"""The incremental order: right always, and cheap in what it looks at."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constellation.errors import CycleError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Batch
from constellation.graph.export import to_networkx
from constellation.graph.task import Dependency, Task


def add(graph: Constellation, *names: str) -> None:
    graph.apply(Batch(tuple(AddTask(Task(name, skill="s")) for name in names)), 0.0)


def connect(graph: Constellation, source: str, target: str) -> None:
    graph.apply(Batch((AddDependency(Dependency(source, target)),)), 0.0)


def check(graph: Constellation) -> None:
    for node in graph.nodes.values():
        for target in node.outgoing:
            assert node.label < graph.nodes[target].label


@settings(max_examples=80)
@given(st.integers(2, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=60))
def test_it_accepts_exactly_what_closes_no_cycle(count: int, edges: list[tuple[int, int]]) -> None:
    graph = Constellation("c")
    add(graph, *map(str, range(count)))
    for source, target in ((a % count, b % count) for a, b in edges):
        if str(source) in graph.nodes[str(target)].incoming:
            continue
        peer = to_networkx(graph)
        peer.add_edge(str(source), str(target))
        if nx.is_directed_acyclic_graph(peer):
            connect(graph, str(source), str(target))
        else:
            with pytest.raises(CycleError) as caught:
                connect(graph, str(source), str(target))
            path = caught.value.details["path"]
            assert all(b in graph.nodes[a].outgoing for a, b in pairwise(path))
        check(graph)


def test_a_chain_added_backwards_needs_no_recursion() -> None:
    graph = Constellation("c")
    count = 1_200
    add(graph, *map(str, range(count)))
    for n in range(count - 1):
        connect(graph, str(n + 1), str(n))
    check(graph)
    with pytest.raises(CycleError, match="…"):
        connect(graph, "0", str(count - 1))


def test_an_edge_along_the_order_looks_at_nothing() -> None:
    graph = Constellation("c")
    add(graph, *map(str, range(1_000)))
    for n in range(999):
        connect(graph, str(n), str(n + 1))
    assert graph.order.visited == 0


def test_a_task_put_between_two_others_moves_nothing() -> None:
    graph = Constellation("c")
    add(graph, *map(str, range(1_000)))
    for n in range(999):
        connect(graph, str(n), str(n + 1))
    for n in range(200):
        edits = (
            AddTask(Task(f"x{n}", skill="s")),
            AddTask(Task(f"y{n}", skill="s")),
            AddDependency(Dependency("500", f"x{n}")),
            AddDependency(Dependency(f"x{n}", f"y{n}")),
            AddDependency(Dependency(f"y{n}", "501")),
        )
        graph.apply(Batch(edits), 0.0)
    assert graph.order.visited == 0
    check(graph)


def test_an_edge_against_the_order_costs_what_its_smaller_side_costs() -> None:
    graph = Constellation("c")
    add(graph, *map(str, range(1_000)))
    for n in range(999):
        connect(graph, str(n), str(n + 1))
    # A newcomer has nothing above it, the last of the chain nothing below it.
    add(graph, "first")
    connect(graph, "first", "0")
    add(graph, "last", "late")
    connect(graph, "late", "last")
    connect(graph, "999", "late")
    assert graph.order.visited < 20
    check(graph)


def test_labels_may_be_equal_where_no_path_joins_the_tasks() -> None:
    graph = Constellation("c")
    add(graph, "a", "z")
    connect(graph, "a", "z")
    for name in ("x", "y"):
        edits = (
            AddTask(Task(name, skill="s")),
            AddDependency(Dependency("a", name)),
            AddDependency(Dependency(name, "z")),
        )
        graph.apply(Batch(edits), 0.0)
    assert graph.nodes["x"].label == graph.nodes["y"].label
    connect(graph, "y", "x")
    check(graph)
    with pytest.raises(CycleError, match="y → x → y"):
        connect(graph, "x", "y")


def test_when_the_room_between_two_labels_is_used_up_they_are_dealt_anew() -> None:
    graph = Constellation("c")
    add(graph, "a", "z")
    connect(graph, "a", "z")
    target = "z"
    for n in range(100):
        edits = (
            AddTask(Task(f"x{n}", skill="s")),
            AddDependency(Dependency("a", f"x{n}")),
            AddDependency(Dependency(f"x{n}", target)),
        )
        graph.apply(Batch(edits), 0.0)
        target = f"x{n}"
        check(graph)


def test_new_tasks_are_placed_below_the_earliest_that_waits_for_them() -> None:
    graph = Constellation("c")
    add(graph, *map(str, range(10)))
    for n in range(9):
        connect(graph, str(n), str(n + 1))
    edits = [AddTask(Task(name, skill="s")) for name in ("x", "early", "late", "low", "high")]
    edges = [("x", "late"), ("x", "early"), ("late", "7"), ("early", "3")]
    edges += [("2", "low"), ("5", "high"), ("low", "high"), ("high", "6")]
    dependencies = [AddDependency(Dependency(*edge)) for edge in edges]
    graph.apply(Batch((*edits, *dependencies)), 0.0)
    assert graph.order.visited == 0
    check(graph)


@settings(max_examples=200)
@given(
    st.integers(3, 10),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20),
)
def test_room_is_made_where_there_is_none(
    count: int, before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    """Labels as tight and as equal as they can be: each task has its depth."""
    graph = Constellation("c")
    add(graph, *map(str, range(count)))
    for a, b in before:
        source, target = sorted((a % count, b % count))
        if source != target and str(target) not in graph.nodes[str(source)].outgoing:
            connect(graph, str(source), str(target))
    for depth, names in enumerate(nx.topological_generations(to_networkx(graph))):
        for name in names:
            graph.nodes[name].label = depth
    for source, target in ((str(a % count), str(b % count)) for a, b in after):
        if target not in graph.nodes[source].outgoing:
            peer = to_networkx(graph)
            peer.add_edge(source, target)
            if nx.is_directed_acyclic_graph(peer):
                connect(graph, source, target)
            check(graph)


def test_room_is_made_below_too() -> None:
    graph = Constellation("c")
    add(graph, *"pstxyz")
    for source, target in ("ps", "tx", "ty", "tz"):
        connect(graph, source, target)
    for name, label in zip("ptsxyz", (0, 1, 2, 3, 3, 3), strict=True):
        graph.nodes[name].label = label
    connect(graph, "s", "t")
    check(graph)
