"""Which programs a command would run, as far as that can be told without running it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import dropwhile
from pathlib import PurePath

Command = tuple[str, ...]

_OPERATORS = frozenset({";", "&", "&&", "|", "||", "|&"})
# What makes the words that are seen differ from the words that are run.
_OPAQUE = frozenset("$`\r\n()<>{}")
# fmt: off
_KEYWORDS = frozenset({
    ".", ":", "!", "alias", "builtin", "case", "command", "coproc", "do", "done", "elif", "else",
    "esac", "eval", "exec", "fi", "for", "function", "if", "select", "set", "source", "then",
    "time", "trap", "unset", "until", "while",
})
_RUN_OTHERS = frozenset({
    "busybox", "chroot", "chrt", "doas", "env", "flock", "ionice", "nice", "nohup", "nsenter",
    "parallel", "setpriv", "setsid", "stdbuf", "strace", "su", "sudo", "systemd-run", "taskset",
    "timeout", "toybox", "unshare", "watch", "xargs",
})
_SHELLS = frozenset({"ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "sh", "tcsh", "zsh"})
_FIND_RUNS = frozenset({"-delete", "-exec", "-execdir", "-ok", "-okdir"})
# fmt: on


def read_line(line: str) -> tuple[tuple[Command, ...], bool]:
    """Split a shell line into its commands.

    Returns:
        each command's words, those that a command names in its arguments among them, and True if
        more or something else may be run: by a substitution, a redirection, a keyword, a variable
        set before the command, a program that runs others, or because the line cannot be read.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    opaque = bool(_OPAQUE & set(line))
    split: list[Command] = []
    words: list[str] = []
    try:
        for token in lexer:
            if token in _OPERATORS:
                split.append(tuple(words))
                words = []
            else:
                words.append(token)
    except ValueError:
        opaque = True
    split.append(tuple(words))
    found: list[Command] = []
    for command in filter(None, split):
        commands, runs_others = read_words(command)
        if command[0] in _KEYWORDS:
            commands += _named_in(command)
        found += commands
        opaque = opaque or runs_others or _reads_otherwise(command)
    return tuple(found), opaque


def read_words(command: Command) -> tuple[tuple[Command, ...], bool]:
    """A program with its arguments, as it is run without a shell; returns the same as `read_line`.

    What ``sudo``, ``sh -c`` and the like are told to run is a command as well, where it can be
    found among their arguments.
    """
    program = PurePath(command[0]).name
    if program in _SHELLS:
        script = next((word for word in command[1:] if not word.startswith("-")), None)
        if script is None:
            return (command,), True  # it reads commands from its input
        if any("c" in word for word in command[1:] if word.startswith("-")):
            return (command, *read_line(script)[0]), True
        return (command,), False
    if program == "find":
        return (command,), bool(_FIND_RUNS.intersection(command))
    if program in _RUN_OTHERS:
        return (command, *_named_in(command)), True
    return (command,), False


def _named_in(command: Command) -> tuple[Command, ...]:
    """What a command runs whose arguments are, after options and numbers, a command."""
    rest = tuple(dropwhile(_is_setting, command[1:]))
    return read_words(rest)[0] if rest else ()


def _is_setting(word: str) -> bool:
    return word.startswith("-") or "=" in word or word[:1].isdigit()


def _reads_otherwise(command: Sequence[str]) -> bool:
    """True if the shell would make something else of these words."""
    program = command[0]
    return (
        program in _KEYWORDS
        or "=" in program
        or bool(set("*?[~") & set(program))
        or any(word.startswith("#") for word in command)
    )
