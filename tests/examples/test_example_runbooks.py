"""The runbooks in examples/: short, without a remark of the linter, and fit to be planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.computer import skills
from agents.loading import load_file
from constellation.aip.cards import DeviceCard
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch
from constellation.planner.runbook import lint, load

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNBOOKS = sorted([*EXAMPLES.glob("*.md"), *EXAMPLES.glob("*.yaml")])
READINGS = load_file(EXAMPLES / "readings.py")
COMPUTER = tuple(skill.card for skill in (*skills(), *READINGS))
CARDS = tuple(
    DeviceCard(name=name, platform="linux", labels={"role": name}, skills=COMPUTER)
    for name in ("desk", "laptop", "server")
)


def test_there_are_some() -> None:
    assert {path.suffix for path in RUNBOOKS} == {".md", ".yaml"}


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.name)
def test_runbook(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert [str(finding) for finding in lint(text, path.name, CARDS)] == []
    assert [str(finding) for finding in lint(text, path.name)] == []
    plan = load(text, path.name).plan({}, CARDS)
    graph = Constellation("c")
    graph.apply(Batch(plan.edits), 0.0)
    assert len(graph.nodes) >= 3
