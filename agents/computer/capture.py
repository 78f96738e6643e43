"""Keeping what a command prints, however much that is: its beginning and its end."""

from __future__ import annotations

import codecs
from collections import deque


class Capture:
    """Takes in bytes, gives out text as it comes, and keeps the first and last part of it.

    Args:
        limit: how many characters are kept, half from the beginning and half from the end.

    Attributes:
        truncated: True if something in the middle was left out.
    """

    def __init__(self, limit: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._half = max(1, limit // 2)
        self._head: list[str] = []
        self._head_size = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._left_out = 0

    def feed(self, data: bytes, *, last: bool = False) -> str:
        """Take in bytes; return the text that they complete."""
        text = self._decoder.decode(data, last)
        room = self._half - self._head_size
        if room > 0:
            self._head.append(text[:room])
            self._head_size += len(self._head[-1])
        self._keep_tail(text[max(0, room) :])
        return text

    @property
    def truncated(self) -> bool:
        return self._left_out > 0

    def text(self) -> str:
        """What was kept, with a line that says how much was left out."""
        gap = f"\n[… {self._left_out:,} characters left out …]\n" if self.truncated else ""
        return "".join((*self._head, gap, *self._tail))

    def _keep_tail(self, text: str) -> None:
        if not text:
            return
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail_size > self._half:
            first = self._tail.popleft()
            surplus = self._tail_size - self._half
            if surplus < len(first):
                self._tail.appendleft(first[surplus:])
            gone = min(surplus, len(first))
            self._tail_size -= gone
            self._left_out += gone
