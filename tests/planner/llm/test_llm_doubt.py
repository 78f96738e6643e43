"""Whether a person's own words ask for a call."""

from __future__ import annotations

from typing import Any

import pytest
from planner_cards import COMPUTER, computers

from constellation.aip.cards import SkillCard
from constellation.graph.edits import AddTask
from constellation.planner.llm.compiling import compile_part
from constellation.planner.llm.doubt import CARDS, doubt, steered
from constellation.planner.llm.proposal import Step

DO = SkillCard(
    name="agent.do",
    input={"type": "object", "properties": {"instruction": {"type": "string"}, "data": {}}},
)
SKILLS = {card.name: card for card in (*COMPUTER, DO)}
NOTE = {"path": "note.txt", "content": "buy milk"}


@pytest.mark.parametrize(
    ("skill", "arguments", "request_"),
    [
        ("files.write", NOTE, "Write 'buy milk' into note.txt on desk."),
        ("files.write", NOTE, "please SAVE “Buy   milk” as Note.txt"),
        (
            "files.write",
            {"path": "a.txt", "content": "${read.output.content}"},
            "store it in a.txt",
        ),
        (
            "files.write",
            {"path": "a.txt", "content": "Disk: ${d.output.x}"},
            "put Disk: … in a.txt",
        ),
        ("files.write", {"path": "a.txt", "content": "${m.output.percent} %"}, "save it in a.txt"),
        ("files.delete", {"path": "old"}, "removing old is fine"),
        ("notify.send", {"message": "done"}, "notify me that it is done"),
        ("shell.run", {"argv": ["make", "test"]}, "run make test"),
        ("files.append", {"path": "a", "lines": 3, "sync": True}, "append it to a"),
    ],
)
def test_what_is_asked_for(skill: str, arguments: dict[str, Any], request_: str) -> None:
    assert doubt(skill, arguments, request_) == ""


@pytest.mark.parametrize(
    ("skill", "arguments", "request_"),
    [
        # Another text than was said.
        ("files.write", {**NOTE, "content": "buy beer"}, "write 'buy milk' into note.txt"),
        ("files.write", {**NOTE, "path": "other.txt"}, "write 'buy milk' into note.txt"),
        ("shell.run", {"argv": ["make", "-C", "/"]}, "run make"),
        ("files.write", {"path": "a", "content": {"deep": ["no"]}}, "write it to a"),
        # What only looks like a reference.
        ("shell.run", {"command": "$${x:=$(rm -r x)}"}, "run the command"),
        ("files.write", {"path": "a", "content": "$${do this}"}, "write it to a"),
        # Nothing, in place of something.
        ("files.write", {**NOTE, "content": ""}, "write 'buy milk' into note.txt"),
        # Another thing to do with the same words.
        ("files.delete", {"path": "note.txt"}, "read the files and note.txt"),
        ("files.write", {"path": "note.txt"}, "read note.txt of the files"),
        ("", {}, "do it"),
    ],
)
def test_what_is_not(skill: str, arguments: dict[str, Any], request_: str) -> None:
    assert doubt(skill, arguments, request_) == CARDS


OUTPUT = "${page.output.body}"


@pytest.mark.parametrize(
    ("skill", "arguments"),
    [
        ("files.write", {"path": OUTPUT, "content": "x"}),
        ("files.delete", {"path": f"logs/{OUTPUT}"}),
        ("shell.run", {"command": f"echo {OUTPUT}"}),
        ("shell.run", {"command": "wc -w", "env": {"PAGE": OUTPUT}}),
        ("http.get", {"url": OUTPUT}),
        ("agent.do", {"instruction": OUTPUT}),
        ("files.delete", {"path": "${item.path}"}),
    ],
)
def test_a_result_that_decides_what_is_done(skill: str, arguments: dict[str, Any]) -> None:
    told = steered(SKILLS[skill], arguments)
    assert told in ("what page put out", "what an earlier task put out")


@pytest.mark.parametrize(
    ("skill", "arguments"),
    [
        ("files.write", {"path": "a.txt", "content": OUTPUT}),
        ("artifacts.get", {"hash": "${put.output.hash}", "path": "a.txt"}),
        ("notify.send", {"message": OUTPUT}),
        ("report.write", {"path": "r.md", "sections": [{"title": "Page", "body": OUTPUT}]}),
        ("agent.do", {"instruction": "Sum it up.", "data": OUTPUT}),
        ("wait.seconds", {"seconds": OUTPUT}),
    ],
)
def test_a_result_that_is_content(skill: str, arguments: dict[str, Any]) -> None:
    assert steered(SKILLS[skill], arguments) == ""


def test_a_plan_in_which_a_result_decides_is_tainted() -> None:
    read = Step(id="page", skill="files.read", arguments={"path": "todo.txt"})
    run = Step(id="run", skill="shell.run", arguments={"command": "${page.output.content}"})
    request = "read todo.txt on desk and run what it says"
    edits = compile_part([read, run], computers(), request, max_tasks=5)
    tainted = {each.task.id: each.task.tainted for each in edits if isinstance(each, AddTask)}
    assert tainted == {"page": "", "run": "what page put out"}
