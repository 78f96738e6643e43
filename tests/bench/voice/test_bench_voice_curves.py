"""The whole curve of a rule, from one hearing of the streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.voice.bargein import SPEAKING
from agents.voice.events import FRAME_S
from agents.voice.pvad import Judgement
from agents.voice.sound import RATE_HZ
from bench.harness import Report
from bench.voice.bargein import tell
from bench.voice.curves import FALSE, Sweep
from bench.voice.deciders import follow
from bench.voice.interruptions import Events
from bench.voice.judge import FRAMEWORKS, RULES, SWEPT, Found
from bench.voice.mixtures import Condition, Stream, Turn
from bench.voice.speakers import Person

EMPTY = np.zeros(0, np.float32)
TURNS = (
    Turn(True, 0, RATE_HZ),
    Turn(False, 2 * RATE_HZ, 3 * RATE_HZ),
    Turn(True, round(3.51 * RATE_HZ), 4 * RATE_HZ),
)
FRAMES = round(4.3 / FRAME_S)


def streams(count: int) -> list[Stream]:
    return [Stream(Person(f"p{n % 3}", "", EMPTY, ()), EMPTY, TURNS) for n in range(count)]


def scores(rng: np.random.Generator) -> NDArray[np.float64]:
    # Few values, so that many are alike.
    return rng.integers(0, 30, FRAMES) / 10


@given(seed=st.integers(0, 2**32 - 1), tenths=st.integers(-1, 31))
def test_a_curve_is_what_each_threshold_would_do(seed: int, tenths: int) -> None:
    rng, threshold = np.random.default_rng(seed), tenths / 10
    sweep, events = Sweep(), Events()
    for stream in streams(5):
        found = scores(rng)
        sweep.add(stream, found, FRAME_S)
        events.add(stream, found >= threshold, FRAME_S)
    swept = sweep.events(threshold)
    assert swept.waits_s == events.waits_s
    assert swept.false == events.false


@given(seed=st.integers(0, 2**32 - 1))
def test_threshold_gives_no_more_false_alarms_than_asked_and_a_lower_one_does(seed: int) -> None:
    rng, sweep = np.random.default_rng(seed), Sweep()
    for stream in streams(40):
        sweep.add(stream, scores(rng) - rng.integers(0, 20) / 10, FRAME_S)
    for asked in FALSE:
        threshold = sweep.threshold(asked)
        lower = float(np.nextafter(threshold, -np.inf))
        *_, false = sweep.events(threshold).plain()
        *_, more = sweep.events(lower).plain()
        assert false <= asked < more


def test_points_and_line_are_of_one_curve() -> None:
    rng, sweep = np.random.default_rng(1), Sweep()
    for stream in streams(30):
        sweep.add(stream, rng.normal(0, 1, FRAMES), FRAME_S)
    points, line = sweep.points(), sweep.line()
    assert [each.asked for each in points] == list(FALSE)
    assert (np.diff(line.false) > 0).all()
    # With more false alarms nobody waits longer.
    for quantity in ("t90_s", "median_s"):
        waits = np.minimum(getattr(line, quantity), 1e9)
        assert (np.diff(waits) <= 0).all()
    for each in points:
        (at,) = np.nonzero(line.false == each.figures.false.value)
        assert line.median_s[at] == each.figures.median_s.value
        assert each.figures.median_s.low <= each.figures.median_s.value


def test_conditions_are_taken_together() -> None:
    rng, both, parts = np.random.default_rng(2), Sweep(), [Sweep(), Sweep()]
    for part in parts:
        for stream in streams(4):
            found = scores(rng)
            part.add(stream, found, FRAME_S)
            both.add(stream, found, FRAME_S)
    pool = Sweep()
    for part in parts:
        pool.include(part)
    assert pool.threshold(0.3) == both.threshold(0.3)
    assert pool.events(1.0).plain() == both.events(1.0).plain()


def test_the_curve_of_the_agent_is_that_of_its_own_rule() -> None:
    rng = np.random.default_rng(3)
    # Of two minds about anyone, so that noise is noticed and more is asked for.
    odds = np.repeat(rng.normal(1.5, 2, 60), 10)
    judged = [Judgement(0.5, float(1 / (1 + np.exp(-each)))) for each in odds]
    followed = follow(judged)
    silent = followed.scores >= SPEAKING.primary
    assert silent.tolist() == followed.decisions["silent"].tolist()
    assert 0 < silent.mean() < 1
    with_echo = follow(judged, [0.9] * len(judged))
    assert with_echo.scores.max() < followed.scores.max()
    assert followed.scores == pytest.approx(np.clip(followed.scores, 0, 1))


def found_of(rng: np.random.Generator) -> Found:
    """Two people, of whom the rules think what chance has it."""
    found = Found()
    for stream in streams(40):
        for rule in RULES:
            found.events[rule].add(stream, scores(rng) > 2.8, FRAME_S)
        for rule in FRAMEWORKS:
            found.anew[rule].add(stream, scores(rng) > 2.8, FRAME_S)
        for rule in SWEPT:
            found.sweeps[rule].add(stream, rng.normal(0, 1, FRAMES), FRAME_S)
    return found


def test_tables_hold_each_rule_each_share_and_how_far_packages_agree() -> None:
    rng, report = np.random.default_rng(4), Report()
    heard = {condition: found_of(rng) for condition in Condition}
    tell(report, heard, {"Pipecat's": "pipecat-ai 9"})
    rows = [len(table.rows) for table in report.tables]
    assert rows == [len(RULES), len(FALSE)] * len(Condition) + [2 * len(FALSE), 1]
    curve = report.data["barge_in"]["clean"]["curves"]["gate"]
    assert [each["false"] for each in curve] == sorted(each["false"] for each in curve)
    assert report.data["thresholds"]["gate"].keys() == {f"{each:g}" for each in FALSE}
    shares = report.data["alike"]["pipecat-ai 9"].values()
    assert all(0 < each < 1 for each in shares)
    assert "are those of their packages" in " ".join(report.notes)


def test_rules_written_anew_are_called_so() -> None:
    report = Report()
    tell(report, {Condition.CLEAN: found_of(np.random.default_rng(5))}, {})
    assert "alike" not in report.data
    assert "written anew by us" in " ".join(report.notes)


def test_curves_are_drawn_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from bench.voice.plots import plotted

    heard = {condition: found_of(np.random.default_rng(6)) for condition in Condition}
    drawn = [plotted(heard, str(tmp_path / each)).read_text() for each in ("one", "two")]
    assert drawn[0] == drawn[1]
    for name in (*Condition, *SWEPT.values(), *(RULES[each] for each in FRAMEWORKS)):
        assert name in drawn[0]
