"""Random edits and outcomes against a model that computes everything from scratch."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import networkx as nx
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from constellation.errors import GraphError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import (
    AddDependency,
    AddTask,
    Applied,
    Batch,
    CancelTask,
    Edit,
    RemoveDependency,
    RemoveTask,
    ReplaceSubgraph,
    RetryTask,
    UpdateDependency,
    UpdateTask,
)
from constellation.graph.export import from_json, to_json, to_networkx
from constellation.graph.node import Node
from constellation.graph.plain import batch_to_plain
from constellation.graph.task import ACTIVE, TERMINAL, Dependency, Outcome, Task, TaskState

NAMES = [f"t{n}" for n in range(9)]
names = st.sampled_from(NAMES)
elements = st.sampled_from([f"{name}[{n}]" for name in NAMES[:5] for n in range(2)])
conditions = st.sampled_from(["success", "stream", "completion", "failure", "when"])


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    for_each = draw(st.sampled_from([None, None, None, "${%s.output}"]))
    return Task(
        draw(names),
        skill="s",
        arguments=draw(st.sampled_from([{}, {}, {"x": "${t0.output}"}, {"x": "${t1.items}"}])),
        optional=draw(st.booleans()),
        join=draw(st.sampled_from(["all", "all", "any"])),
        for_each=None if for_each is None else for_each % draw(names),
        max_parallel=draw(st.sampled_from([None, 1])) if for_each else None,
    )


@st.composite
def dependencies(draw: st.DrawFn) -> Dependency:
    condition = draw(conditions)
    when = "output == [1, 2]" if condition == "when" else None
    return Dependency(draw(names), draw(names), condition, when)


edits: st.SearchStrategy[Edit] = st.one_of(
    tasks().map(AddTask),
    tasks().map(AddTask),
    dependencies().map(AddDependency),
    dependencies().map(AddDependency),
    names.map(RemoveTask),
    st.builds(
        UpdateTask, names, st.sampled_from([{"priority": 2}, {"join": "any"}, {"optional": True}])
    ),
    st.builds(CancelTask, names | elements, st.just("enough"), st.booleans()),
    names.map(RetryTask),
    st.builds(RemoveDependency, names, names),
    st.builds(UpdateDependency, names, names, st.none() | names, st.none() | names),
    st.builds(
        ReplaceSubgraph,
        st.tuples(names),
        st.tuples(tasks()),
        st.tuples(dependencies()),
    ),
)
batches = st.lists(edits, min_size=1, max_size=4).map(lambda each: Batch(tuple(each)))


def met(source: Node, dependency: Dependency) -> bool | None:
    """Whether a dependency is met, by the definition; None if that is not decided yet."""
    runs_or_ran_well = source.state not in TERMINAL or source.state is TaskState.COMPLETED
    if source.flowing and dependency.condition == "stream" and runs_or_ran_well:
        return True
    if source.state not in TERMINAL or not source.settled:
        return None
    failed = source.state in (TaskState.FAILED, TaskState.REJECTED)
    match dependency.condition:
        case "success" | "stream":
            return source.state is TaskState.COMPLETED or (failed and source.task.optional)
        case "failure":
            return failed
        case "when":
            return bool(source.output == [1, 2])
    return True


def standing(graph: Constellation, node: Node) -> str:
    """What the definition says of a submitted or skipped task, computed from nothing."""
    verdicts = [met(graph.nodes[name], each) for name, each in node.incoming.items()]
    if node.task.join == "all":
        if False in verdicts:
            return "skipped"
        return "waiting" if None in verdicts else "ready"
    if not verdicts or True in verdicts:
        return "ready"
    return "waiting" if None in verdicts else "skipped"


def held_back(graph: Constellation, node: Node) -> bool:
    """Whether an element waits because of its map task's ``max_parallel``."""
    if node.member_of is None:
        return False
    parent = graph.nodes[node.member_of]
    return parent.task.max_parallel is not None and not node.ready and not parent.ended


