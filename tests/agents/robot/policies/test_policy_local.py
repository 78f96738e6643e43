"""Small policies: their files, what they are told, and that batches and singles agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.robot.policies.inputs import HORIZON, LONGEST, Kind, inputs
from agents.robot.policies.local import ExpertPolicy, local_policy
from agents.robot.policies.network import Network, load
from agents.robot.policies.questions import Question
from agents.robot.ports import Observation
from agents.robot.sims.robot import WORLDS, simulated
from agents.robot.sims.world import World
from constellation.errors import ConfigError


def network() -> Network:
    def ones(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.ones(shape, np.float32)

    layers = (ones(2, 3), ones(3, 1))
    biases = (ones(3) * np.float32([1, -9, 0]), ones(1))
    return Network(layers, biases, 2 * ones(2), 4 * ones(2), 5 * ones(1), 3 * ones(1))


def question(world: str, seed: int = 0, **told: int) -> Question:
    seen = simulated(world, seed).observe()
    return Question(seen, seen.state, **told)


def test_a_network_standardises_and_rectifies() -> None:
    # Inputs become (1, 1): the layers are 3, 0 (rectified) and 2.
    out = network()(np.float32([[6, 6]]))
    assert out.tolist() == [[3 * (3 + 0 + 2 + 1) + 5]]


def test_a_network_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "small.npz"
    network().save(path)
    given = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    assert (load(path)(given) == network()(given)).all()


@pytest.mark.parametrize("damage", ["missing", "not an archive", "pickled", "layers"])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "bad.npz"
    if damage == "not an archive":
        path.write_bytes(b"\x80\x04 weights")
    elif damage == "pickled":
        np.savez(path, weight_0=np.array([{"a": 1}], dtype=object))
    elif damage == "layers":
        replace(network(), biases=(np.ones(7, np.float32), np.ones(1, np.float32))).save(path)
    with pytest.raises(ConfigError, match="is not a network"):
        load(path)


def test_inputs_tell_each_kind_what_it_takes() -> None:
    world: World = WORLDS["whack"](3, np.random.default_rng(0))
    state, things = world.sense()
    delay, prefix = np.array([0.0, 2.0, 99.0]), np.ones((3, LONGEST, 2))
    shown = {
        kind: inputs(kind, world, state, things, delay, prefix)
        for kind in (Kind.STANDARD, Kind.OFFSET, Kind.DELAY, Kind.PREFIX)
    }
    seen = shown[Kind.STANDARD]
    assert (shown[Kind.OFFSET] == seen).all()
    assert (shown[Kind.DELAY][:, :-1] == seen).all()
    assert shown[Kind.DELAY][:, -1].tolist() == pytest.approx([0, 2 / LONGEST, 1])
    way = shown[Kind.PREFIX][:, seen.shape[1] + 1 :].reshape(3, LONGEST, 2)
    # Where the prefix leads at 50 Hz; what is beyond it moves no further.
    assert (way[0] == 0).all()
    assert way[1, :, 0].tolist() == pytest.approx([0.02, *[0.04] * (LONGEST - 1)])
    assert way[2, -1].tolist() == pytest.approx([0.24, 0.24])


@pytest.mark.parametrize("kind", [*Kind, "expert"])
def test_several_robots_get_what_each_would_get_alone(kind: str) -> None:
    policy = local_policy("track", kind)
    questions = [question("track", seed, delay=seed) for seed in range(3)]
    together = policy.infer_batch(questions)
    assert together.shape == (3, HORIZON, policy.spec.action_dim)
    for each, chunk in zip(questions, together, strict=True):
        alone = policy.infer(each.observation, each.state, delay=each.delay)
        np.testing.assert_allclose(alone, chunk, rtol=1e-3, atol=1e-4)
        assert alone.dtype == np.float32


def test_a_policy_declares_how_it_was_trained() -> None:
    declared = {
        kind: (
            spec.takes_future_state,
            spec.takes_delay,
            spec.takes_prefix,
            spec.inpaints,
            spec.corrects,
        )
        for kind in Kind
        for spec in [local_policy("whack", kind).spec]
    }
    assert declared == {
        Kind.STANDARD: (False, False, False, False, False),
        Kind.OFFSET: (True, False, False, False, False),
        Kind.DELAY: (True, True, False, False, False),
        Kind.PREFIX: (False, False, True, False, False),
        Kind.FLOW: (True, True, False, False, False),
        Kind.FLOW_STANDARD: (False, False, False, False, False),
        Kind.INPAINT: (False, False, False, True, False),
        Kind.CORRECTED: (True, True, False, False, True),
    }


@pytest.mark.parametrize("world", sorted(WORLDS))
@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_ships_for_every_world(world: str, kind: Kind) -> None:
    asked = question(world)
    policy = local_policy(world, kind)
    chunk = policy.infer(asked.observation, asked.state)
    assert chunk.shape == (HORIZON, policy.spec.action_dim)
    assert np.isfinite(chunk).all()


def test_a_prefix_is_gone_on_from() -> None:
    policy = local_policy("whack", "prefix")
    asked = question("whack")
    prefix = np.full((5, 2), 0.25, np.float32)
    chunk = policy.infer(asked.observation, asked.state, prefix=prefix)
    assert (chunk[:5] == prefix).all()
    alone = policy.infer(asked.observation, asked.state)
    assert not np.allclose(chunk[5:], alone[: HORIZON - 5])


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_what_was_learnt_is_near_to_what_the_expert_does(name: str) -> None:
    learnt, expert = local_policy(name, "delay"), ExpertPolicy(name)
    robot = simulated(name, seed=1)
    errors, sizes = [], []
    for _ in range(100):
        seen = robot.observe()
        chunk = expert.infer(seen, seen.state, delay=0)
        errors.append(np.square(learnt.infer(seen, seen.state, delay=0) - chunk).mean())
        sizes.append(np.square(chunk).mean())
        robot.act(seen.state[: robot.spec.action_dim] + chunk[0] / np.float32(50))
    assert np.mean(errors) < 0.1 * np.mean(sizes)


def test_the_delay_tells_where_a_target_will_be() -> None:
    policy = local_policy("track", "delay")
    still = np.zeros(6, np.float32)
    target = {"target": np.float32([0.1, 0.0, 0.5, 0.0])}
    seen = Observation(0.0, still, target)
    soon = policy.infer(seen, still, delay=0)[:12, 0].sum() / 50
    late = policy.infer(seen, still, delay=10)[:12, 0].sum() / 50
    assert late - soon > 0.03


def test_policies_are_known_by_world_and_kind() -> None:
    with pytest.raises(ConfigError, match="no policy 'wild' for the world whack") as error:
        local_policy("whack", "wild")
    for fitting in error.value.remedy.removeprefix("Take one of ").removesuffix(".").split(", "):
        assert local_policy("whack", fitting)
    with pytest.raises(ConfigError, match="no simulated world"):
        local_policy("chess", "expert")
