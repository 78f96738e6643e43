"""Random edits and outcomes against a model that computes everything from scratch."""

from __future__ import annotations

import json
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
conditions = st.sampled_from(["success", "success", "completion", "failure", "when"])


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    for_each = draw(st.sampled_from([None, None, None, "${%s.output}"]))
    return Task(
        draw(names),
        skill="s",
        arguments=draw(st.sampled_from([{}, {}, {"x": "${t0.output}"}])),
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
    st.builds(UpdateTask, names, st.sampled_from([{"priority": 2}, {"join": "any"}])),
    st.builds(CancelTask, names, st.just("enough"), st.booleans()),
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


def standing(graph: Constellation, node: Node) -> str:
    """What the definition says of a submitted or skipped task, computed from nothing."""
    verdicts = []
    for name, dependency in node.incoming.items():
        source = graph.nodes[name]
        decided = source.state in TERMINAL and source.settled
        verdicts.append(graph.verdict(source, dependency) if decided else None)
    if node.task.join == "all":
        if False in verdicts:
            return "skipped"
        return "waiting" if None in verdicts else "ready"
    if not verdicts or True in verdicts:
        return "ready"
    return "waiting" if None in verdicts else "skipped"


def observable(graph: Constellation) -> dict[str, Any]:
    """What inverting a batch must bring back: not versions, labels, ranks or times of readiness."""
    return {
        name: (
            node.task,
            node.state,
            node.ready,
            node.attempt,
            node.output,
            # Which of several unmet dependencies is named first may change.
            node.error and node.error["code"],
            node.history,
            dict(node.incoming),
        )
        for name, node in sorted(graph.nodes.items())
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
            self.edit(Batch((AddTask(task),)))

    def both(self, kind: str, body: dict[str, Any]) -> None:
        """Do to the twin what a fact in the journal says was done here."""
        self.twin.replay(kind, json.loads(json.dumps(body)), self.now)

    @rule(batch=batches)
    def edit(self, batch: Batch) -> None:
        self.now += 1
        before = to_json(self.graph), list(self.graph.nodes), dict(self.graph.counts)
        try:
            self.graph.apply(batch, self.now)
        except GraphError:
            after = to_json(self.graph), list(self.graph.nodes), dict(self.graph.counts)
            for old, new in zip(before[0]["nodes"], after[0]["nodes"], strict=True):
                assert old == new
            assert before == after
        else:
            self.both("edited", {"batch": batch_to_plain(batch)})

    @rule(batch=batches)
    def edit_and_invert(self, batch: Batch) -> None:
        self.now += 1
        before = observable(self.graph)
        try:
            applied = self.graph.apply(batch, self.now)
        except GraphError:
            return
        self.both("edited", {"batch": batch_to_plain(batch)})
        # A map task over a list that is known runs at once: that cannot be taken back.
        maps = any(n.task.for_each and n.started for n in self.graph.nodes.values())
        if applied.inverse is not None and not maps:
            self.graph.apply(applied.inverse, self.now)
            self.both("edited", {"batch": batch_to_plain(applied.inverse)})
            after = observable(self.graph)
            assert set(after) == set(before)
            for name, old in before.items():
                for a, b in zip(old, after[name], strict=True):
                    assert a == b, (name, batch.edits)

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
            waiting_element = node.member_of is not None and node.id in (
                self.graph.nodes[node.member_of].waiting
            )
            if node.state is TaskState.SUBMITTED and not waiting_element:
                # A task that had been started once was ready then, and stays so.
                expected = "ready" if node.attempt else standing(self.graph, node)
                if node.attempt and not node.ready:
                    expected = standing(self.graph, node)
                assert expected == ("ready" if node.ready else "waiting"), node.id
            elif node.skipped:
                assert standing(self.graph, node) == "skipped", node.id

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


ConstellationMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None
)
TestConstellationMachine = ConstellationMachine.TestCase
