"""The blocks of a Markdown document for people, with the place of every character.

Not all of Markdown: headings, list items, paragraphs and fenced blocks, which is what guides
are written in. Front matter, comments and tables are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from constellation.planner.runbook.findings import Mark

Kind = Literal["heading", "item", "text", "fence"]

_FENCE = re.compile(r"(\s*)(`{3,}|~{3,})\s*([^`]*?)\s*")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*")
_ITEM = re.compile(r"(\s*)([-*+]|[0-9]{1,9}[.)])\s+(?:\[[ xX]\]\s+)?(.+)")
_QUOTE = re.compile(r"(?:\s*>\s?)+")
_NUMBERING = re.compile(r"(?:step\s+)?[0-9]{1,9}\s*[.):]\s*", re.IGNORECASE)


@dataclass(slots=True)
class Block:
    """A heading, a list item without what is nested in it, a paragraph or a fenced block.

    Attributes:
        level: 1 to 6 for headings; columns of indentation for everything else.
        ordered: of an item that has a number.
        language: of a fence, in small letters.
        lines: its lines, each with the place of its first character.
    """

    kind: Kind
    level: int
    ordered: bool = False
    language: str = ""
    lines: list[tuple[Mark, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The lines of a paragraph or item as one; those of a fence apart."""
        return ("\n" if self.kind == "fence" else " ").join(line for _, line in self.lines)

    @property
    def mark(self) -> Mark:
        return self.lines[0][0] if self.lines else Mark(1, 1)

    def mark_at(self, offset: int) -> Mark:
        """The place of a character of `text`."""
        for mark, line in self.lines:
            if offset <= len(line):
                return Mark(mark.line, mark.column + offset)
            offset -= len(line) + 1
        return self.mark


def outline(text: str) -> list[Block]:
    """The blocks of a document, in their order."""
    return list(_Outline(text.splitlines()).blocks())


class _Outline:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._open: Block | None = None

    def blocks(self) -> Iterator[Block]:
        number = self._front_matter()
        while number < len(self._lines):
            line = self._lines[number]
            if line.lstrip().startswith("<!--"):
                yield from self._closed()
                number = self._after_comment(number)
                continue
            fence = _FENCE.fullmatch(line)
            if fence:
                yield from self._closed()
                number, block = self._fence(number, fence)
                yield block
                continue
            yield from self._line(number + 1, line)
            number += 1
        yield from self._closed()

    def _front_matter(self) -> int:
        if self._lines and self._lines[0].rstrip() == "---":
            for number, line in enumerate(self._lines[1:], 1):
                if line.rstrip() in ("---", "..."):
                    return number + 1
        return 0

    def _after_comment(self, number: int) -> int:
        while number < len(self._lines) and "-->" not in self._lines[number]:
            number += 1
        return number + 1

    def _fence(self, number: int, fence: re.Match[str]) -> tuple[int, Block]:
        indent, ticks = len(fence[1].expandtabs(4)), fence[2]
        language = fence[3].split()[0].lower() if fence[3] else ""
        block = Block("fence", indent, language=language)
        for below, line in enumerate(self._lines[number + 1 :], number + 1):
            stripped = line.strip()
            if stripped.startswith(ticks) and not stripped.strip(ticks[0]):
                return below + 1, block
            cut = min(len(fence[1]), len(line) - len(line.lstrip()))
            block.lines.append((Mark(below + 1, cut + 1), line[cut:]))
        return len(self._lines), block

    def _line(self, number: int, line: str) -> Iterator[Block]:
        quote = _QUOTE.match(line)
        start = quote.end() if quote else 0
        rest = line[start:]
        if not rest.strip() or rest.lstrip().startswith("|"):
            yield from self._closed()
        elif heading := _HEADING.fullmatch(rest):
            yield from self._closed()
            words = heading[2]
            cut = numbering.end() if (numbering := _NUMBERING.match(words)) else 0
            mark = Mark(number, start + heading.start(2) + cut + 1)
            yield Block("heading", len(heading[1]), lines=[(mark, words[cut:])])
        elif item := _ITEM.fullmatch(rest):
            yield from self._closed()
            level = len(item[1].expandtabs(4))
            mark = Mark(number, start + item.start(3) + 1)
            self._open = Block("item", level, item[2][0].isdigit(), lines=[(mark, item[3])])
        else:
            indent = len(rest) - len(rest.lstrip())
            if self._open is None:
                self._open = Block("text", len(rest[:indent].expandtabs(4)))
            self._open.lines.append((Mark(number, start + indent + 1), rest.strip()))

    def _closed(self) -> Iterator[Block]:
        if self._open is not None:
            yield self._open
            self._open = None
