"""The bench of the journal, at its smallest."""

from __future__ import annotations

from bench.harness import Options
from bench.journal import run


def test_it_says_what_an_event_costs_and_how_long_a_start_takes() -> None:
    report = run(Options(quick=True))
    write, replay = report.data["write"], report.data["replay"]
    assert set(write) == {"normal", "full", "off"}
    for sync in write.values():
        assert set(sync) == {"1", "10", "100"}
        for per_commit in sync.values():
            for who in ("journal", "sqlite"):
                assert per_commit[who]["cpu_us"]["median"] > 0
                assert per_commit[who]["wall_us"]["median"] > 0
    assert replay["no_snapshot"]["replayed"] == replay["no_snapshot"]["events"] >= 1_000
    assert replay["with_snapshots"]["events"] >= 9_000
    assert 0 < replay["with_snapshots"]["replayed"] < 1_000
    for start in replay.values():
        assert start["s"]["median"] > 0
        assert start["cpu_s"]["median"] > 0
        assert start["bytes"] > 0
    assert len(report.tables) == 2
