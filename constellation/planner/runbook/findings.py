"""What is wrong or unclear in a runbook, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

from constellation.errors import PlanError

Severity = Literal["error", "warning", "hint"]


class Mark(NamedTuple):
    """A place in the source; both numbers start at 1."""

    line: int
    column: int


START = Mark(1, 1)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One remark on a runbook; findings sort by their place.

    Attributes:
        line, column: where, from 1.
        code: stable name of the rule, such as ``step.unknown-field``.
        message: what is wrong, one sentence.
        remedy: what to do about it, one sentence; may be empty.
        severity: ``error`` (cannot be planned), ``warning`` (probably not what was meant) or
            ``hint`` (could be clearer or faster).
    """

    line: int
    column: int
    code: str
    message: str
    remedy: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}"
        return f"{place} {self.severity} {self.code}: {self.message} {self.remedy}".rstrip()


class Findings(list[Finding]):
    """The findings of one reading, in the order in which they were made."""

    def add(
        self,
        mark: Mark,
        code: str,
        message: str,
        remedy: str = "",
        severity: Severity = "error",
    ) -> None:
        self.append(Finding(mark.line, mark.column, code, message, remedy, severity))

    @property
    def errors(self) -> list[Finding]:
        return sorted(finding for finding in self if finding.severity == "error")


MAX_TOLD = 100
"""An error that travels tells at most so many findings."""


def refusal(findings: Sequence[Finding], source: str) -> PlanError:
    """One error for all findings; its ``details`` hold ``source`` and the findings as plain data.

    The message shows the first with its place; ``line`` and ``column`` in the details are its own.
    """
    first = findings[0]
    others = len(findings) - 1
    more = f" And {others} more problem{'s' if others > 1 else ''}." if others else ""
    return PlanError(
        f"{source}:{first.line}:{first.column}: {first.message}{more}",
        remedy=first.remedy,
        source=source,
        line=first.line,
        column=first.column,
        problems=[asdict(finding) for finding in findings[:MAX_TOLD]],
    )
