"""Documents: JSON out and in, Mermaid, DOT, networkx, and edits as plain data."""

from __future__ import annotations

import json
from typing import Any

import networkx as nx
import pytest
from graph_kit import COMPLETED, FAILED, build, edge, task
from hypothesis import given
from hypothesis import strategies as st

from constellation.errors import GraphError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddTask, Batch, RetryTask
from constellation.graph.export import from_json, to_dot, to_json, to_mermaid, to_networkx
from constellation.graph.plain import batch_from_plain, batch_to_plain, edits_schema
from constellation.graph.task import (
    Outcome,
    Requirement,
    RetryPolicy,
    Task,
    TaskState,
)


def through_json(graph: Constellation) -> Constellation:
    return from_json(json.loads(json.dumps(to_json(graph))))


def end(graph: Constellation, name: str, state: TaskState, output: Any = None) -> None:
    graph.start(name, "desk", 1.0)
    graph.finish(name, Outcome(state, output), 2.0)


def busy() -> Constellation:
    """One of everything: ended, running, asking, mapped, held back, retried."""
    graph = build(
        task("list", retry=RetryPolicy(attempts=2)),
        task("each", for_each="${list.output}", max_parallel=1, arguments={"x": "${item}"}),
        task("after", arguments={"all": "${each.output}"}),
        task("asks", requirement=Requirement(device="lab", labels={"role": "db"})),
        task("failed", optional=True),
        task("plan", join="any"),
        edge("failed", "plan", "failure"),
        edge("asks", "plan", "when", "output.ok"),
    )
    graph.start("list", "desk", 1.0)
    graph.requeue("list", "lost", 2.0)
    end(graph, "list", COMPLETED, ["p", {"q": 1}])
    graph.start("each[0]", "desk", 3.0)
    graph.start("asks", "lab", 3.0)
    graph.require_input("asks", {"id": "q", "kind": "text", "prompt": "?"}, 4.0)
    graph.start("failed", "desk", 4.0)
    graph.finish("failed", Outcome(FAILED, None, {"code": "task", "message": "no"}), 5.0, False)
    return graph


def test_a_constellation_comes_back_from_json_as_it_was_and_goes_on_alike() -> None:
    graph = busy()
    graph.take_changes()
    copy = through_json(graph)
    assert to_json(copy) == to_json(graph)
    for each in (graph, copy):
        each.settle("failed", 6.0)
        each.answer("asks", 6.0)
        each.finish("asks", Outcome(COMPLETED, {"ok": True}), 7.0)
        each.finish("each[0]", Outcome(COMPLETED, "P"), 7.0)
        end(each, "each[1]", COMPLETED, "Q")
        assert each.arguments("after") == {"all": ["P", "Q"]}
        each.apply(Batch((task("more"), edge("after", "more"))), 8.0)
    assert to_json(copy) == to_json(graph)
    assert copy.take_changes() == graph.take_changes()


@pytest.mark.parametrize(
    ("condition", "when", "runs"),
    [
        ("success", None, False),
        ("completion", None, True),
        ("failure", None, True),
        ("when", "state == 'failed' and output.n > 1", True),
        ("when", "output.n > 5", False),
    ],
)
def test_conditions_mean_the_same_after_the_journey(
    condition: Any, when: str | None, runs: bool
) -> None:
    graph = through_json(build(task("a"), task("b"), edge("a", "b", condition, when)))
    end(graph, "a", FAILED, {"n": 3})
    assert graph.nodes["b"].ready is runs
    assert (graph.nodes["b"].state is TaskState.CANCELED) is not runs


def test_a_failed_task_can_be_retried_after_the_journey() -> None:
    graph = build(task("a"), task("b"), edge("a", "b"))
    end(graph, "a", FAILED)
    graph = through_json(graph)
    graph.apply(Batch((RetryTask("a"),)), 3.0)
    assert graph.take_changes().ready == ["a"]
    assert graph.nodes["b"].state is TaskState.SUBMITTED
    assert graph.start("a", "desk", 4.0) == 2


def test_a_snapshot_is_the_same_document() -> None:
    graph = busy()
    assert to_json(Constellation.restore(graph.snapshot())) == graph.snapshot()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop("nodes"),
        lambda data: data["nodes"][0].pop("task"),
        lambda data: data["nodes"][0].update(state="asleep"),
        lambda data: data["nodes"][0]["task"].update(colour="red"),
        lambda data: data["dependencies"].append({"source": "list", "target": "nope"}),
        lambda data: data.update(version="new"),
        lambda data: data["nodes"].append(data["nodes"][0]),
        lambda data: data["nodes"].pop(),
        lambda data: data["nodes"][-1].update(member_of="list"),
        lambda data: data["nodes"][-1].update(member_of="nope"),
        lambda data: data["nodes"][0].update(ready=True),
        lambda data: data["nodes"][0].update(member_of="each"),
        lambda data: data["dependencies"].append(data["dependencies"][0]),
        lambda data: data["dependencies"].append(
            {"source": "after", "target": "list", "condition": "when", "when": "f()"}
        ),
        lambda data: data["dependencies"].append({"source": "after", "target": "list"}),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(spoil: Any) -> None:
    data = json.loads(json.dumps(to_json(busy())))
    spoil(data)
    with pytest.raises(GraphError) as caught:
        from_json(data)
    assert caught.value.remedy


