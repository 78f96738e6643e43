"""The bench of robots: intervals, cut links, a server with many robots, and its tables."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from bench.harness import Options
from bench.robot import run
from bench.robot.busy_hub import lateness_on_a_hub
from bench.robot.fleet import fleet
from bench.robot.link import cut_links
from bench.robot.live import lateness, over_sockets
from bench.robot.serving import served
from bench.robot.sharing import training_speed
from bench.robot.statistics import mean_of

# Without foreign worlds: these take minutes, and their own tests play them.
PARTS = (
    "corrections",
    "tails",
    "flows",
    "positions",
    "time",
    "link",
    "serving",
    "fleet",
    "sharing",
    "sockets",
    "jitter",
    "hub",
)


def test_an_interval_holds_the_mean_of_most_samples() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        found = mean_of(rng.beta(4, 2, 20).tolist())
        assert found.low < found.mean < found.high
        held += found.low <= 4 / 6 <= found.high
    assert held >= 85


def test_twenty_successes_leave_some_doubt() -> None:
    found = mean_of([1.0] * 20)
    assert found.percent() == "100 (84–100)"
    assert mean_of([0.0] * 20).high == pytest.approx(1 - found.low)


def test_a_cut_link_is_a_hold_at_once_and_within_limits() -> None:
    cuts = cut_links(20)
    assert (cuts.cuts, cuts.late, cuts.resumed, cuts.violations) == (20, 0, 20, 0)


def test_batches_carry_more_robots() -> None:
    one, batched = served(32, 1, seconds=20), served(32, 16, seconds=20)
    assert batched.missed == 0 < 0.5 < one.missed
    assert batched.per_second > 2 * one.per_second
    assert batched.batch > 2
    assert served(2, 1, seconds=20).missed == 0


def test_more_robots_than_can_be_served_cost_nobody_who_can() -> None:
    """At most 16 in 221 ms: 72 answers a second, and 64 robots want 128."""
    assert served(64, 16, seconds=20).per_second > 0.9 * 72


def test_parts_can_be_taken_alone() -> None:
    report = run(Options(quick=True, extra={"only": "serving"}))
    assert list(report.data) == ["serving"]
    assert report.data["serving"][1] == {"one": 0.0, "batched": 0.0}


@pytest.mark.full
def test_batches_carry_more_robots_over_real_sockets_too() -> None:
    """A question takes 48 ms on its own, so 32 robots that ask twice a second are too many."""
    one, batched = fleet(32, 1, seconds=5), fleet(32, 16, seconds=5)
    assert one.batch == 1 < batched.batch
    assert one.missed > batched.missed
    assert batched.per_second > one.per_second


@pytest.mark.full
def test_a_robot_on_a_busy_hub_is_timed(caplog: pytest.LogCaptureFixture) -> None:
    late, tasks = lateness_on_a_hub(50.0, 1, busy=True)
    # No process ended without the event loop knowing it.
    assert "child process" not in caplog.text
    assert len(late) == 50
    assert min(late) >= 0
    assert tasks > 0


def test_training_that_shares_observations_is_timed() -> None:
    speeds = training_speed((1, 4), (16,), 1)
    assert set(speeds) == {1, 4}
    assert min(speeds.values()) > 0


@pytest.mark.full
def test_robots_play_over_sockets() -> None:
    found = over_sockets("whack", "future-state-dynamics", 2, seconds=5)
    assert len(found) == 2
    assert any(each.held < 0.9 for each in found)


def test_each_control_step_is_timed() -> None:
    late = lateness(50.0, 0.3, busy=1)
    assert late
    assert min(late) >= 0


def whole(part: str) -> Any:
    """What the command finds in one world."""
    command = [sys.executable, "-m", "bench", "robot", "--quick", "--json"]
    done = subprocess.run(
        [*command, "--set", f"only={part}", "--set", "world=whack"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.full
def test_future_states_hit_more_than_what_is_merely_aligned() -> None:
    found = whole("success")
    success = found["success"]["whack"]
    assert success["future-state-dynamics"]["8"]["mean"] > 3 * success["aligned"]["8"]["mean"]
    assert "reactions" in found


@pytest.mark.full
@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_the_bench_runs(part: str) -> None:
    assert whole(part)[part]
