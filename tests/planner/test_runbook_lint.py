"""The linter: what it points at, and what it leaves in peace."""

from __future__ import annotations

from textwrap import dedent

import pytest

from constellation.aip.cards import DeviceCard
from constellation.planner.runbook import lint

Cards = tuple[DeviceCard, ...]


def _lint(text: str, cards: Cards | None = None, source: str = "book.yaml") -> list[str]:
    findings = lint(dedent(text).lstrip("\n"), source, cards)
    assert findings == sorted(findings)
    return [f"{each.line}:{each.column} {each.severity} {each.code}" for each in findings]


CASES = {
    "an unused input": (
        "inputs: {a: 1, b: 2}\nsteps: [{run: 'echo ${inputs.a}'}]",
        ["1:16 warning input.unused"],
    ),
    "an input used in a condition only": (
        "inputs: {a: 1}\nsteps: [{id: x, run: x}, {run: y, if: inputs.a > 0}]",
        [],
    ),
    "what looks like a reference": (
        "inputs: {name: x}\nsteps: [{run: 'echo ${name} ${inputs.name} ${HOME}'}]",
        ["2:9 warning reference.plain"],
    ),
    "a step that waits by its place for one that jumped": (
        """
        steps:
          - {id: a, run: x}
          - {id: b, run: x}
          - {id: c, run: x, needs: [a]}
          - {id: d, run: x}
        """,
        ["5:5 warning order.unclear"],
    ),
    "a result that would be run": (
        """
        steps:
          - {id: a, skill: http.get, with: {url: "http://x/"}}
          - {id: b, run: "echo ${a.output.body}"}
          - {id: c, skill: python.run, with: {code: "print('${b.output.stdout}')"}}
          - {run: "echo $X ${a.state}", with: {env: {X: "${a.output.body}"}}}
        """,
        ["3:5 warning result.run", "4:5 warning result.run"],
    ),
    "a result that would be obeyed": (
        """
        steps:
          - {id: a, skill: http.get, with: {url: "http://x/"}}
          - {id: b, instruction: "Sum up: ${a.output.body}"}
          - {id: c, skill: agent.do, with: {instruction: "Do ${b.output.answer}"}}
          - {skill: agent.do, with: {instruction: Sum it up., data: "${c.output.answer}"}}
        """,
        ["3:5 warning result.obeyed", "4:5 warning result.obeyed"],
    ),
    "a step that needs both outcomes": (
        """
        steps:
          - {id: a, run: x}
          - {id: b, run: x, needs: {step: a, when: failure}}
          - {id: c, run: x, needs: [a, b]}
        """,
        ["4:5 warning condition.unreachable"],
    ),
    "a step that uses the result of what failed": (
        """
        steps:
          - {id: a, run: x}
          - {id: b, run: cat, with: {stdin: "${a.output.stdout}"}, needs: {step: a, when: failure}}
        """,
        ["3:5 warning condition.unreachable"],
    ),
    "either outcome is enough for any": (
        """
        steps:
          - {id: a, run: x}
          - {id: b, run: x, needs: {step: a, when: failure}}
          - {id: c, run: x, join: any, needs: [a, b]}
        """,
        [],
    ),
    "steps without data between them": (
        "steps: [{id: a, skill: system.disks}, {id: b, skill: system.memory}]",
        ["1:39 hint step.parallel"],
    ),
    "steps on different devices": (
        "steps: [{id: a, run: x, on: desk}, {id: b, run: x, on: server}]",
        ["1:36 hint step.parallel"],
    ),
    "commands on one device keep their order": (
        "steps: [{id: a, run: make, on: desk}, {id: b, run: make install, on: desk}]",
        [],
    ),
    "stated order is no accident": (
        "steps: [{id: a, run: x, on: desk}, {id: b, run: x, on: server, needs: a}]",
        [],
    ),
    "data is a reason to wait": (
        """
        steps:
          - {id: a, skill: s, on: desk}
          - {id: b, run: cat, with: {stdin: "${a.output}"}, on: server}
        """,
        [],
    ),
    "what cannot be read": (
        "steps: [{rum: x}]",
        ["1:9 error step.work", "1:10 error field.unknown"],
    ),
    "what is no YAML": ("steps: [", ["1:9 error yaml.syntax"]),
}


@pytest.mark.parametrize("name", list(CASES))
def test_without_devices(name: str) -> None:
    text, expected = CASES[name]
    assert _lint(text) == expected


WITH_DEVICES = {
    "an unknown skill": (
        "steps: [{skill: system.disk, on: desk}]",
        ["1:10 warning skill.unknown"],
    ),
    "unknown and missing arguments": (
        "steps: [{skill: files.write, on: desk, with: {path: p, contents: x}}]",
        ["1:40 warning skill.missing", "1:56 warning skill.argument"],
    ),
    "an unknown device": ("steps: [{run: x, on: dekstop}]", ["1:18 warning device.unknown"]),
    "nothing that fits": ("steps: [{run: x, on: role=web}]", ["1:18 warning device.none"]),
    "a retry that may do harm": (
        "steps: [{run: x, on: desk, retry: 3}]",
        ["1:28 warning retry.unsafe"],
    ),
    "a retry that says it does none": (
        "steps: [{run: x, on: desk, retry: 3, idempotent: true}]",
        [],
    ),
    "a reading that nobody uses": (
        """
        steps:
          - {id: a, skill: system.disks, on: desk}
          - {id: b, run: x, on: desk}
        """,
        ["2:5 warning step.unused"],
    ),
    "readings on one device may go together": (
        """
        steps:
          - {id: a, skill: system.disks, on: desk}
          - {id: b, skill: system.memory, on: desk}
          - {run: cat, with: {stdin: "${a.output} ${b.output}"}, on: desk}
        """,
        ["3:5 hint step.parallel"],
    ),
    "results that are not there": (
        """
        steps:
          - {id: a, skill: system.memory, on: desk}
          - {id: b, run: cat, with: {stdin: "${a.output.percents} ${a.output.percent}"}, on: desk}
          - {id: c, run: cat, with: {stdin: "${b.items}"}, on: desk}
        """,
        ["3:30 warning reference.nowhere", "4:30 warning reference.nowhere"],
    ),
    "results of steps on every device and on elements": (
        """
        steps:
          - {id: a, skill: system.memory, on: all}
          - id: b
            skill: files.read
            for_each: [x, y]
            with: {path: "${item}"}
            on: desk
            parallel: true
          - id: c
            run: cat
            with: {stdin: "${a.output.percent} ${b.output[0].path} ${b.output.path}"}
            on: desk
        """,
        [],
    ),
}


@pytest.mark.parametrize("name", list(WITH_DEVICES))
def test_with_devices(name: str, cards: Cards) -> None:
    text, expected = WITH_DEVICES[name]
    assert _lint(text, cards) == expected


def test_a_device_without_the_skill(cards: Cards) -> None:
    bare = cards[0].model_copy(update={"name": "bare", "skills": ()})
    text = "steps: [{run: x, on: bare}]"
    assert _lint(text, (*cards, bare)) == ["1:18 warning device.skill"]


def test_findings_say_what_to_do() -> None:
    (finding,) = lint("inputs: {limit: 1}\nsteps: [{run: x}]")
    assert finding.message == "No step uses the input 'limit'."
    assert finding.remedy == "Use it as ${inputs.limit}, or remove it."
    assert str(finding).startswith("1:10 warning input.unused: No step uses")
