"""Whether a person's own words ask for a call."""

from __future__ import annotations

from typing import Any

import pytest

from constellation.planner.llm.doubt import CARDS, doubt

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
