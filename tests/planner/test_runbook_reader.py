"""Reading runbooks: every mistake with its line, its column and a remedy, all at once."""

from __future__ import annotations

from textwrap import dedent

import pytest

from constellation.errors import PlanError
from constellation.graph.task import Requirement, RetryPolicy
from constellation.planner.runbook import Need, Runbook, Target, load


def _load(text: str, source: str = "book.yaml") -> Runbook:
    return load(dedent(text), source)


def _problems(text: str, source: str = "book.yaml") -> list[tuple[int, int, str]]:
    with pytest.raises(PlanError) as caught:
        _load(text, source)
    return [(p["line"], p["column"], p["code"]) for p in caught.value.details["problems"]]


def test_every_field_of_a_step() -> None:
    book = _load(
        """
        title: All fields
        description: A step with everything.
        steps:
          - id: first
            skill: system.disks
          - id: second
            title: The second step
            skill: files.write
            with: {path: a.txt, content: "${item}"}
            on: {platform: linux, labels: {role: db}, capabilities: [gpu], exclusive: [disk]}
            needs:
              - step: first
                when: output.percent > 80
                same_device: true
            if: first.output.percent < 99
            for_each: ${first.output.disks}
            max_parallel: 2
            retry: {attempts: 3, backoff: 2s, factor: 3, max_backoff: 1m, on: [task.failed],
                    elsewhere: true}
            timeout: 5m
            deadline: 1h
            optional: true
            idempotent: false
            priority: -2
            join: any
        """
    )
    step = book.steps[1]
    assert (book.title, book.description) == ("All fields", "A step with everything.")
    assert (step.id, step.title, step.skill) == ("second", "The second step", "files.write")
    assert step.arguments == {"path": "a.txt", "content": "${item}"}
    assert step.on == Target(
        Requirement(
            platform="linux", labels={"role": "db"}, capabilities=("gpu",), exclusive=("disk",)
        )
    )
    assert step.needs is not None
    (need,) = step.needs
    assert need == Need("first", "when", "output.percent > 80", True, need.mark)
    assert (step.condition, step.for_each) == (
        "first.output.percent < 99",
        "${first.output.disks}",
    )
    assert step.retry == RetryPolicy(3, 2.0, 3.0, 60.0, ("task.failed",), elsewhere=True)
    assert (step.timeout_s, step.deadline_s, step.max_parallel) == (300.0, 3600.0, 2)
    assert (step.optional, step.idempotent, step.priority, step.join) == (True, False, -2, "any")


@pytest.mark.parametrize(
    ("on", "target"),
    [
        ("desk", Target(Requirement(device="desk"))),
        ("role=db", Target(Requirement(labels={"role": "db"}))),
        ("all", Target(every=True)),
        ("all role=db", Target(Requirement(labels={"role": "db"}), every=True)),
        ("{all: true, platform: linux}", Target(Requirement(platform="linux"), every=True)),
        ("[desk, server]", Target(names=("desk", "server"))),
    ],
)
def test_ways_to_say_where(on: str, target: Target) -> None:
    assert _load(f"steps: [{{run: ls, on: {on}}}]").steps[0].on == target


def test_run_is_short_for_a_shell_command() -> None:
    (step,) = _load("steps: [{run: make test, with: {cwd: src}}]").steps
    assert (step.skill, step.arguments) == ("shell.run", {"command": "make test", "cwd": "src"})


def test_ids_come_from_titles_or_places() -> None:
    book = _load("steps: [{title: Check the disk!, run: df}, {run: ls}]")
    assert [step.id for step in book.steps] == ["check-the-disk", "step-2"]


def test_a_group_is_a_list_under_parallel() -> None:
    book = _load("steps: [{id: a, run: x}, {parallel: [{id: b, run: x}, {id: c, run: x}]}]")
    assert [(step.id, step.parallel) for step in book.steps] == [
        ("a", False),
        ("b", False),
        ("c", True),
    ]


def test_inputs_in_long_and_in_short() -> None:
    book = _load(
        """
        inputs:
          url:
          port: 8080
          mode: {type: string, choices: [fast, safe], default: safe, description: How.}
          hosts: {type: list, required: false}
        steps: [{run: "${inputs.url}"}]
        """
    )
    inputs = book.inputs
    assert (inputs["url"].type, inputs["url"].required) == ("string", True)
    assert (inputs["port"].type, inputs["port"].default) == ("integer", 8080)
    assert (inputs["mode"].choices, inputs["mode"].required) == (("fast", "safe"), False)
    assert (inputs["hosts"].type, inputs["hosts"].required) == ("list", False)


