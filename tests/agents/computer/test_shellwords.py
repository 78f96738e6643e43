"""What a shell line would run."""

from __future__ import annotations

import pytest

from agents.computer.shellwords import Command, read_line, read_words


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
        ("sh build.sh", [("sh", "build.sh")]),
        ("find . -name x", [("find", ".", "-name", "x")]),
    ],
)
def test_plain_lines_are_read(line: str, commands: list[tuple[str, ...]]) -> None:
    assert read_line(line) == (tuple(commands), False)


@pytest.mark.parametrize(
    "line",
    [
        "ls $(rm x)",
        "ls `rm x`",
        'echo "$HOME"',
        "ls > /etc/passwd",
        "cat < secret",
        "ls\nrm x",
        "ls\rrm x",
        "/usr/bin/env rm x",
        "sh -c 'rm x'",
        "echo rm x | sh",
        "echo rm x | sh -s",
        "find . -exec rm {} +",
        "find . -delete",
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
    assert read_line(line)[1]


@pytest.mark.parametrize(
    "line",
    [
        "sudo rm x",
        "/usr/bin/env -i A=1 rm x",
        "nice -n 10 nohup rm x",
        "timeout 5s rm x",
        "sh -c 'rm x'",
        "bash -ec 'cd /tmp && rm x'",
        "sudo sh -c 'true; rm x'",
        "if true; then rm x; fi",
        "eval rm x",
        "! rm x",
    ],
)
def test_what_a_command_is_told_to_run_is_found(line: str) -> None:
    commands, opaque = read_line(line)
    assert ("rm", "x") in commands
    assert opaque


@pytest.mark.parametrize(
    ("argv", "opaque"),
    [
        (("env", "rm", "x"), True),
        (("/bin/bash", "-c", "rm x"), True),
        (("bash",), True),
        (("echo", "$(rm x)", ";", "rm"), False),
        (("git", "status"), False),
    ],
)
def test_words_need_no_shell_to_hide_something(argv: Command, opaque: bool) -> None:
    assert read_words(argv)[1] is opaque
