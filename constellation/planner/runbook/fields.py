"""Reading typed fields from the tree; what does not fit becomes a finding, and None is read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

from .findings import Findings, Mark
from .tree import Entry, Node

IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|sec|m|min|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
MAX_SECONDS = 1e9


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A remedy that names the nearest known word, or all of them if they are few."""
    near = difflib.get_close_matches(word, sorted(known), n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    if 0 < len(known) <= 24:
        return f"Known: {', '.join(sorted(known))}."
    return ""


class Fields:
    """The entries of one mapping, read one by one.

    Args:
        entries: the mapping.
        owner: what it describes, as in ``step build``; begins the messages.
        findings: gets what does not fit.
    """

    def __init__(self, entries: Mapping[str, Entry], owner: str, findings: Findings) -> None:
        self.entries = entries
        self.owner = owner
        self.findings = findings

    def refuse_unknown(self, known: Collection[str]) -> None:
        for name, entry in self.entries.items():
            if name not in known:
                self.findings.add(
                    entry.mark,
                    "field.unknown",
                    f"{self.owner} has no field {name!r}.",
                    did_you_mean(name, known),
                )

    def node(self, name: str) -> Node | None:
        """The field's node; None if it is absent or null."""
        entry = self.entries.get(name)
        return None if entry is None or entry.value.value is None else entry.value

    def mismatch(self, node: Node, name: str, wanted: str) -> None:
        self.findings.add(
            node.mark,
            "field.type",
            f"{self.owner}: {name!r} must be {wanted}, not {_describe(node)}.",
        )

    def text(self, name: str) -> str | None:
        node = self.node(name)
        if node is None:
            return None
        if isinstance(node.value, str):
            return node.value
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return str(node.value)
        self.mismatch(node, name, "text")
        return None

    def flag(self, name: str) -> bool | None:
        node = self.node(name)
        if node is None or isinstance(node.value, bool):
            return None if node is None else bool(node.value)
        self.mismatch(node, name, "true or false")
        return None

    def integer(self, name: str, minimum: int | None = None) -> int | None:
        node = self.node(name)
        if node is None:
            return None
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool):
            if minimum is None or value >= minimum:
                return value
            self.mismatch(node, name, f"at least {minimum}")
            return None
        self.mismatch(node, name, "a whole number")
        return None

    def number(self, name: str, minimum: float) -> float | None:
        node = self.node(name)
        if node is None:
            return None
        value = node.value
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= minimum:
            return float(value)
        self.mismatch(node, name, f"a number, at least {minimum:g}")
        return None

    def duration_s(self, name: str) -> float | None:
        """Seconds: a number, or text such as ``30s``, ``5m``, ``1h``; above 0."""
        node = self.node(name)
        if node is None:
            return None
        value = node.value
        seconds: float | None = None
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = float(value)
        elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
            seconds = float(match[1]) * _SECONDS[match[2] or "s"]
        if seconds is None or not 0 < seconds <= MAX_SECONDS:
            self.mismatch(node, name, "a duration such as 30s, 5m or 1h")
            return None
        return seconds

    def words(self, name: str) -> tuple[str, ...]:
        """A list of texts; a single text counts as a list of one."""
        node = self.node(name)
        if node is None:
            return ()
        nodes = node.items if node.items is not None else (node,)
        words = []
        for item in nodes:
            if isinstance(item.value, str):
                words.append(item.value)
            else:
                self.mismatch(item, name, "text or a list of texts")
        return tuple(words)

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        node = self.node(name)
        if node is None:
            return None
        if isinstance(node.value, str) and node.value in choices:
            return node.value
        self.mismatch(node, name, f"one of {', '.join(choices)}")
        return None

    def mapping(self, name: str) -> Mapping[str, Entry] | None:
        node = self.node(name)
        if node is None:
            return None
        if node.entries is None:
            self.mismatch(node, name, "a mapping")
        return node.entries

    def identifier(self, name: str) -> str | None:
        text = self.text(name)
        node = self.node(name)
        if text is None or node is None or IDENTIFIER.fullmatch(text):
            return text
        self.findings.add(
            node.mark,
            "field.identifier",
            f"{self.owner}: {text[:64]!r} is not an id.",
            "Use letters, digits, '_' and '-', at most 64.",
        )
        return None

    def marks(self) -> dict[str, Mark]:
        return {name: entry.mark for name, entry in self.entries.items()}


def _describe(node: Node) -> str:
    if node.items is not None:
        return "a list"
    if node.entries is not None:
        return "a mapping"
    text = repr(node.value)
    return text if len(text) <= 40 else f"{text[:37]}…"
