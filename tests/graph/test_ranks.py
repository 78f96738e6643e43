"""Upward ranks: exact for what is built at once, near enough after edits."""

from __future__ import annotations

from itertools import pairwise

from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddDependency, AddTask, Batch, RemoveDependency, UpdateTask
from constellation.graph.ranks import CARRIED
from constellation.graph.task import Dependency, Task


def chain(graph: Constellation, names: list[str]) -> None:
    edits = [AddTask(Task(name, skill="s")) for name in names]
    edges = [AddDependency(Dependency(source, target)) for source, target in pairwise(names)]
    graph.apply(Batch((*edits, *edges)), 0.0)


def test_a_rank_is_the_longest_path_to_the_end() -> None:
    graph = Constellation("c")
    chain(graph, ["a", "b", "c", "d"])
    graph.apply(Batch((AddTask(Task("e", skill="s")), AddDependency(Dependency("a", "e")))), 0.0)
    assert {name: graph.rank(name) for name in "abcde"} == {"a": 4, "b": 3, "c": 2, "d": 1, "e": 1}
    graph.apply(Batch((RemoveDependency("b", "c"),)), 0.0)
    assert {name: graph.rank(name) for name in "abcde"} == {"a": 2, "b": 1, "c": 2, "d": 1, "e": 1}


def test_weights_say_how_long_a_task_is_expected_to_take() -> None:
    graph = Constellation("c", weights=lambda task: 5.0 if task.skill == "slow" else 1.0)
    chain(graph, ["a", "b", "c"])
    graph.apply(Batch((UpdateTask("b", {"skill": "slow"}),)), 0.0)
    assert [graph.rank(name) for name in "abc"] == [7.0, 6.0, 1.0]


def test_every_rank_of_a_batch_is_exact_and_later_changes_are_carried_so_far() -> None:
    graph = Constellation("c")
    names = [f"t{n}" for n in range(5 * CARRIED)]
    chain(graph, names)
    assert [graph.rank(name) for name in names] == list(range(len(names), 0, -1))
    graph.apply(
        Batch((AddTask(Task("end", skill="s")), AddDependency(Dependency(names[-1], "end")))), 0.0
    )
    assert graph.rank(names[-1]) == 2
    assert graph.rank(names[-CARRIED]) == CARRIED + 1
    assert graph.rank(names[0]) == len(names)
