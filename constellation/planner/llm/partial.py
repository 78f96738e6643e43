"""The tasks of a plan that a model is still writing. Pure.

A reader takes the answer in pieces as they come and gives each element of the list ``tasks`` of the
outermost object as soon as its last brace is there. What it gives is a hint: the whole answer is
read again, and counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_THOUGHT = ("<think>", "</think>")


class TaskReader:
    """Finds complete tasks in an answer that grows."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self._begun = self._over = False
        self._lists: list[str] = []
        self._string_at = -1
        self._last_string = ""
        self._key = ""
        self._task_at = -1

    def feed(self, piece: str) -> list[dict[str, Any]]:
        """Take in what came; return the tasks that it completed, in order."""
        if self._over:
            return []
        self._text += piece
        if not self._begun and not self._begin():
            return []
        return list(self._scan())

    def _begin(self) -> bool:
        """Find the outermost object, behind what the model thinks aloud."""
        start, end = _THOUGHT
        begun, thought = self._text.find("{"), self._text.find(start)
        if thought >= 0 and (begun < 0 or thought < begun):
            over = self._text.find(end, thought)
            begun = -1 if over < 0 else self._text.find("{", over)
        self._begun = begun >= 0
        self._at = max(begun, 0)
        return self._begun

    def _scan(self) -> Iterator[dict[str, Any]]:
        text = self._text
        while self._at < len(text):
            if self._string_at >= 0:
                if not self._end_string():
                    return
                continue
            char = text[self._at]
            match char:
                case '"':
                    self._string_at = self._at + 1
                case ":" if len(self._lists) == 1:
                    self._key = self._last_string
                case "{" | "[":
                    if char == "{" and self._in_tasks():
                        self._task_at = self._at
                    self._lists.append(char)
                case "}" | "]":
                    self._lists.pop()
                    if not self._lists:
                        self._over = True
                        return
                    if char == "}" and self._in_tasks():
                        yield from _object(text[self._task_at : self._at + 1])
            self._at += 1

    def _in_tasks(self) -> bool:
        return self._lists == ["{", "["] and self._key == "tasks"

    def _end_string(self) -> bool:
        """Go behind the string that is being read; False if it is not complete yet."""
        text = self._text
        while self._at < len(text) and text[self._at] != '"':
            self._at += 2 if text[self._at] == "\\" else 1
        if self._at >= len(text):
            return False
        self._last_string = text[self._string_at : self._at]
        self._string_at = -1
        self._at += 1
        return True


def _object(text: str) -> Iterator[dict[str, Any]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict):
        yield found
