"""Foreign worlds behind the robot's port: real ones where their packages are installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from agents.robot.sims.foreign import foreign, is_foreign
from agents.robot.sources import from_world
from bench.robot.foreign import play_foreign
from bench.robot.play import Delay
from constellation.errors import ConfigError


def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("dm_control", "gym_pusht", "metaworld"):
        monkeypatch.setitem(sys.modules, package, None)
    for module in ("cup", "meta_world", "pusht"):
        monkeypatch.delitem(sys.modules, f"agents.robot.sims.{module}", raising=False)
    for name, extra in (("cup", "sims"), ("metaworld:reach-v3", "sims"), ("pusht", "pusht")):
        assert is_foreign(name)
        with pytest.raises(ConfigError, match="This needs") as refused:
            from_world(name)
        assert f"constellation-fabric[robot,{extra}]" in str(refused.value.remedy)
    assert not is_foreign("whack")


@pytest.mark.full
# What comes with MuJoCo looks for a display.
@pytest.mark.filterwarnings("ignore")
class TestReach:
    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("metaworld")

    def test_a_goal_that_moves_waits_for_nobody(self) -> None:
        lost = play_foreign(*foreign("metaworld", 0), "synchronous", Delay(8))
        kept = play_foreign(*foreign("metaworld", 0), "aligned", Delay(8))
        assert lost.score < 0.1 < 0.8 < kept.score
        assert lost.held > 0.3

    def test_a_seed_tells_everything(self) -> None:
        ends = []
        for seed in (3, 3, 4):
            robot, policy = foreign("metaworld", seed)
            for _ in range(10):
                seen = robot.observe()
                robot.act(policy.infer(seen, seen.state, 0)[0])
            ends.append(robot.observe().state.tolist())
        assert ends[0] == ends[1] != ends[2]

    def test_tasks_that_are_none_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="no task"):
            foreign("metaworld:juggle-v3", 0)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
class TestCup:
    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("dm_control")

    def test_cup_and_ball_move_as_foreseen(self) -> None:
        from agents.robot.sims.cup import Cup

        robot = Cup(1)
        pulls = np.random.default_rng(0).uniform(-1, 1, (20, 2)).astype(np.float32)
        foreseen = robot.predict(robot.observe().state, pulls)
        for pull in pulls:
            robot.act(pull)
        np.testing.assert_allclose(robot.observe().state, foreseen, atol=1e-3)

    def test_the_ball_is_caught_by_a_plan_for_the_state_of_its_arrival(self) -> None:
        kept = play_foreign(*foreign("cup", 0), "future-state", Delay(8), execution=8)
        lost = play_foreign(*foreign("cup", 0), "aligned", Delay(8), execution=8)
        assert kept.score > 0.5 > lost.score


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
class TestPushT:
    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("gym_pusht")

    def test_the_finger_moves_as_foreseen(self) -> None:
        from agents.robot.sims.pusht import PushT

        robot = PushT(0)
        seen = robot.observe()
        strides = np.random.default_rng(0).uniform(-12, 12, (8, 2)).cumsum(axis=0)
        commands = (seen.state[:2] + strides).astype(np.float32)
        foreseen = robot.predict(seen.state, commands)
        for command in commands:
            robot.act(command)
        np.testing.assert_allclose(robot.observe().state, foreseen, rtol=1e-4)

    # In some of these the block begins at a wall, or has to turn by more than a right angle.
    @pytest.mark.parametrize("seed", [1, 4, 7, 10, 13, 17])
    def test_the_block_is_brought_to_its_place(self, seed: int) -> None:
        pushed = play_foreign(*foreign("pusht", seed), "aligned", Delay(0), execution=4)
        assert pushed.score == 1

    def test_it_is_pushed_under_delay_too(self) -> None:
        pushed = play_foreign(*foreign("pusht", 13), "aligned", Delay(4), execution=4)
        assert pushed.score > 0.9

    def test_a_task_for_it_does_not_wait_to_be_done(self) -> None:
        """A robot that goes on for ever does not say whether it is done."""
        assert "done" not in foreign("pusht", 0, endless=True)[0].observe().values
        assert "done" in foreign("pusht", 0)[0].observe().values

    def test_a_seed_tells_everything(self) -> None:
        ends = []
        for seed in (3, 3, 4):
            robot, policy = foreign("pusht", seed)
            for _ in range(10):
                seen = robot.observe()
                robot.act(policy.infer(seen, seen.state)[0])
            ends.append(robot.observe().state.tolist())
        assert ends[0] == ends[1] != ends[2]