MISTAKES = [
    ("", [(1, 1, "document.empty")]),
    ("- a\n", [(1, 1, "document.type")]),
    ("title: x\n", [(1, 1, "document.steps")]),
    ("steps: []\n", [(1, 8, "document.steps")]),
    ("stepz: []\nsteps: [{run: x}]\n", [(1, 1, "field.unknown")]),
    ("steps:\n  - just words\n", [(2, 5, "step.type")]),
    ("steps:\n  - id: a\n", [(2, 5, "step.work")]),
    ("steps:\n  - run: x\n    skill: y\n", [(2, 5, "step.work")]),
    ("steps:\n  - run: x\n    timout: 3\n", [(3, 5, "field.unknown")]),
    ("steps:\n  - run: x\n    timeout: soon\n", [(3, 14, "field.type")]),
    ("steps:\n  - run: x\n    timeout: -1\n", [(3, 14, "field.type")]),
    ("steps:\n  - run: x\n    retry: many\n", [(3, 12, "field.type")]),
    ("steps:\n  - run: x\n    optional: perhaps\n", [(3, 15, "field.type")]),
    ("steps:\n  - run: x\n    join: some\n", [(3, 11, "field.type")]),
    ("steps:\n  - run: x\n    priority: 1.5\n", [(3, 15, "field.type")]),
    ("steps:\n  - run: x\n    id: not an id\n", [(3, 9, "field.identifier")]),
    ("steps:\n  - run: x\n    id: inputs\n", [(3, 5, "step.reserved")]),
    ("steps:\n  - {id: a, run: x}\n  - {id: a, run: x}\n", [(3, 6, "step.duplicate")]),
    ("steps:\n  - run: x\n    on: desk server\n", [(3, 9, "on.selector")] * 2),
    ("steps:\n  - run: x\n    needs: [b]\n", [(3, 13, "needs.undefined")]),
    ("steps:\n  - id: a\n    run: x\n    needs: a\n", [(4, 12, "needs.itself")]),
    (
        "steps:\n  - {id: a, run: x}\n  - run: x\n    needs: [a, a]\n",
        [(4, 16, "needs.twice")],
    ),
    ("steps:\n  - run: x\n    needs: [{when: success}]\n", [(3, 13, "needs.step")]),
    ("steps:\n  - run: echo ${b.output}\n", [(2, 10, "reference.undefined")]),
    ("steps:\n  - run: echo ${inputs.b}\n", [(2, 10, "input.undeclared")]),
    ("steps:\n  - skill: s\n    with:\n      path: ${item}\n", [(4, 7, "item.nowhere")]),
    ("steps:\n  - run: x\n    for_each: all\n", [(3, 15, "field.type")]),
    ("steps:\n  - {id: a, run: x}\n  - run: x\n    if: b.output.x\n", [(4, 5, "if.undefined")]),
    ("steps:\n  - run: x\n    if: output.x\n", [(3, 5, "if.unclear")]),
    (
        "steps:\n  - {id: a, run: x}\n  - run: x\n    if: a.output.x +\n",
        [(4, 5, "if.expression")],
    ),
    (
        "steps:\n  - {id: a, run: x}\n  - run: x\n    if: open('x')\n",
        [(4, 5, "if.expression")],
    ),
    (
        "steps:\n  - {id: a, run: x}\n  - {id: b, run: x}\n  - run: x\n"
        "    if: a.output.x > b.output.x\n",
        [(5, 5, "if.several")],
    ),
    ("steps:\n  - run: x\n    if: inputs.y > 1\n", [(3, 5, "input.undeclared")]),
    (
        "steps:\n  - {id: a, run: x}\n  - run: x\n    needs: {step: a, when: 'output >'}\n",
        [(4, 12, "if.expression")],
    ),
    (
        "steps:\n  - {id: a, run: x, needs: b}\n  - {id: b, run: x, needs: a}\n",
        [(2, 21, "needs.cycle")],
    ),
    ("inputs: {a: {type: text}}\nsteps: [{run: x}]\n", [(1, 20, "field.type")]),
    ("inputs: {a: {type: integer, default: x}}\nsteps: [{run: x}]\n", [(1, 38, "input.default")]),
    (
        "inputs:\n  a: {choices: [1], default: 2}\nsteps: [{run: x}]\n",
        [(2, 30, "input.default")],
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[each[0] for each in MISTAKES])
def test_mistakes_with_their_places(text: str, expected: list[tuple[int, int, str]]) -> None:
    assert _problems(text) == expected


def test_all_mistakes_are_told_at_once_and_in_order() -> None:
    text = """
        titel: x
        steps:
          - id: a
            run: ls
            tiemout: 3
          - id: b
            skil: files.read
    """
    assert _problems(text) == [
        (2, 1, "field.unknown"),
        (6, 5, "field.unknown"),
        (7, 5, "step.work"),
        (8, 5, "field.unknown"),
    ]


def test_the_message_names_place_remedy_and_how_many_more() -> None:
    with pytest.raises(PlanError) as caught:
        _load("steps:\n  - {run: x, timout: 3}\n  - {run: x, retri: 3}\n", "nightly.yaml")
    error = caught.value
    assert error.message.startswith("nightly.yaml:2:14: Step 1 has no field 'timout'.")
    assert "And 1 more problem." in error.message
    assert error.remedy == "Did you mean 'timeout'?"
    assert (error.details["line"], error.details["column"]) == (2, 14)


def test_limits_on_size() -> None:
    assert _problems("#" * 200_001) == [(1, 1, "document.size")]
    many = "steps:\n" + "  - {run: x, needs: []}\n" * 501
    assert [code for _, _, code in _problems(many)] == ["document.steps"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeout", "[]"),
        ("retry", "{attempts: 0}"),
        ("retry", "{factor: 0.5}"),
        ("max_parallel", "0"),
        ("with", "text"),
        ("on", "{labels: {role: [a]}}"),
        ("on", "{platform: [a]}"),
        ("on", "3"),
        ("needs", "{step: {a: 1}}"),
        ("needs", "[[a]]"),
        ("if", "[a]"),
        ("for_each", "{a: 1}"),
        ("title", "{a: 1}"),
    ],
)
def test_fields_of_the_wrong_kind(field: str, value: str) -> None:
    codes = {code for _, _, code in _problems(f"steps:\n  - run: x\n    {field}: {value}\n")}
    assert codes & {"field.type", "needs.step"}


def test_numbers_may_stand_for_text() -> None:
    (step,) = _load("steps: [{id: 7, run: 1.5}]").steps
    assert (step.id, step.arguments) == ("7", {"command": "1.5"})
