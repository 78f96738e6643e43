"""What a folder of LeRobot's says of its policy. That it runs is tried in test_lerobot_real."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from agents.robot.policies.lerobot.addresses import policy_at
from agents.robot.policies.lerobot.policy import LeRobotPolicy, folder_at
from agents.robot.policies.lerobot.remote import LeRobotRemote
from agents.robot.ports import PolicySpec, Semantics
from agents.robot.sims.robot import simulated
from agents.robot.sources import from_file
from constellation.errors import ConfigError

ARM = Path(__file__).parents[2] / "fixture_arm.py"
CONFIG: dict[str, Any] = {
    "type": "act",
    "n_obs_steps": 1,
    "chunk_size": 20,
    "input_features": {
        "observation.state": {"type": "STATE", "shape": [6]},
        "observation.environment_state": {"type": "ENV", "shape": [3]},
        "observation.images.front": {"type": "VISUAL", "shape": [3, 32, 48]},
    },
    "output_features": {"action": {"type": "ACTION", "shape": [2]}},
}


def written(folder: Path, **changed: Any) -> Path:
    config = {key: value for key, value in (CONFIG | changed).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_folder_says_what_its_policy_is_shown_and_answers(tmp_path: Path) -> None:
    folder = folder_at(written(tmp_path))
    assert (folder.kind, folder.horizon, folder.action_dim) == ("act", 20, 2)
    assert folder.images == {"observation.images.front": (3, 32, 48)}
    assert folder.numbers == {"observation.state": 6, "observation.environment_state": 3}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"n_obs_steps": 2}, "looks back"),
        ({"chunk_size": None}, "does not say 'chunk_size'"),
        ({"output_features": {}}, "does not say 'action'"),
        ({"output_features": {"action": {"shape": [2, 2]}}}, "unpack"),
        ({"input_features": {"a": {"type": "VISUAL", "shape": [3]}}}, "unpack"),
        ({"input_features": [1]}, "items"),
    ],
)
def test_other_policies_are_refused(tmp_path: Path, changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        folder_at(written(tmp_path, **changed))


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no policy"):
        from_file(ARM, f"lerobot:{tmp_path / 'nowhere'}")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="is no policy"):
        folder_at(tmp_path)


@pytest.mark.skipif(find_spec("lerobot") is not None, reason="LeRobot is installed")
def test_without_lerobot_it_is_said_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        LeRobotPolicy(written(tmp_path), 30.0)
    assert "constellation-fabric[lerobot]" in str(error.value.remedy)


def test_an_address_names_server_and_policy() -> None:
    robot = simulated("whack", 0).spec
    address = "lerobot://127.0.0.1:8080?type=act&policy=/models/act&actions=20&device=cuda&rate=25"
    remote = policy_at(address, robot)
    assert isinstance(remote, LeRobotRemote)
    assert remote.spec == PolicySpec("/models/act", 25.0, 20, 2, Semantics.ABSOLUTE)
    remote.close()
    arm, served = from_file(ARM, "lerobot://127.0.0.1:8080?type=act&policy=x")
    assert served.spec.horizon == 50
    assert served.spec.rate_hz == arm.spec.rate_hz


@pytest.mark.parametrize(
    "wrong",
    [
        "//127.0.0.1?type=act&policy=x",
        "//127.0.0.1:80",
        "//127.0.0.1:80?type=act",
        "//127.0.0.1:80?type=act&policy=x&colour=red",
        "//127.0.0.1:80?type=act&policy=x&actions=0",
        "//127.0.0.1:x?type=act&policy=x",
        "folder?rate=0",
        "folder?rate=fast",
        "folder?actions=5",
        "folder?nonsense",
    ],
)
def test_addresses_that_name_none_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="names no policy"):
        policy_at(f"lerobot:{wrong}", simulated("whack", 0).spec)