def observable(graph: Constellation) -> dict[str, Any]:
    """What inverting a batch must bring back: not versions, labels, ranks or times of readiness."""
    return {
        name: (
            node.task,
            node.state,
            node.ready,
            node.attempt,
            node.output,
            node.error,
            node.settled,
            node.history,
            dict(node.incoming),
            node.member_of,
        )
        for name, node in graph.nodes.items()
    }


def as_json(graph: Constellation) -> Any:
    return json.loads(json.dumps(to_json(graph)))


class ConstellationMachine(RuleBasedStateMachine):
    @initialize(batch=st.lists(tasks(), max_size=6, unique_by=lambda task: task.id))
    def begin(self, batch: list[Task]) -> None:
        self.graph = Constellation("c")
        self.twin = Constellation("c")
        self.now = 0.0
        self.ready: set[str] = set()
        for task in batch:
            self.apply(Batch((AddTask(task),)))

    def both(self, kind: str, body: dict[str, Any]) -> None:
        """Do to the twin what a fact in the journal says was done here."""
        self.twin.replay(kind, json.loads(json.dumps(body)), self.now)

    def apply(self, batch: Batch) -> Applied | None:
        """Apply a batch here and to the twin; None if it was refused, without a trace."""
        self.now += 1
        before = to_json(self.graph), dict(self.graph.counts)
        try:
            applied = self.graph.apply(batch, self.now)
        except GraphError:
            assert before == (to_json(self.graph), self.graph.counts)
            return None
        self.both("edited", {"batch": batch_to_plain(batch)})
        return applied

    @rule(batch=batches)
    def edit(self, batch: Batch) -> None:
        self.apply(batch)

    @rule(batch=batches)
    def edit_and_invert(self, batch: Batch) -> None:
        before = observable(self.graph)
        applied = self.apply(batch)
        if applied is None:
            return
        if applied.inverse is not None:
            assert self.apply(applied.inverse) is not None
            assert observable(self.graph) == before
        else:
            nodes = self.graph.nodes.values()
            assert any(node.started or node.task.for_each for node in nodes)

    @rule(batch=batches, age=st.integers(1, 4))
    def edit_an_older_version(self, batch: Batch, age: int) -> None:
        base = max(0, self.graph.version - age)
        newer = {name for name, node in self.graph.nodes.items() if node.changed > base}
        changed = {name: node.task for name, node in self.graph.nodes.items()}
        if self.apply(replace(batch, base_version=base)) is not None:
            # Nothing that had changed since was redefined or removed.
            for name in newer:
                assert self.graph.nodes[name].task == changed[name]

    @rule()
    def restart(self) -> None:
        """What comes back from a document goes on in place of what was written to it."""
        self.graph = from_json(as_json(self.graph))

    def pick(self, data: st.DataObject, wanted: Any) -> str | None:
        found = [name for name, node in self.graph.nodes.items() if wanted(node)]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        name = self.pick(data, lambda node: node.ready)
        if name is not None:
            self.now += 1
            before = self.graph.nodes[name].attempt
            assert self.graph.start(name, "d", self.now) == before + 1
            self.both("started", {"task": name, "device": "d"})

    @rule(
        data=st.data(),
        state=st.sampled_from(sorted(TERMINAL)),
        output=st.sampled_from([None, [], [1, 2], "x"]),
        settle=st.booleans(),
    )
    def finish(self, data: st.DataObject, state: TaskState, output: Any, settle: bool) -> None:
        name = self.pick(data, lambda node: node.state in ACTIVE and not node.size)
        if name is not None:
            self.now += 1
            self.graph.finish(name, Outcome(state, output), self.now, settle)
            self.both(
                "finished",
                {"task": name, "state": str(state), "output": output, "settle": settle},
            )

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        name = self.pick(data, lambda node: not node.settled)
        if name is not None:
            self.graph.settle(name, self.now)
            self.both("settled", {"task": name})

    @rule(data=st.data())
    def flow(self, data: st.DataObject) -> None:
        name = self.pick(data, lambda node: node.state in ACTIVE and not node.size)
        if name is not None:
            self.now += 1
            self.graph.flow(name, self.now)
            self.both("flowing", {"task": name})

    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        name = self.pick(data, lambda node: node.state in ACTIVE and not node.size)
        if name is not None:
            self.now += 1
            self.graph.requeue(name, "lost", self.now)
            self.both("requeued", {"task": name, "reason": "lost"})

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        name = self.pick(data, lambda n: n.state is TaskState.WORKING and not n.size)
        if name is not None:
            question = {"id": "q", "kind": "text", "prompt": "?"}
            self.graph.require_input(name, question, self.now)
            self.both("asked", {"task": name, "question": question})

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        name = self.pick(data, lambda node: node.state is TaskState.INPUT_REQUIRED)
        if name is not None:
            self.graph.answer(name, self.now)
            self.both("answered", {"task": name})

    @precondition(lambda self: len(self.graph.nodes) > 6)
    @rule()
    def cancel_everything(self) -> None:
        running = {n for n, node in self.graph.nodes.items() if node.state in ACTIVE}
        running -= {name for name in running if self.graph.nodes[name].size}
        assert set(self.graph.cancel_all("enough", self.now)) == running
        self.twin.cancel_all("enough", self.now)
        assert self.graph.done

    @invariant()
    def acyclic_and_in_order(self) -> None:
        assert nx.is_directed_acyclic_graph(to_networkx(self.graph))
        for node in self.graph.nodes.values():
            for target in node.outgoing:
                assert node.label < self.graph.nodes[target].label
                assert self.graph.nodes[target].incoming[node.id] is node.outgoing[target]

    @invariant()
    def counts_are_right(self) -> None:
        for state in TaskState:
            count = sum(node.state is state for node in self.graph.nodes.values())
            assert self.graph.counts[state] == count

    @invariant()
    def readiness_is_what_the_definition_says(self) -> None:
        for node in self.graph.nodes.values():
            if node.state is TaskState.SUBMITTED and not held_back(self.graph, node):
                # An attempt that was requeued may start again, whatever has changed above it.
                if not (node.attempt and node.ready):
                    expected = "ready" if node.ready else "waiting"
                    assert standing(self.graph, node) == expected, node.id
            elif node.skipped:
                assert standing(self.graph, node) == "skipped", node.id

    @invariant()
    def counters_are_right(self) -> None:
        for node in self.graph.nodes.values():
            if node.state is TaskState.SUBMITTED or node.skipped:
                verdicts = [
                    met(self.graph.nodes[name], dependency)
                    for name, dependency in node.incoming.items()
                ]
                counted = (verdicts.count(None), verdicts.count(True), verdicts.count(False))
                assert (node.open, node.met, node.unmet) == counted, node.id

    @invariant()
    def maps_keep_their_bound(self) -> None:
        for node in self.graph.nodes.values():
            if node.size and not node.ended:
                elements = self.graph.elements(node)
                busy = [each for each in elements if each.ready or each.state in ACTIVE]
                if node.task.max_parallel is not None:
                    assert len(busy) <= node.task.max_parallel
                assert busy or node.state is TaskState.SUBMITTED
                assert all(each.state is TaskState.SUBMITTED for each in busy if each.ready)

    @invariant()
    def changes_tell_what_is_ready(self) -> None:
        changes = self.graph.take_changes()
        self.ready |= set(changes.ready)
        actual = {name for name, node in self.graph.nodes.items() if node.ready}
        assert actual <= self.ready
        self.ready &= actual

    @invariant()
    def the_twin_is_the_same(self) -> None:
        document = as_json(self.graph)
        assert as_json(self.twin) == document
        assert as_json(from_json(document)) == document


TestConstellationMachine = ConstellationMachine.TestCase
TestConstellationMachine.settings = settings(max_examples=80, stateful_step_count=40)
