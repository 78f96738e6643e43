"""The bench of the terminal interface works and takes every event."""

from __future__ import annotations

from bench.harness import Options
from bench.tui import EVENTS_PER_S, TO_THE_SCREEN, run


def test_every_screen_is_measured_and_no_event_is_left_behind() -> None:
    report = run(Options(quick=True))
    for screen in TO_THE_SCREEN:
        row = report.data[screen]
        assert row["key_p95_ms"] >= row["key_p50_ms"] > 0
        assert 0 < row["events_per_s"] <= EVENTS_PER_S
