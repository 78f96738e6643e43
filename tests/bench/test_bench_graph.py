"""The bench of the graph, at its smallest."""

from __future__ import annotations

from bench.graph import run
from bench.harness import Options

EDITS = {"edge", "node between two", "subgraph replaced"}


def test_it_says_what_an_operation_costs_at_each_size_and_how_long_an_edit_takes() -> None:
    report = run(Options(quick=True))
    costs = report.data["us_per_operation"]
    assert set(costs) == {"400", "800", "1600"}
    for by_kind in costs.values():
        assert set(by_kind) == {"build", "drain", "metrics", *EDITS}
        assert all(cost["median"] > 0 for cost in by_kind.values())
    assert set(report.data["growth"]) == set(costs["400"])
    running = report.data["edit_of_a_running_constellation_us"]
    assert running["tasks"] == 1_600
    for kind in EDITS:
        assert 0 < running[kind]["p50"] <= running[kind]["p99"] <= running[kind]["max"]
    assert report.data["bytes_per_waiting_task"] > 0
    assert len(report.tables) == 3
