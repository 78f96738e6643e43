"""Placeholders of a guide's commands, such as ``<pod-name>``: values that a person gives. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# A redirection has a space before its closing bracket, or none.
_PLACEHOLDER = re.compile(r"<([A-Za-z][A-Za-z0-9_ -]*[A-Za-z0-9]|[A-Za-z])>")


@dataclass(frozen=True, slots=True)
class Filled:
    """A command whose placeholders are variables of the shell.

    Attributes:
        command: as it is run.
        variables: the words of each placeholder, by the variable that stands for it.
        left: placeholders within single quotes, where the shell puts nothing in.
    """

    command: str
    variables: Mapping[str, str]
    left: tuple[str, ...]


def fill(command: str) -> Filled:
    """Put variables where placeholders stand, so that no value is read as a command."""
    variables: dict[str, str] = {}
    left: list[str] = []

    def variable(match: re.Match[str]) -> str:
        quotes = _open_quote(command[: match.start()])
        if quotes == "'":
            left.append(match[1])
            return match[0]
        name = re.sub(r"[^A-Z0-9]+", "_", match[1].upper())
        variables[name] = match[1]
        return f"${{{name}}}" if quotes else f'"${{{name}}}"'

    return Filled(_PLACEHOLDER.sub(variable, command), variables, tuple(left))


def _open_quote(before: str) -> str:
    """The quote that is open at the end of a text; empty if none is."""
    quote, escaped = "", False
    for sign in before:
        if escaped:
            escaped = False
        elif sign == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
    return quote
