"""The bench of pipelines, at its smallest, with real processes."""

from __future__ import annotations

import pytest

from bench.harness import Options
from bench.pipeline import _ahead, run


@pytest.mark.full
def test_it_compares_and_finds_the_bound() -> None:
    report = run(Options(quick=True))
    assert set(report.data["makespan"]) == {"2", "4", "8"}
    for row in report.data["makespan"].values():
        assert row["with_s"]["median"] >= row["sleep_s"]
    for row in report.data["lag"].values():
        assert 1 <= row["ahead"]["max"] <= 16


def test_how_far_ahead_a_source_was() -> None:
    assert _ahead([1.0, 2.0, 3.0], [1.5, 2.5, 3.5]) == 1
    assert _ahead([1.0, 2.0, 3.0], [3.5, 4.0, 5.0]) == 3
    assert _ahead([], []) == 0
