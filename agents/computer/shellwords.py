"""Which programs a shell line would run, as far as that can be told without running it."""

from __future__ import annotations

import shlex

_OPERATORS = frozenset({";", "&", "&&", "|", "||", "|&"})
# What makes the words that are seen differ from the words that are run.
_OPAQUE = frozenset("$`\n()<>{}")
# fmt: off
_KEYWORDS = frozenset({
    ".", ":", "!", "alias", "builtin", "case", "command", "coproc", "do", "done", "elif", "else",
    "env", "esac", "eval", "exec", "fi", "for", "function", "if", "nice", "nohup", "select", "set",
    "setsid", "source", "sudo", "then", "time", "timeout", "trap", "unset", "until", "while",
    "xargs",
})
# fmt: on


def read_commands(line: str) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """Split a shell line into its commands.

    Returns:
        each command's words, and True if more or something else may be run: by a substitution, a
        redirection, a keyword, a variable set before the command, or because the line cannot be
        read.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    opaque = bool(_OPAQUE & set(line))
    commands: list[tuple[str, ...]] = []
    words: list[str] = []
    try:
        for token in lexer:
            if token in _OPERATORS:
                commands.append(tuple(words))
                words = []
            else:
                words.append(token)
    except ValueError:
        opaque = True
    commands.append(tuple(words))
    found = tuple(command for command in commands if command)
    return found, opaque or any(_is_opaque(command) for command in found)


def _is_opaque(command: tuple[str, ...]) -> bool:
    program = command[0]
    return (
        program in _KEYWORDS
        or "=" in program
        or bool(set("*?[~") & set(program))
        or any(word.startswith("#") for word in command)
    )
