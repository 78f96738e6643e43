"""JSON or YAML from a file, as plain data."""

from __future__ import annotations

from typing import Any

from .findings import Findings, refusal
from .tree import compose


def read_data(text: str, source: str) -> Any:
    """Read a JSON or YAML document; JSON is read as YAML, so mistakes have a line and a column.

    Args:
        text: the document.
        source: its file, for messages.

    Returns:
        Text, numbers, booleans, lists and dicts; None for an empty document.

    Raises:
        PlanError: it cannot be read, nests too deep, or says something twice.
    """
    findings = Findings()
    node = compose(text, findings)
    if findings.errors:
        raise refusal(findings.errors, source)
    return None if node is None else node.plain()
