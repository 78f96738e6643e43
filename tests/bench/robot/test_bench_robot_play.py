"""The bench of robots: learning from experts, and episodes with a slow policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.robot.policies.inputs import HORIZON, Kind
from agents.robot.policies.local import ExpertPolicy, local_policy
from agents.robot.policies.network import load
from agents.robot.settings import Settings
from agents.robot.sims.robot import WORLDS, simulated
from agents.robot.sims.tracking import Tracking
from bench.robot.data import recorded, samples
from bench.robot.learning import Training, fitted
from bench.robot.play import Case, Delay, play
from bench.robot.positions import Positions
from bench.robot.train import train


def test_a_network_learns_what_it_is_shown() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (4_000, 2)).astype(np.float32)
    y = np.stack((np.abs(x[:, 0]), 10 * x[:, 0] * x[:, 1]), axis=1)
    training = Training(epochs=30, batch=100, hidden=(32,))
    network, unexplained = fitted(x, y, training, rng)
    assert unexplained < 0.03
    assert np.square(network(x) - y).mean() / y.var() < 0.03


def test_training_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    small = Training(samples=2_000, epochs=1, hidden=(16,))
    for path in (tmp_path / "a.npz", tmp_path / "b.npz"):
        train("whack", Kind.DELAY, seed=3, training=small, episodes=8, path=path)
    one, other = load(tmp_path / "a.npz"), load(tmp_path / "b.npz")
    for a, b in zip(one.weights, other.weights, strict=True):
        assert (a == b).all()


def test_samples_are_chunks_from_later_states() -> None:
    rng = np.random.default_rng(0)
    world = Tracking(6, rng)
    record = recorded(world, rng)
    assert record.states.shape == (500, 6, 6)
    told, actions = samples(Kind.DELAY, world, record, 400, rng)
    assert actions.shape == (400, HORIZON * 2)
    assert set(np.round(told[:, -1] * 12).astype(int)) == set(range(13))
    now, _ = samples(Kind.STANDARD, world, record, 400, rng)
    assert now.shape[1] == told.shape[1] - 1


def test_nothing_is_learnt_from_failures() -> None:
    rng = np.random.default_rng(0)
    world = WORLDS["balance"](64, rng)
    world.state[:8, 3] = 0.6
    record = recorded(world, rng)
    assert not set(record.succeeded) & set(range(8))
    assert len(record.succeeded) > 50


def test_the_future_state_bears_a_delay_that_the_aligned_naive_does_not() -> None:
    policy = local_policy("whack", Kind.DELAY)
    future = play(Case("whack", "future-state-dynamics", Delay(8)), policy)
    aligned = play(Case("whack", "aligned", Delay(8)), policy)
    assert future.score > 0.9 > 3 * aligned.score
    # A chunk's execution, the delay of the next, and one step.
    assert max(future.reactions) <= 8 + 8 + 1
    assert future.held < 0.05


@pytest.mark.parametrize("strategy", ["synchronous", "naive", "aligned", "future-state-dynamics"])
def test_without_delay_all_do_well(strategy: str) -> None:
    played = play(Case("intercept", strategy, Delay(0)), ExpertPolicy("intercept"))
    assert played.score > 0.9
    assert played.held < 0.02


def test_a_robot_that_balances_foresees_what_it_will_correct() -> None:
    policy = local_policy("balance", "corrected")
    assert play(Case("balance", "future-state", Delay(10)), policy).score == 1


def test_an_episode_is_the_same_for_the_same_seed() -> None:
    policy = local_policy("track")
    jittery = Case("track", "future-state-dynamics", Delay(5, sigma=0.4), seed=4)
    assert play(jittery, policy) == play(jittery, policy)


def test_lognormal_delays_have_the_median_that_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    drawn = [Delay(8, sigma=0.4).drawn(rng) for _ in range(2_000)]
    assert np.median(drawn) == 8
    assert np.std(np.log(drawn)) == pytest.approx(0.4, rel=0.1)
    assert {Delay(3).drawn(rng) for _ in range(10)} == {3}


def test_merged_actions_are_faster() -> None:
    policy = local_policy("whack")
    single, double = (
        play(
            Case("whack", "synchronous", Delay(8), settings=Settings(merge=q), patient=True), policy
        )
        for q in (1, 2)
    )
    assert double.score > 1.1 * single.score


def test_positions_are_the_same_plan() -> None:
    policy = local_policy("track")
    seen = simulated("track", seed=0).observe()
    velocities = policy.infer(seen, seen.state, delay=0)
    positions = Positions(policy).infer(seen, seen.state, delay=0)
    moved = np.diff(positions, axis=0, prepend=seen.state[None, :2])
    np.testing.assert_allclose(moved * 50, velocities, atol=1e-3)
    ideal = play(Case("track", "aligned", Delay(0)), Positions(policy))
    assert ideal.score > 0.95