def test_a_document_without_state_is_a_constellation_that_begins() -> None:
    graph = from_json(
        {
            "nodes": [{"task": {"id": name, "skill": "s"}} for name in "bac"],
            "dependencies": [{"source": "a", "target": "b"}, {"source": "b", "target": "c"}],
        }
    )
    assert graph.take_changes().ready == ["a"]
    labels = [graph.nodes[name].label for name in "abc"]
    assert labels == sorted(set(labels))
    end(graph, "a", COMPLETED)
    assert graph.take_changes().ready == ["b"]


def test_a_restored_constellation_ranks_by_the_weights_it_is_given() -> None:
    graph = Constellation.restore(build(task("a")).snapshot(), weights=lambda task: 7.0)
    graph.apply(Batch((task("b"), edge("a", "b"))), 1.0)
    assert (graph.rank("a"), graph.rank("b")) == (14.0, 7.0)


def test_networkx_sees_the_same_graph() -> None:
    graph = busy()
    found = to_networkx(graph)
    edges = {(a, b) for a, node in graph.nodes.items() for b in node.outgoing}
    assert edges <= set(found.edges)
    assert set(found.edges) - edges == {("each", "each[0]"), ("each", "each[1]")}
    assert nx.is_isomorphic(found, to_networkx(through_json(graph)))
    assert found.nodes["list"]["node"] is graph.nodes["list"]
    assert found.edges["failed", "plan"]["dependency"].condition == "failure"


def test_mermaid_shows_names_states_devices_and_conditions() -> None:
    graph = build(
        task("a", name='say "hi" <b> & #35;\n2'),
        task("b"),
        task("c", requirement=Requirement(device="lab")),
        edge("a", "b", "when", "output.n > 1"),
        edge("a", "c"),
    )
    graph.start("a", "desk", 1.0)
    assert to_mermaid(graph).splitlines() == [
        "flowchart TD",
        '    t0["say #quot;hi#quot; #lt;b#gt; #amp; #35;35; 2<br/>working on desk"]:::working',
        '    t1["b<br/>submitted"]:::submitted',
        '    t2["c<br/>submitted on lab"]:::submitted',
        '    t0 -->|"output.n #gt; 1"| t1',
        "    t0 --> t2",
        "    classDef submitted fill:#e8e8e8,stroke:#555,color:#111",
        "    classDef working fill:#cfe8ff,stroke:#555,color:#111",
    ]


def test_dot_shows_the_same() -> None:
    graph = build(task("a", name='say "hi"'), task("b"), edge("a", "b", "failure"))
    assert to_dot(graph).splitlines() == [
        'digraph "c" {',
        "    node [shape=box, style=filled];",
        '    "a" [label="say \\"hi\\"\\nsubmitted", fillcolor="#e8e8e8"];',
        '    "b" [label="b\\nsubmitted", fillcolor="#e8e8e8"];',
        '    "a" -> "b" [label="failure"];',
        "}",
    ]


def test_elements_are_drawn_beside_their_map_task() -> None:
    graph = busy()
    assert "    t1 -.- t6" in to_mermaid(graph).splitlines()
    assert '    "each" -> "each[0]" [style=dotted];' in to_dot(graph).splitlines()


# ── edits ───────────────────────────────────────────────────────────────────────────────────────

texts = st.text(max_size=5)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
requirements = st.builds(
    Requirement,
    device=st.none() | texts,
    capabilities=st.lists(texts, max_size=2).map(tuple),
    labels=st.dictionaries(texts, texts, max_size=2),
)
tasks = st.builds(
    Task,
    id=texts,
    skill=texts,
    arguments=st.dictionaries(texts, plain, max_size=2),
    requirement=requirements,
    priority=st.integers(-5, 5),
    timeout_s=st.none() | st.floats(0.1, 9),
    retry=st.builds(RetryPolicy, attempts=st.integers(1, 4), on=st.just(("task.timeout",))),
    idempotent=st.none() | st.booleans(),
    join=st.sampled_from(["all", "any"]),
)


@given(st.lists(tasks, max_size=3), st.none() | st.integers(0, 9), texts, texts)
def test_any_batch_survives_json(
    given_tasks: list[Task], base: int | None, author: str, note: str
) -> None:
    batch = Batch(tuple(map(AddTask, given_tasks)), base, author, note)
    assert batch_from_plain(json.loads(json.dumps(batch_to_plain(batch)))) == batch


def test_the_schema_of_edits_knows_every_operation() -> None:
    schema = edits_schema()
    operations = schema["items"]["discriminator"]["mapping"]
    assert {"add_task", "remove_dependency", "replace_subgraph"} <= set(operations)
    assert schema["$defs"]["Task"]["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema
