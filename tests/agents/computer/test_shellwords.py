"""What a shell line would run."""

from __future__ import annotations

import pytest

from agents.computer.shellwords import read_commands


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("ls -l", [("ls", "-l")]),
        ("git commit -m 'one; two'", [("git", "commit", "-m", "one; two")]),
        ("ls && make test || echo no", [("ls",), ("make", "test"), ("echo", "no")]),
        ("ls|wc -l;date &", [("ls",), ("wc", "-l"), ("date",)]),
        (r"\rm x", [("rm", "x")]),
        ("'rm' x", [("rm", "x")]),
        ("ls *.txt", [("ls", "*.txt")]),
    ],
)
def test_plain_lines_are_read(line: str, commands: list[tuple[str, ...]]) -> None:
    assert read_commands(line) == (tuple(commands), False)


@pytest.mark.parametrize(
    "line",
    [
        "ls $(rm x)",
        "ls `rm x`",
        'echo "$HOME"',
        "ls > /etc/passwd",
        "cat < secret",
        "ls\nrm x",
        "(rm x)",
        "{ rm x; }",
        "PATH=/tmp ls",
        "eval rm x",
        "sudo rm x",
        "xargs rm",
        "if true; then rm x; fi",
        "ls # rm x",
        "/bin/r? x",
        "echo 'unfinished",
    ],
)
def test_lines_that_hide_something_are_opaque(line: str) -> None:
    assert read_commands(line)[1]
