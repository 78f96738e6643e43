"""Flows, drawn towards a chunk that runs, and heads that correct actions."""

from __future__ import annotations

import numpy as np
import pytest

from agents.robot.policies.correction import Corrected
from agents.robot.policies.flow import FlowPolicy
from agents.robot.policies.inputs import HORIZON
from agents.robot.policies.local import ExpertPolicy, local_policy
from agents.robot.policies.network import Network
from agents.robot.policies.questions import Question
from agents.robot.sims.robot import simulated


def network(rng: np.random.Generator) -> Network:
    def random(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return rng.standard_normal(shape).astype(np.float32)

    scales = (random(3), np.abs(random(3)) + 1, random(2), np.abs(random(2)) + 1)
    return Network(
        (random(3, 5), random(5, 4), random(4, 2)), (random(5), random(4), random(2)), *scales
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_pull_back_is_the_transposed_jacobian(seed: int) -> None:
    rng = np.random.default_rng(seed)
    some = network(rng)
    inputs, change = rng.standard_normal((1, 3)), rng.standard_normal((1, 2))
    outputs, pulled = some.traced(inputs.astype(np.float32))
    np.testing.assert_allclose(outputs, some(inputs.astype(np.float32)), rtol=1e-5)
    step = 1e-3
    slopes = [
        (some((inputs + step * axis).astype(np.float32)) - outputs) / step for axis in np.eye(3)
    ]
    found = np.array([float((slope * change).sum()) for slope in slopes])
    np.testing.assert_allclose(pulled(change.astype(np.float32))[0], found, rtol=0.05, atol=0.05)


def test_a_flow_is_near_to_the_expert_and_always_says_the_same() -> None:
    flow, expert = local_policy("track", "flow"), ExpertPolicy("track")
    robot = simulated("track", seed=1)
    errors, sizes = [], []
    for _ in range(50):
        seen = robot.observe()
        chunk = expert.infer(seen, seen.state, delay=0)
        said = flow.infer(seen, seen.state, delay=0)
        assert (said == flow.infer(seen, seen.state, delay=0)).all()
        errors.append(np.square(said - chunk).mean())
        sizes.append(np.square(chunk).mean())
        robot.act(seen.state[:2] + chunk[0] / np.float32(50))
    assert np.mean(errors) < 0.15 * np.mean(sizes)


def test_a_flow_that_inpaints_goes_on_from_the_chunk_that_runs() -> None:
    policy = local_policy("whack", "inpaint")
    assert isinstance(policy, FlowPolicy)
    assert policy.spec.inpaints
    seen = simulated("whack", seed=0).observe()
    usual = policy.infer(seen, seen.state)
    running = usual[:16] + np.float32(0.4)
    drawn = policy.infer(seen, seen.state, delay=6, prefix=running)
    moved = (drawn - usual)[:6] / np.float32(0.4)
    assert 0.05 < moved.mean() < 1


def test_questions_with_and_without_a_chunk_can_be_asked_together() -> None:
    policy = local_policy("track", "inpaint")
    seen = simulated("track", seed=2).observe()
    running = np.zeros((9, 2), np.float32)
    plain, drawn = Question(seen, seen.state), Question(seen, seen.state, 4, running)
    together = policy.infer_batch([plain, drawn])
    for each, chunk in zip((plain, drawn), together, strict=True):
        alone = policy.infer(each.observation, each.state, each.delay, each.prefix)
        np.testing.assert_allclose(alone, chunk, rtol=1e-3, atol=1e-3)
    assert not np.allclose(*together)


@pytest.mark.parametrize("world", ["whack", "track", "balance", "intercept"])
def test_a_head_mends_actions_that_rest_on_what_is_long_over(world: str) -> None:
    policy, expert = local_policy(world, "corrected"), ExpertPolicy(world)
    assert isinstance(policy, Corrected)
    assert policy.spec.corrects
    robot = simulated(world, seed=4)
    wrong, mended, chunk = [], [], np.zeros((HORIZON, 1), np.float32)
    for step in range(150):
        seen = robot.observe()
        index = step % 20
        if index == 0:
            chunk = policy.infer(seen, seen.state, delay=0)
        right = expert.infer(seen, seen.state, delay=0)[0]
        wrong.append(np.square(chunk[index] - right).mean())
        mended.append(np.square(policy.correct(seen, chunk[index], index) - right).mean())
        robot.act(seen.state[: robot.spec.action_dim] + right / np.float32(50))
    assert np.mean(mended) < 0.3 * np.mean(wrong)
