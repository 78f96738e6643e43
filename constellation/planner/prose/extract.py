"""A draft runbook of a guide, without a model."""

from __future__ import annotations

from collections.abc import Sequence

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.planner.runbook.findings import START, Findings
from constellation.planner.runbook.reader import MAX_CHARACTERS

from .draft import Extraction
from .outline import outline
from .reading import Reader
from .writing import write


def extract(
    text: str,
    source: str = "guide.md",
    cards: Sequence[DeviceCard] | None = None,
    *,
    on: str = "",
) -> Extraction:
    """A draft runbook of a guide, the same every time.

    Args:
        text: a Markdown document for people.
        source: its file name.
        cards: the connected devices, if they are known: their names are places.
        on: the device for what says none; empty for any.

    Raises:
        PlanError: the document is too long.
    """
    check_length(text, source)
    findings = Findings()
    names = [card.name for card in cards or ()]
    draft = Reader(names, findings).read(outline(text.removeprefix("\ufeff")))
    if not draft.steps:
        findings.add(
            START,
            "prose.nothing",
            "The guide names no command.",
            "Put commands into fenced blocks marked sh, or into backticks after 'run'.",
        )
        return Extraction("", tuple(sorted(findings)))
    return Extraction(write(draft, source, on, findings), tuple(sorted(findings)))


def check_length(text: str, source: str) -> None:
    """Refuse what is too long to be read.

    Raises:
        PlanError: it is.
    """
    if len(text) > MAX_CHARACTERS:
        raise PlanError(f"{source} has more than {MAX_CHARACTERS} characters.", remedy="Split it.")
