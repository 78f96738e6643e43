"""Whatever is in a file, reading it gives a runbook or precise findings, and never a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planner_cards import COMPUTER

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch
from constellation.planner.runbook import lint, load

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.yaml"))]
TEXTS += [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.md"))]
CARDS = tuple(DeviceCard(name=name, skills=COMPUTER) for name in ("desk", "server"))
PIECES = [
    "${a.output}", "${", "}", "needs:", "- ", ": ", "\n", "  ", "'", '"', "[", "{", "|", ">", "&a",
    "*a", "!!x", "---", "```sh", "```step\n", "## ", "if: ", "on: all", "parallel: true", "\t", "#",
    "output.x >", "state == 'failed'", "inputs.", "for_each: ", "\x00", "é", "1e999",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A runbook with some pieces put in, taken out or moved."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 20)))
        text = text[:start] + draw(st.sampled_from(["", *PIECES])) + text[end:]
    return text


pieces = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
documents = st.one_of(st.text(max_size=300), pieces, mutated())
sources = st.sampled_from(["book.yaml", "book.md"])


@settings(max_examples=300)
@given(documents, sources)
def test_reading_never_crashes(text: str, source: str) -> None:
    findings = lint(text, source)
    lines = text.count("\n") + text.count("\r") + 2
    for finding in findings:
        assert 1 <= finding.line <= lines + text.count("\x85") + text.count("\u2028") * 2
        assert finding.column >= 1
        assert finding.message
    errors = [each.code for each in findings if each.severity == "error"]
    if not errors:
        assert load(text, source) == load(text, source)
        return
    with pytest.raises(PlanError) as caught:
        load(text, source)
    assert [problem["code"] for problem in caught.value.details["problems"]] == errors[:100]


@settings(max_examples=200)
@given(mutated(), sources)
def test_what_can_be_read_can_be_applied_or_is_refused(text: str, source: str) -> None:
    try:
        plan = load(text, source).plan({}, CARDS)
    except PlanError:
        return
    Constellation("c").apply(Batch(plan.edits), 0.0)
