"""Simulated worlds: fair to those who can, hard on those who do not, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agents.robot.safety import Vector
from agents.robot.sims.expert import plan
from agents.robot.sims.interception import WALL, folded
from agents.robot.sims.robot import WORLDS, simulated, spec_of, world_named
from agents.robot.sims.servo import Servo
from agents.robot.sims.whack import Whack
from agents.robot.sims.world import RATE_HZ, World
from constellation.errors import ConfigError

BATCH = 24
Act = Callable[[World, Vector, dict[str, Vector]], Vector]


def expert(world: World, state: Vector, things: dict[str, Vector]) -> Vector:
    actions = plan(world, state, things, np.zeros(len(state)), 1)
    return state[:, : world.task.joints] + actions[:, 0] / RATE_HZ


def idle(world: World, state: Vector, things: dict[str, Vector]) -> Vector:
    return state[:, : world.task.joints]


def played(world: World, act: Act) -> float:
    while not world.done:
        state, things = world.sense()
        world.step(act(world, state, things))
    return float(world.score().mean())


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_an_expert_without_delay_does_well_and_doing_nothing_does_not(name: str) -> None:
    world = WORLDS[name]
    assert played(world(BATCH, np.random.default_rng(1)), expert) > 0.95
    assert played(world(BATCH, np.random.default_rng(1)), idle) < 0.2


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_a_seed_tells_everything(name: str) -> None:
    scores = []
    for seed in (3, 3, 4):
        world = WORLDS[name](4, np.random.default_rng(seed))
        for _ in range(60):
            state, things = world.sense()
            world.step(expert(world, state, things))
        scores.append((world.state.tolist(), {k: v.tolist() for k, v in world.things().items()}))
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize("name", ["whack", "track", "intercept"])
def test_a_robot_moves_as_its_model_says(name: str) -> None:
    world = WORLDS[name](3, np.random.default_rng(0))
    commands = np.full((3, world.task.joints), 0.3)
    foreseen = world.state
    for _ in range(10):
        foreseen = world.predict(foreseen, commands)
        world.step(commands)
    np.testing.assert_allclose(world.state, foreseen)


def test_a_pole_that_nobody_holds_falls_as_the_model_says() -> None:
    world = WORLDS["balance"](1, np.random.default_rng(0))
    state = np.array([[0.0, 0.0, 0.0, 0.1, 0.0]])
    for _ in range(25):
        state = world.predict(state, np.zeros((1, 1)))
    # 0.1 cosh(t √(g / l)) after half a second.
    assert state[0, 3] == pytest.approx(0.1 * np.cosh(0.5 * np.sqrt(9.81 / 0.5)), rel=0.1)


def test_the_inverse_of_a_servo_gives_the_acceleration_asked_for() -> None:
    servo, one = Servo(), np.ones((1, 1))
    command = servo.command(7.0 * one, 0.2 * one, -0.5 * one)
    assert servo.acceleration(command, 0.2 * one, -0.5 * one) == pytest.approx(7.0 * one)


def test_sensors_are_noisy_but_commands_are_known() -> None:
    world = Whack(500, np.random.default_rng(0))
    state, things = world.sense()
    assert (state[:, :2] == world.state[:, :2]).all()
    assert np.std(state[:, 2:] - world.state[:, 2:]) == pytest.approx(Whack.noise, rel=0.1)
    assert np.std(things["mole"] - world.things()["mole"]) == pytest.approx(Whack.noise, rel=0.1)


def test_a_ball_between_walls_is_folded_into_the_field() -> None:
    far = np.array([0.0, 0.6, 1.4, 1.6, -0.6, -1.7])
    np.testing.assert_allclose(folded(far), [0.0, 0.4, -0.4, -0.4, -0.4, 0.3], atol=1e-12)
    assert (np.abs(folded(np.linspace(-9, 9, 999))) <= WALL).all()


def test_a_patient_mole_waits_and_hits_are_counted_by_the_second() -> None:
    world = Whack(BATCH, np.random.default_rng(1), patient=True)
    mole = world.things()["mole"]
    for _ in range(100):
        world.step(world.state[:, :2])
    missed = world.score() == 0
    assert missed.sum() > BATCH / 2
    assert (world.things()["mole"][missed] == mole[missed]).all()
    assert 2.0 < played(Whack(BATCH, np.random.default_rng(1), patient=True), expert) < 6.0


def test_one_episode_is_a_robot_that_says_how_it_goes_and_when_it_is_done() -> None:
    robot = simulated("track", seed=5)
    first = robot.observe()
    assert first.time == 0.0
    assert first.prompt == "stay on the target"
    assert first.state.shape == (robot.spec.state_dim,)
    assert first.state.dtype == first.values["target"].dtype == np.float32
    command = np.float32([0.1, -0.1])
    for _ in range(500):
        assert not robot.observe().values["done"].any()
        robot.act(command)
    last = robot.observe()
    assert last.values["done"].all()
    assert last.time == 10.0
    assert last.state[2:4] == pytest.approx(command, abs=0.01)
    assert 0 <= float(last.values["score"][0]) < 0.5


def test_an_endless_robot_is_never_done() -> None:
    robot = simulated("balance", seed=0, endless=True)
    for _ in range(501):
        robot.act(np.zeros(1, np.float32))
    assert not robot.observe().values["done"].any()


def test_a_robot_foresees_where_several_commands_take_it() -> None:
    robot = simulated("whack", seed=2)
    commands = np.linspace(0, 0.2, 8, dtype=np.float32)[:, None].repeat(2, axis=1)
    start = robot.observe().state
    foreseen = robot.predict(start, commands)
    for command in commands:
        robot.act(command)
    assert robot.observe().state == pytest.approx(foreseen, abs=0.05)
    assert foreseen[:2] == pytest.approx(commands[-1])


def test_worlds_are_known_by_name() -> None:
    assert spec_of(world_named("whack")).skills[0] == "hit"
    with pytest.raises(ConfigError, match="no simulated world"):
        world_named("chess")
