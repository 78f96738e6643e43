"""Going through the blocks of a guide: what each says, and what holds for what stands below it.

A heading, a paragraph before a list or a fenced block, and a list item each say something that
holds for what they own: a device, a condition, that things may happen at once, or must not happen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from constellation.planner.runbook.findings import START, Findings, Mark

from .commands import only_looks
from .draft import Draft, Found, OnDecision, OnResult, When
from .outline import Block
from .placeholders import fill
from .sentences import MAX_SENTENCE, Sentence, on_result, sentences

_SHELLS = frozenset(
    {"sh", "bash", "shell", "zsh", "console", "shell-session", "shellsession", "terminal"}
)
_DATA = frozenset(
    {"text", "txt", "output", "log", "json", "yaml", "yml", "toml", "ini", "conf", "diff", "xml"}
)
_SAMPLE = re.compile(r"\b(?:output|like|prints?|shows?|expect\w*|returns?)\b", re.IGNORECASE)
_RUN = re.compile(r"\b(?:run|execute|enter|type|issue)\b", re.IGNORECASE)
_PROMPT = re.compile(r"(?:[\w.@~:/-]+)?\$ (.+)")
# What one command leaves to the next in the same shell.
_LASTING = re.compile(r"(?:cd|export|set|source|\.|alias|umask|[A-Za-z_]\w*=)(?:\s|\b)")
_THEN = re.compile(r"(?:and|then|next|afterwards|after that|finally|also)\b", re.IGNORECASE)
MAX_TITLE = 80


@dataclass(slots=True)
class _Scope:
    """What holds for everything that a heading, a paragraph or an item owns.

    Attributes:
        level: of the heading, or the columns of indentation.
        text: what it says, for titles.
        mark: where it stands.
        series: the list that an item is in, from 1; 0 for none.
        steps: indices of the commands that the item itself names.
        nested: True if other items stand in it.
        settled: True if it need not name a command itself.
        spent: True once a block below it has followed from it.
    """

    level: int
    text: str = ""
    mark: Mark = START
    places: tuple[str, ...] = ()
    when: tuple[When, ...] = ()
    at_once: bool = False
    forbidden: bool = False
    series: int = 0
    ordered: bool = False
    steps: list[int] = field(default_factory=list)
    nested: bool = False
    settled: bool = False
    spent: bool = False


class Reader:
    """Reads one guide.

    Args:
        devices: names that are places.
        findings: gets what could not be placed.

    Attributes:
        refused: the commands that the guide says not to run, each with its place.
    """

    def __init__(self, devices: Collection[str], findings: Findings) -> None:
        self._devices = devices
        self._findings = findings
        self.refused: list[tuple[Mark, str]] = []
        self._title = ""
        self._steps: list[Found] = []
        self._headings: list[_Scope] = []
        self._lead: _Scope | None = None
        self._items: list[_Scope] = []
        self._all_items: list[_Scope] = []
        self._lists = 0
        self._last: tuple[When, ...] = ()

    def read(self, blocks: Sequence[Block]) -> Draft:
        """The commands of all blocks, in their order."""
        for block in blocks:
            match block.kind:
                case "heading":
                    self._heading(block)
                case "text":
                    self._paragraph(block)
                case "item":
                    self._item(block)
                case "fence":
                    self._fence(block)
        for item in self._all_items:
            if not item.steps and not item.settled:
                self._findings.add(
                    item.mark,
                    "prose.no-command",
                    f"{_short(item.text)!r} names no command; the draft leaves it out.",
                    "Say what to run, in backticks after 'run' or in a block; or do it yourself.",
                    "warning",
                )
        return Draft(self._title, self._at_once())

    # ── blocks ──────────────────────────────────────────────────────────────────────────────────

    def _heading(self, block: Block) -> None:
        while self._headings and self._headings[-1].level >= block.level:
            self._headings.pop()
        self._items, self._lead = [], None
        if block.level == 1 and not self._title:
            self._title = block.text.replace("`", "")
        scope = _Scope(block.level, block.text, block.mark)
        self._headings.append(scope)
        self._sentences(block, scope)

    def _paragraph(self, block: Block) -> None:
        while self._items and self._items[-1].level >= block.level:
            self._items.pop()
        self._lead = _Scope(block.level, mark=block.mark)
        self._sentences(block, self._lead)

    def _item(self, block: Block) -> None:
        sibling = None
        while self._items and self._items[-1].level >= block.level:
            sibling = self._items.pop()
        if self._lead is not None and (self._lead.spent or not self._lead.text.endswith(":")):
            self._lead = None
        self._leave(block.level)
        same = sibling and sibling.level == block.level and sibling.ordered == block.ordered
        if not same:
            self._lists += 1
        scope = _Scope(
            block.level,
            block.text,
            block.mark,
            series=sibling.series if sibling and same else self._lists,
            ordered=block.ordered,
            at_once=any(above.at_once for above in self._scopes()),
            # Who goes through numbered steps stays where the last one led.
            places=sibling.places if sibling and same and block.ordered else (),
        )
        for above in self._items:
            above.nested = above.settled = True
        self._items.append(scope)
        self._all_items.append(scope)
        self._sentences(block, scope)

    def _leave(self, level: int) -> None:
        """What stands further left is not spoken of by a paragraph within an item."""
        if self._lead is not None and level < self._lead.level:
            self._lead = None

    def _fence(self, block: Block) -> None:
        while self._items and self._items[-1].level >= block.level:
            self._items.pop()
        self._leave(block.level)
        above = self._scopes()[-1] if self._scopes() else _Scope(0)
        for mark, command in self._scripts(block, above):
            if self._is_forbidden():
                self._refuse(mark, command)
            else:
                self._add(above.text, command, mark)
        above.spent = True

    def _scripts(self, block: Block, above: _Scope) -> list[tuple[Mark, str]]:
        """The commands of a fenced block, each with its place."""
        last = above.text.rpartition(". ")[2]
        sample = bool(_SAMPLE.search(last)) and not _RUN.search(last)
        prompted = [
            (Mark(mark.line, mark.column + match.start(1)), match[1])
            for mark, line in block.lines
            if (match := _PROMPT.match(line))
        ]
        meant = block.language in _SHELLS or (
            not block.language and bool(prompted or _RUN.search(last))
        )
        if not block.text.strip():
            return []
        if sample:
            if meant:
                self._findings.add(
                    block.mark,
                    "prose.sample",
                    "This block is taken for what a command prints.",
                    "Write 'run' above it if it is to be run.",
                    "hint",
                )
            return []
        if meant and any(_LASTING.match(command) for _, command in prompted):
            return [(prompted[0][0], "\n".join(command for _, command in prompted))]
        if meant:
            return prompted or [(block.mark, block.text.strip())]
        if block.language not in _DATA:
            self._findings.add(
                block.mark,
                "prose.block",
                f"This block is not marked as a command ({block.language or 'no language'}).",
                "Mark it sh if it is one, or text if it is none.",
                "hint",
            )
        return []

    # ── sentences ───────────────────────────────────────────────────────────────────────────────

    def _sentences(self, block: Block, scope: _Scope) -> None:
        for sentence in sentences(block.text, self._devices):
            self._take(scope, sentence, block)
            if len(sentence.text) > MAX_SENTENCE:
                self._findings.add(
                    block.mark_at(sentence.start),
                    "prose.long",
                    f"This sentence has more than {MAX_SENTENCE} characters and was not read.",
                    "Split it.",
                    "warning",
                )
            for number, (offset, command) in enumerate(sentence.commands):
                mark = block.mark_at(offset)
                if sentence.forbidden or self._is_forbidden():
                    self._refuse(mark, command)
                else:
                    self._add(sentence.text, command, mark, joined=number in sentence.joined)
            for offset, command in sentence.mentioned:
                self._findings.add(
                    block.mark_at(offset),
                    "prose.mentioned",
                    f"{_short(command)!r} looks like a command, but nothing says to run it.",
                    "Write 'run' before it if it is to be run.",
                    "warning",
                )
            if sentence.leads_elsewhere:
                self._findings.add(
                    block.mark_at(sentence.start),
                    "prose.elsewhere",
                    f"{_short(sentence.text)!r} leads elsewhere; the draft goes on below.",
                    "Put an 'if' on the steps that are gone to, or on those left out.",
                    "warning",
                )

    def _take(self, scope: _Scope, sentence: Sentence, block: Block) -> None:
        """Let what a sentence says hold for its scope, until the next one says otherwise."""
        mark = block.mark_at(sentence.start)
        scope.text = sentence.text
        if sentence.places:
            scope.places = sentence.places
            for name in sentence.guessed:
                self._findings.add(
                    mark,
                    "prose.place",
                    f"{name!r} is taken for the name of a device.",
                    "Put the device's own name there, or another 'on' into the draft.",
                    "warning",
                )
        if sentence.condition:
            scope.when = self._last = (self._when(sentence.condition, mark),)
        elif sentence.otherwise:
            undecided: tuple[When, ...] = (OnDecision("otherwise", mark=mark),)
            scope.when = self._last = tuple(map(_opposite, self._last)) or undecided
        elif not _THEN.match(sentence.text):
            scope.when = ()
        scope.at_once = scope.at_once or sentence.at_once
        scope.forbidden = sentence.forbidden and not sentence.commands
        scope.settled = scope.settled or sentence.forbidden

    def _is_forbidden(self) -> bool:
        return any(scope.forbidden for scope in self._scopes())

    def _when(self, condition: str, mark: Mark) -> When:
        found = on_result(condition)
        if found is None or not self._steps:
            return OnDecision(condition, mark=mark)
        return replace(found, step=len(self._steps) - 1)

    # ── commands ────────────────────────────────────────────────────────────────────────────────

    def _scopes(self) -> list[_Scope]:
        """What holds here, outermost first."""
        if self._lead is None:
            return [*self._headings, *self._items]
        # A paragraph within an item stands between it and the items below.
        around = [item for item in self._items if item.level < self._lead.level]
        within = self._items[len(around) :]
        return [*self._headings, *around, self._lead, *within]

    def _add(self, title: str, command: str, mark: Mark, *, joined: bool = False) -> None:
        scopes = self._scopes()
        places = [scope.places for scope in scopes if scope.places]
        conditions: dict[When, None] = {}
        for when in (each for scope in scopes for each in scope.when):
            # The other branch of what a heading says takes its place.
            conditions.pop(_opposite(when), None)
            conditions[when] = None
        if self._items:
            self._items[-1].steps.append(len(self._steps))
        self._steps.append(
            Found(
                title=_short(title.replace("`", "").rstrip(" :.")) or command.splitlines()[0],
                command=command,
                mark=mark,
                places=places[-1] if places else (),
                when=tuple(conditions),
                parallel=joined and self._may_join(conditions),
            )
        )

    def _may_join(self, conditions: Collection[When]) -> bool:
        """True if a step can start together with the one before: it does not look at its result."""
        if not self._steps:
            return False
        first = len(self._steps) - 1
        while first and self._steps[first].parallel:
            first -= 1
        return not any(isinstance(each, OnResult) and each.step >= first for each in conditions)

    def _refuse(self, mark: Mark, command: str) -> None:
        self.refused.append((mark, command))
        self._findings.add(
            mark,
            "prose.forbidden",
            f"The guide says not to run {_short(command)!r}; the draft leaves it out.",
            "Say it in other words if it is to be run.",
            "hint",
        )

    # ── what may happen at once ─────────────────────────────────────────────────────────────────

    def _at_once(self) -> tuple[Found, ...]:
        """The steps; those of bullets that do not depend on each other start together."""
        steps = list(self._steps)
        for number in range(1, self._lists + 1):
            items = [item for item in self._all_items if item.series == number]
            found = [index for item in items for index in item.steps]
            if len(found) < 2 or any(len(item.steps) != 1 or item.nested for item in items):
                continue
            if not self._independent(items, [steps[index] for index in found]):
                continue
            for index in found[1:]:
                steps[index] = replace(steps[index], parallel=True)
        return tuple(steps)

    def _independent(self, items: Sequence[_Scope], steps: Sequence[Found]) -> bool:
        first = items[0].steps[0]
        looked_at = [each for step in steps for each in step.when if isinstance(each, OnResult)]
        if any(each.step >= first for each in looked_at):
            return False
        if items[0].at_once:
            return True
        return not items[0].ordered and all(
            only_looks(fill(step.command).command) for step in steps
        )


def _opposite(when: When) -> When:
    return replace(when, holds=not when.holds)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_TITLE else f"{line[: MAX_TITLE - 1]}…"
