"""What speaks against a plan, by the devices that are there."""

from __future__ import annotations

from typing import Any

import pytest

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddTask, Batch
from constellation.graph.task import Requirement, Task
from constellation.planner.doubts import doubts

READ = SkillCard(
    name="files.read",
    input={
        "type": "object",
        "properties": {"path": {"type": "string"}, "limit": {"type": "integer", "default": 9}},
        "required": ["path"],
        "additionalProperties": False,
    },
    output={"type": "object", "properties": {"content": {"type": "string"}}},
)
ASK = SkillCard(
    name="ask",
    input={
        "type": "object",
        "properties": {"what": {"type": "string", "format": "instruction"}},
        "required": ["what"],
    },
)
CARDS = [
    DeviceCard(name="desk", skills=(READ,)),
    DeviceCard(name="server", skills=(READ, ASK), labels={"room": "cellar"}),
]


def of(*tasks: Task) -> list[str]:
    graph = Constellation("plan")
    graph.apply(Batch(tuple(AddTask(task) for task in tasks)), 0.0)
    return list(doubts(graph, CARDS))


def read(id: str = "a", on: str | None = "desk", **arguments: Any) -> Task:
    return Task(id, "files.read", arguments, requirement=Requirement(device=on))


def test_nothing_speaks_against_what_fits() -> None:
    again = read("b", None, path="${a.output.content}")
    assert of(read(path="notes.txt"), again) == []
    assert of(Task("a", "ask", instruction="How are you?")) == []


@pytest.mark.parametrize(
    ("task", "doubt"),
    [
        (
            read(on="dest", path="x"),
            "Task a: no device 'dest' is connected. Did you mean 'desk'?",
        ),
        (
            Task("a", "files.reed", requirement=Requirement(device="desk")),
            "Task a: desk has no skill 'files.reed'. Did you mean 'files.read'?",
        ),
        (
            Task("a", "files.fly"),
            "Task a: no connected device that fits has the skill 'files.fly'. "
            "Did you mean 'files.read'?",
        ),
        (
            Task("a", "ask", requirement=Requirement(labels={"room": "attic"})),
            "Task a: no connected device is what it requires.",
        ),
        (Task("a", "ask"), "Task a: ask needs the argument 'what'."),
    ],
)
def test_what_speaks_against_a_task_is_said(task: Task, doubt: str) -> None:
    assert of(task) == [doubt]


def test_all_that_is_wrong_with_arguments_is_said() -> None:
    assert of(read(paths="notes.txt")) == [
        "Task a: files.read takes no argument 'paths'. Did you mean 'path'?",
        "Task a: files.read needs the argument 'path'.",
    ]


def test_reference_to_what_a_result_lacks_is_said() -> None:
    (doubt,) = of(read(path="x"), read("b", path="${a.output.contents}"))
    assert doubt.startswith("Task b: ${a.output.contents} leads nowhere: ")
