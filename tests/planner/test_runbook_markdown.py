"""Runbooks in Markdown: headings and list items are steps, prose is prose."""

from __future__ import annotations

from textwrap import dedent

import pytest

from constellation.errors import PlanError
from constellation.planner.runbook import Runbook, load

FENCE = "```"


def _load(text: str) -> Runbook:
    return load(dedent(text).lstrip("\n").replace("'''", FENCE), "book.md")


def _problems(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(PlanError) as caught:
        _load(text)
    return [(p["line"], p["column"], p["code"]) for p in caught.value.details["problems"]]


def test_headings_with_blocks_are_steps() -> None:
    book = _load(
        """
        ---
        inputs:
          limit: 80
        ---
        # Nightly check

        Why this exists, in prose.

        ## Background

        More prose, and a block that is no step's:

        '''python
        print("an example")
        '''

        ## disks: Look at the disks

        '''step
        skill: system.disks
        on: desk
        '''

        ## 2. Clean up

        Only if it is needed.

        '''yaml
        if: disks.output.percent > ${inputs.limit}
        timeout: 5m
        '''

        '''sh
        rm -rf cache
        mkdir cache
        '''
        """
    )
    assert book.title == "Nightly check"
    assert list(book.inputs) == ["limit"]
    first, second = book.steps
    assert (first.id, first.title, first.skill) == ("disks", "Look at the disks", "system.disks")
    assert (second.id, second.title) == ("clean-up", "Clean up")
    assert second.arguments == {"command": "rm -rf cache\nmkdir cache"}
    assert second.timeout_s == 300.0
    assert second.condition


def test_a_command_says_its_fields_in_the_info_string() -> None:
    (step,) = _load("## build\n'''sh on=desk timeout=90s parallel priority=2\nmake\n'''\n").steps
    assert step.id == "build"
    assert step.on.requirement.device == "desk"
    assert (step.timeout_s, step.parallel, step.priority) == (90.0, True, 2)


def test_list_items_with_indented_blocks_are_steps() -> None:
    book = _load(
        """
        ## Notes

        1. **First, look**

           '''step
           skill: system.disks
           '''

        2. Prose without a block.
        3. `fetch`: Get the page

           '''sh
           curl http://127.0.0.1/
             --fail
           '''
        """
    )
    assert [(step.id, step.title) for step in book.steps] == [
        ("first-look", "First, look"),
        ("fetch", "Get the page"),
    ]
    assert book.steps[1].arguments["command"] == "curl http://127.0.0.1/\n  --fail"


def test_front_matter_wins_over_the_heading() -> None:
    assert _load("---\ntitle: A\n---\n# B\n## s\n'''sh\nx\n'''\n").title == "A"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("## a\n\n'''step\nskill: x\n timeout: 3\n'''\n", [(5, 9, "yaml.syntax")]),
        ("## a\n'''step\nskil: x\n'''\n", [(1, 1, "step.work"), (3, 1, "field.unknown")]),
        ("1. a\n\n   '''step\n   skil: x\n   run: y\n   '''\n", [(4, 4, "field.unknown")]),
        ("## a\n'''sh where=desk\nls\n'''\n", [(2, 1, "field.unknown")]),
        ("## a\n'''sh\nls\n'''\n'''sh\nls\n'''\n", [(5, 1, "markdown.twice")]),
        ("## a\n'''sh\nls\n", [(2, 1, "markdown.fence")]),
        ("# Title\n'''sh\nls\n'''\n", [(2, 1, "markdown.heading")]),
        ("'''sh\nls\n'''\n", [(1, 1, "markdown.heading")]),
        ("# Only prose\n", [(1, 1, "document.steps")]),
        ("---\ntitle: [\n---\n## a\n'''sh\nls\n'''\n", [(2, 9, "yaml.syntax")]),
        ("---\nsteps: []\n---\n## a\n'''sh\nls\n'''\n", [(2, 1, "front.steps")]),
        ("---\n- x\n---\n", [(2, 1, "front.type")]),
        ("## a\n'''step\n- x\n'''\n", [(3, 1, "step.type")]),
    ],
)
def test_mistakes_with_their_places(text: str, expected: list[tuple[int, int, str]]) -> None:
    assert _problems(text) == expected
