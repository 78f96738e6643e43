"""The examples of docs/howto/runbooks.md can be read, planned and linted as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agents.computer import skills
from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch
from constellation.planner.runbook import lint, load
from constellation.planner.runbook.steps import STEP_FIELDS

HOWTO = (Path(__file__).parents[2] / "docs" / "howto" / "runbooks.md").read_text(encoding="utf-8")
MARKDOWN = [
    re.sub(r"^  ", "", text, flags=re.MULTILINE) if text.startswith("  ") else text
    for text in re.findall(r"````markdown\n(.*?)````", HOWTO, re.DOTALL)
]
YAML = re.findall(r"^```yaml\n(.*?)^```", HOWTO, re.DOTALL | re.MULTILINE)
CARDS = tuple(
    DeviceCard(name=name, labels={"role": name}, skills=tuple(skill.card for skill in skills()))
    for name in ("desk", "laptop", "server")
)


@pytest.mark.parametrize(
    ("text", "source"),
    [*((text, "a.md") for text in MARKDOWN), *((text, "a.yaml") for text in YAML)],
)
def test_examples(text: str, source: str) -> None:
    plan = load(text, source).plan({"folder": "x"} if "folder:" in text else {}, CARDS)
    Constellation("c").apply(Batch(plan.edits), 0.0)
    assert lint(text, source, CARDS) == []


def test_there_are_examples_of_both_forms() -> None:
    assert len(MARKDOWN) == 2
    assert len(YAML) == 3


def test_every_field_is_described() -> None:
    for name in STEP_FIELDS:
        assert f"`{name}`" in HOWTO


def test_the_message_shown_is_the_message_given() -> None:
    with pytest.raises(PlanError) as caught:
        load("steps:\n  - {run: x, timout: 3}", "nightly.yaml")
    assert str(caught.value) in HOWTO
