"""What was found in a guide: steps and decisions, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from constellation.planner.runbook.findings import START, Finding, Mark

Look = Literal["failed", "completed", "empty", "contains"]


@dataclass(frozen=True, slots=True)
class OnDecision:
    """Runs if a person says that this holds: the guide says it in words.

    Attributes:
        words: the condition, as the guide has it.
        holds: False for the branch that runs if it does not hold.
    """

    words: str
    holds: bool = True
    mark: Mark = START


@dataclass(frozen=True, slots=True)
class OnResult:
    """Runs by how an earlier step ended or what it printed.

    Attributes:
        look: what about it.
        text: what its output contains, for ``contains``.
        holds: False for the branch that runs if it does not hold.
        step: which one, counted from 0.
    """

    look: Look
    text: str = ""
    holds: bool = True
    step: int = 0


When = OnDecision | OnResult


@dataclass(frozen=True, slots=True)
class Found:
    """One command of the guide.

    Attributes:
        title: the words around it.
        command: what is run, with its placeholders.
        mark: where the command stands.
        places: devices, or ``all``; none for any device.
        when: what must hold, all of it.
        parallel: starts together with the command above.
    """

    title: str
    command: str
    mark: Mark
    places: tuple[str, ...] = ()
    when: tuple[When, ...] = ()
    parallel: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """The commands of a guide, in their order."""

    title: str
    steps: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Extraction:
    """A draft runbook.

    Attributes:
        text: the runbook as YAML; empty if there was no step.
        findings: what could not be placed and what needs a person's eyes, by place in the guide.
    """

    text: str
    findings: tuple[Finding, ...]
