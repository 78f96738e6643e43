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
    labels = [node.label for node in graph.nodes.values()]
    assert len(set(labels)) == len(labels)
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
