"""The choice of a strategy and of an execution horizon, and actions as control steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from robot_bench import policy

from agents.robot.blending import averaged, spread, wishes
from agents.robot.ports import Semantics
from agents.robot.strategies import Roll, chosen, execution_horizon, rolled
from constellation.errors import ConfigError


@pytest.mark.parametrize(
    ("declared", "dynamics", "name"),
    [
        ({}, False, "aligned"),
        ({}, True, "aligned"),
        ({"takes_prefix": True}, False, "rtc-prefix"),
        ({"inpaints": True}, False, "rtc-guided"),
        ({"inpaints": True, "takes_prefix": True}, False, "rtc-prefix"),
        ({"takes_prefix": True, "corrects": True}, False, "a2c2"),
        ({"takes_future_state": True, "corrects": True}, True, "a2c2"),
        ({"takes_future_state": True}, True, "future-state-dynamics"),
        ({"takes_future_state": True}, False, "future-state-last"),
        (
            {"takes_future_state": True, "semantics": Semantics.RELATIVE},
            False,
            "future-state-sum",
        ),
    ],
)
def test_the_default_follows_what_is_declared(
    declared: dict[str, object], dynamics: bool, name: str
) -> None:
    choice = chosen(None, policy(**declared), dynamics=dynamics)

    assert choice.strategy.name == name
    assert choice.why


def test_future_state_keeps_the_correction_of_a_policy() -> None:
    both = chosen("future-state", policy(corrects=True), dynamics=False).strategy

    assert both.roll is Roll.LAST_COMMAND
    assert both.corrects


@pytest.mark.parametrize("name", ["rtc", "a2c2", "future-state-dynamics", "magic"])
def test_a_strategy_without_what_it_needs_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        chosen(name, policy(), dynamics=False)


@given(
    st.integers(1, 60),
    st.integers(0, 59),
    st.booleans(),
    st.none() | st.integers(0, 100),
)
def test_the_execution_horizon_fits_into_the_chunk(
    horizon: int, delay: int, waits: bool, reaction: int | None
) -> None:
    delay = min(delay, horizon - 1)
    executed = execution_horizon(horizon, delay, waits=waits, reaction=reaction)

    assert 1 <= executed <= horizon
    if not waits and 2 * delay <= horizon:
        assert delay <= executed
        assert executed + delay <= horizon or executed == 1
    if reaction is not None and not waits and 2 * delay <= reaction <= horizon and delay:
        assert executed + delay == reaction


relative = st.lists(
    st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)), min_size=1, max_size=30
)


@given(relative, st.integers(1, 4), st.integers(1, 4))
def test_merged_and_spread_actions_lead_to_the_same_place(
    actions: list[tuple[float, float]], merge: int, servo: int
) -> None:
    array = np.array(actions, np.float32)
    whole = array[: len(array) // merge * merge]
    start = np.array([0.5, -0.5])

    steps = spread(array, Semantics.RELATIVE, merge=merge, servo=servo)
    assert len(steps) == len(array) // merge * servo
    if len(steps):
        reached = wishes(steps, Semantics.RELATIVE, start, 50.0)[-1]
        np.testing.assert_allclose(reached, start + whole.sum(axis=0), atol=1e-4)

    positions = spread(array, Semantics.ABSOLUTE, merge=merge, servo=servo)
    if len(positions):
        last = positions[servo - 1 :: servo]
        np.testing.assert_allclose(last, whole[merge - 1 :: merge], atol=1e-6)


def test_velocities_are_followed_for_as_long_as_they_were_meant() -> None:
    fast = np.full((5, 2), 0.5, np.float32)
    steps = spread(fast, Semantics.VELOCITY, servo=2)

    moved = wishes(steps, Semantics.VELOCITY, np.zeros(2), 100.0)[-1]
    np.testing.assert_allclose(moved, 5 * 0.5 / 50.0, rtol=1e-6)


def test_only_the_overlap_is_averaged() -> None:
    mixed = averaged(np.zeros((2, 1), np.float32), np.ones((4, 1), np.float32), 0.7)

    np.testing.assert_allclose(mixed[:, 0], [0.7, 0.7, 1.0, 1.0])


def test_the_state_beside_the_positions_is_left_alone() -> None:
    state, wished = np.float32([0.1, 0.2, 9.0]), np.array([[0.3, 0.3], [0.5, 0.4]])

    last = rolled(Roll.LAST_COMMAND, state, np.zeros(2), wished, None)
    moved = rolled(Roll.SUM, state, np.array([0.2, 0.2]), wished, None)
    np.testing.assert_allclose(last, [0.5, 0.4, 9.0])
    np.testing.assert_allclose(moved, [0.4, 0.4, 9.0], rtol=1e-6)
    np.testing.assert_allclose(state, [0.1, 0.2, 9.0])
