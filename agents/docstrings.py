"""Reading the docstring of a skill: what it does, and what its arguments mean."""

from __future__ import annotations

import inspect
import re

_SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Examples?|Notes?):\s*$")
_ARGUMENT = re.compile(r"^(?P<names>\w+(?:, \w+)*)(?: \([^)]*\))?: (?P<text>.+)$")


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """Split a docstring in Google's style.

    Returns:
        the first paragraph as one line, and the text of each argument under ``Args:``.
    """
    lines = inspect.cleandoc(text or "").splitlines()
    return _summary(lines), _arguments(lines)


def _summary(lines: list[str]) -> str:
    paragraph = []
    for line in lines:
        if not line.strip() or _SECTION.match(line):
            break
        paragraph.append(line.strip())
    return " ".join(paragraph)


def _arguments(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line in lines:
        section = _SECTION.match(line)
        if section or (line and not line[0].isspace()):
            inside = section is not None and section[1] == "Args"
        elif inside and line.strip():
            match = _ARGUMENT.match(line.strip())
            if match and _indent(line) == 4:
                names = match["names"].split(", ")
                found.update(dict.fromkeys(names, match["text"]))
            else:
                found.update({name: f"{found[name]} {line.strip()}" for name in names})
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
