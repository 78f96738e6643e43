"""The envelope: no wish leads out of the limits, a hold comes in time, and a goal is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.robot.safety import Envelope, Limits, Vector, Workspace
from constellation.errors import ConfigError

LOW, HIGH = -1.5, 1.0


def limits(
    velocity: float = 2.0, acceleration: float = 10.0, jerk: float = 100.0, *, joints: int = 1
) -> Limits:
    one = np.ones(joints)
    return Limits(LOW * one, HIGH * one, velocity * one, acceleration * one, jerk * one, 50.0)


some_limits = st.builds(
    limits, st.floats(0.2, 5.0), st.floats(4.0, 200.0), st.floats(60.0, 50_000.0)
)
wishes = st.one_of(
    st.floats(-3.0, 3.0),
    st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300, LOW, HIGH]),
)
# Wishes and for how many steps each stays.
sequences = st.lists(st.tuples(wishes, st.integers(1, 20)), max_size=8)


def follow(envelope: Envelope, sequence: list[tuple[float, int]]) -> Vector:
    """The commands, the start among them; (n,)."""
    commands = [float(envelope.motion.position[0])]
    for wish, times in sequence:
        commands.extend(float(envelope.step(np.array([wish]))[0][0]) for _ in range(times))
    return np.array(commands)


def within(given: Limits, commands: Vector) -> bool:
    """Whether commands keep all limits, if the robot stood still before the first."""
    rate, slack = given.rate_hz, 1 + 1e-6
    padded = np.concatenate((np.full(3, commands[0]), commands))
    velocity, acceleration, jerk = (np.abs(np.diff(padded, n=n)).max() for n in (1, 2, 3))
    return bool(
        padded.min() >= LOW - 1e-9
        and padded.max() <= HIGH + 1e-9
        and velocity <= given.velocity[0] / rate * slack
        and acceleration <= given.acceleration[0] / rate**2 * slack + 1e-12
        and jerk <= given.jerk[0] / rate**3 * slack + 1e-12
    )


@given(some_limits, st.floats(LOW, HIGH), sequences)
def test_no_sequence_of_wishes_leads_out_of_the_limits(
    given: Limits, start: float, sequence: list[tuple[float, int]]
) -> None:
    commands = follow(Envelope(given, np.array([start])), sequence)

    assert within(given, commands)


@given(some_limits, st.floats(LOW, HIGH), sequences)
def test_a_hold_keeps_the_limits_and_ends_at_rest_in_time(
    given: Limits, start: float, sequence: list[tuple[float, int]]
) -> None:
    envelope = Envelope(given, np.array([start]))
    commands = list(follow(envelope, sequence))

    commands.extend(float(envelope.hold()[0]) for _ in range(given.braking_steps + 1))

    assert envelope.motion.at_rest
    assert within(given, np.array(commands))


@given(some_limits, sequences, st.floats(LOW, HIGH))
@settings(max_examples=30)
def test_a_goal_is_reached_and_kept_at_rest(
    given: Limits, sequence: list[tuple[float, int]], goal: float
) -> None:
    envelope = Envelope(given, np.array([0.0]))
    follow(envelope, sequence)
    way = (HIGH - LOW) / (given.velocity[0] / given.rate_hz)
    enough = int(way) + 8 * given.braking_steps

    for _ in range(enough):
        command, clamped = envelope.step(np.array([goal]))

    assert command[0] == pytest.approx(goal, abs=1e-8)
    assert envelope.motion.at_rest
    assert not clamped[0]


def test_a_goal_is_not_passed() -> None:
    commands = follow(Envelope(limits(), np.array([0.0])), [(0.7, 200)])

    assert commands.max() <= 0.7 + 1e-9
    assert (np.diff(commands) >= -1e-12).all()


def test_wishes_within_the_limits_are_met_exactly() -> None:
    envelope = Envelope(limits(joints=2), np.zeros(2))
    for step in range(200):
        ease = 1 - np.cos(2 * np.pi * 0.4 * step / 50)
        wish = np.array([0.2, -0.1]) * ease
        command, clamped = envelope.step(wish)
        assert not clamped.any()
        np.testing.assert_allclose(command, wish, atol=1e-9)


@pytest.mark.parametrize("swing", [0.0, 0.3])
def test_a_jump_of_moving_wishes_is_caught_up_with(swing: float) -> None:
    envelope = Envelope(limits(), np.full(1, -1.0))
    late = []
    for step in range(160):
        wish = -1.0 + 0.01 * step + (0.1 if step >= 60 else 0.0)
        wish += swing * np.sin(2 * np.pi * 0.4 * max(step - 60, 0) / 50)
        command, clamped = envelope.step(np.array([wish]))
        late.append(abs(float(command[0]) - wish))

    assert max(late[50:60]) < 1e-3
    assert late[60] > 0.05
    assert max(late[100:]) < 1e-3
    assert not clamped[0]


def test_wishes_that_were_on_their_way_before_are_caught_up_with_though_they_turn() -> None:
    envelope = Envelope(limits(), np.zeros(1))
    late = []
    for step in range(250):
        wish = 0.3 * np.sin(2 * np.pi * 0.63 * step / 50)
        command, _ = envelope.step(np.array([wish]))
        late.append(abs(float(command[0]) - wish))

    assert max(late[:20]) > 0.02
    assert max(late[150:]) < 1e-3


def test_noise_is_hardly_amplified() -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.02, 500)
    envelope = Envelope(limits(), np.zeros(1))
    commands = np.array([envelope.step(np.array([wish]))[0][0] for wish in noise])

    assert commands.std() < 2 * noise.std()


def test_a_wish_out_of_reach_is_followed_to_the_limit_and_reported() -> None:
    envelope = Envelope(limits(), np.zeros(1))
    for _ in range(200):
        command, clamped = envelope.step(np.array([5.0]))

    assert command[0] == pytest.approx(HIGH)
    assert clamped[0]


pairs = st.lists(st.tuples(wishes, wishes, st.integers(1, 20)), max_size=8)


@given(pairs)
def test_no_sequence_of_wishes_leads_through_a_wall(
    sequence: list[tuple[float, float, int]],
) -> None:
    walls = Workspace(np.array([[1.0, 1.0], [-2.0, 1.0]]), np.array([0.5, 0.7]))
    envelope = Envelope(replace(limits(joints=2), workspace=walls), np.zeros(2))
    for x, y, times in sequence:
        for _ in range(times):
            envelope.step(np.array([x, y]))
            assert (walls.normals @ envelope.motion.position <= walls.bounds + 1e-9).all()
    for _ in range(envelope.limits.braking_steps + 1):
        position = envelope.hold()
        assert (walls.normals @ position <= walls.bounds + 1e-9).all()


def test_a_wall_stops_what_would_pass_it_and_lets_it_come_back() -> None:
    walls = Workspace(np.array([[1.0, 1.0]]), np.array([0.5]))
    envelope = Envelope(replace(limits(joints=2), workspace=walls), np.zeros(2))
    for _ in range(100):
        stopped, _ = envelope.step(np.array([0.6, 0.6]))
    assert stopped.sum() == pytest.approx(0.5, abs=1e-2)

    for _ in range(100):
        back, _ = envelope.step(np.array([-0.2, 0.1]))
    assert back == pytest.approx([-0.2, 0.1])


def test_what_is_no_number_stops_its_joint_alone() -> None:
    envelope = Envelope(limits(joints=2), np.zeros(2))
    for _ in range(60):
        command, clamped = envelope.step(np.array([np.nan, 0.5]))

    assert command == pytest.approx([0.0, 0.5])
    assert clamped.tolist() == [True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"velocity": 0.0},
        {"acceleration": np.nan},
        {"jerk": -1.0},
        {"velocity": 1e6, "acceleration": 1.0},
    ],
)
def test_limits_that_cannot_be_kept_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        limits(**wrong)


def test_a_robot_outside_of_its_limits_is_refused() -> None:
    with pytest.raises(ConfigError, match="outside"):
        Envelope(limits(), np.array([HIGH + 0.1]))
    walled = replace(limits(), workspace=Workspace(np.ones((1, 1)), np.full(1, 0.2)))
    with pytest.raises(ConfigError, match="outside"):
        Envelope(walled, np.array([0.3]))
