"""Runbooks in Markdown: prose for people, fenced blocks for the machine.

The front matter holds what stands at the top of a YAML runbook (title, inputs). A heading of level
2 to 6, or a list item, that owns a fenced block is a step: a ``step`` or ``yaml`` block holds its
fields, a ``sh``, ``bash`` or ``shell`` block is the command it runs. Everything else is prose. The
result is the same tree that a YAML runbook gives, with the places of the Markdown source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .fields import IDENTIFIER
from .findings import START, Findings, Mark
from .steps import STEP_FIELDS, slug
from .tree import Entry, Node, compose, resolve

_FENCE = re.compile(r"( *)(`{3,}|~{3,})\s*([^`]*?)\s*")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*")
_ITEM = re.compile(r"(?:[-*+]|[0-9]{1,9}[.)])\s+(.+)")
_NUMBERING = re.compile(r"(?:step\s+)?[0-9]{1,9}\s*[.):]\s*", re.IGNORECASE)
_FIELDS_LANGUAGES = frozenset({"step", "yaml", "yml"})
_COMMAND_LANGUAGES = frozenset({"sh", "bash", "shell"})


@dataclass(slots=True)
class _Block:
    mark: Mark
    indent: int
    language: str
    attributes: list[str]
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(_dedent(line, self.indent) for line in self.lines)

    @property
    def origin(self) -> Mark:
        return Mark(self.mark.line + 1, self.indent + 1)


@dataclass(slots=True)
class _Section:
    mark: Mark
    title: str
    level: int  # of a heading; 0 for a list item
    blocks: list[_Block] = field(default_factory=list)


def read_markdown(text: str, findings: Findings) -> Node | None:
    """The tree of a Markdown runbook; None if its front matter could not be read."""
    lines = text.splitlines()
    entries: dict[str, Entry] = {}
    start = _front_matter(lines)
    if start:
        front = compose("\n".join(lines[1 : start - 1]), findings, Mark(2, 1))
        if front is None and findings.errors:
            return None
        if front is not None:
            if front.entries is None:
                findings.add(front.mark, "front.type", "The front matter is not a mapping.")
                return None
            entries.update(front.entries)
    sections = _sections(lines, start, findings)
    for section in sections:
        if section.level == 1 and "title" not in entries and section.title:
            entries["title"] = Entry(section.mark, Node(section.mark, section.title))
    if "steps" in entries:
        findings.add(
            entries["steps"].mark,
            "front.steps",
            "In Markdown the steps are the headings, not part of the front matter.",
            "Move each under a heading of its own.",
        )
    steps = []
    for section in sections:
        if section.blocks and section.level == 1:
            findings.add(
                section.blocks[0].mark,
                "markdown.heading",
                "This block belongs to no step.",
                "Put a heading of level 2 or a list item above it, and indent it under the latter.",
            )
        elif section.blocks:
            step = _step(section, findings)
            steps += [step] if step else []
    if steps:
        entries["steps"] = Entry(steps[0].mark, Node(steps[0].mark, tuple(steps)))
    elif findings.errors:
        return None
    return Node(START, entries)


def _front_matter(lines: list[str]) -> int:
    """The number of lines that the front matter takes, its fences included; 0 if there is none."""
    if not lines or lines[0].rstrip() != "---":
        return 0
    for number, line in enumerate(lines[1:], start=2):
        if line.rstrip() in ("---", "..."):
            return number
    return 0


def _sections(lines: list[str], start: int, findings: Findings) -> list[_Section]:
    """The headings and list items, each with the fenced blocks that it owns.

    As in Markdown itself, an indented block belongs to the list item above it, one at the margin
    to the heading above it.
    """
    heading = item = _Section(START, "", 1)
    sections = [heading]
    block: _Block | None = None
    fence = ""
    for number, line in enumerate(lines[start:], start=start + 1):
        if block is not None:
            stripped = line.strip()
            if stripped.startswith(fence) and not stripped.strip(fence[0]):
                block = None
            else:
                block.lines.append(line)
            continue
        if match := _FENCE.fullmatch(line):
            indent, fence = len(match[1]), match[2]
            language, *attributes = match[3].split() or [""]
            block = _Block(Mark(number, indent + 1), indent, language.lower(), attributes)
            if block.language in _FIELDS_LANGUAGES | _COMMAND_LANGUAGES:
                (item if indent >= 2 else heading).blocks.append(block)
        elif match := _HEADING.fullmatch(line):
            heading = item = _Section(Mark(number, 1), match[2], len(match[1]))
            sections.append(heading)
        elif match := _ITEM.fullmatch(line):
            item = _Section(Mark(number, 1), match[1], 0)
            sections.append(item)
    if block is not None:
        findings.add(
            block.mark, "markdown.fence", "This block is never closed.", f"Close it with {fence}."
        )
    return sections


def _step(section: _Section, findings: Findings) -> Node | None:
    """The mapping of a step's fields; None if one of its blocks cannot be read."""
    entries: dict[str, Entry] = {}
    for block in section.blocks:
        if block.language in _FIELDS_LANGUAGES:
            found = _block_fields(block, findings)
        else:
            found = _block_command(block, findings)
        if found is None:
            return None
        for name, entry in found.items():
            if name in entries:
                findings.add(
                    entry.mark,
                    "markdown.twice",
                    f"The step says {name!r} a second time.",
                    "One heading is one step: give the second its own heading.",
                )
            entries.setdefault(name, entry)
    for name, value in _title_fields(section.title).items():
        entries.setdefault(name, Entry(section.mark, Node(section.mark, value)))
    return Node(section.mark, entries)


def _block_fields(block: _Block, findings: Findings) -> dict[str, Entry] | None:
    broken = len(findings.errors)
    node = compose(block.text, findings, block.origin)
    if node is None:
        return {} if len(findings.errors) == broken else None
    if node.entries is None:
        findings.add(node.mark, "step.type", "The block is not a mapping of a step's fields.")
        return None
    return dict(node.entries)


def _block_command(block: _Block, findings: Findings) -> dict[str, Entry]:
    """The command, and the fields in the info string, as in ``sh on=desk timeout=30s parallel``."""
    entries = {"run": Entry(block.mark, Node(block.origin, block.text))}
    for attribute in block.attributes:
        name, equals, value = attribute.partition("=")
        if name not in STEP_FIELDS:
            findings.add(
                block.mark,
                "field.unknown",
                f"A step has no field {name!r}.",
                f"Fields: {', '.join(STEP_FIELDS)}.",
            )
            continue
        entries[name] = Entry(block.mark, Node(block.mark, resolve(value) if equals else True))
    return entries


def _title_fields(title: str) -> dict[str, str]:
    """Id and title from ``id``, ``id: Title``, ``1. Title`` or ``**Title**``."""
    words = _NUMBERING.sub("", title.replace("`", "").replace("**", "").strip(), count=1)
    if IDENTIFIER.fullmatch(words):
        return {"id": words}
    head, colon, rest = words.partition(":")
    if colon and IDENTIFIER.fullmatch(head):
        return {"id": head, "title": rest.strip()}
    return {"id": slug(words), "title": words} if slug(words) else {}


def _dedent(line: str, indent: int) -> str:
    return line[indent:] if not line[:indent].strip() else line.lstrip()
