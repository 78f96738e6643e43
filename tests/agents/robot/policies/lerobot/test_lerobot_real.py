"""LeRobot's real robot against our server, our robot against its real server, and our pickles.

LeRobot brings PyTorch along (gigabytes), so it is in an environment of its own, and CI has none:
`make .venv/.lerobot`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyio import run_process

from agents.robot.policies.lerobot.messages import (
    IMAGES,
    Chunk,
    Seen,
    Wanted,
    chunk_bytes,
    seen_bytes,
    wanted_bytes,
)
from agents.robot.policies.lerobot.remote import LeRobotRemote
from agents.robot.policies.lerobot.server import LeRobotServer
from agents.robot.policies.server import Batcher
from agents.robot.policies.single import OneByOne
from agents.robot.ports import Array, Observation, PolicySpec, Semantics

LEROBOT = Path(sys.prefix) / "lerobot" / "bin" / "python"
PEER = str(Path(__file__).parent / "lerobot_peer.py")
SIDE = 32

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not LEROBOT.exists(), reason="LeRobot: make .venv/.lerobot"),
]


@pytest.fixture(scope="module")
def act(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small ACT policy with random weights."""
    folder = tmp_path_factory.mktemp("act")
    subprocess.run([LEROBOT, PEER, "act", folder], check=True, cwd=folder, capture_output=True)
    return folder


@pytest.mark.anyio
async def test_lerobot_loads_what_we_write(tmp_path: Path) -> None:
    image = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    actions = np.float32([[0, 0.25], [0.5, 0.75], [1, 1.25]])
    features = {"observation.state": {"dtype": "float32", "shape": (1,), "names": ["a"]}}
    messages = {
        "seen": seen_bytes(Seen(12.5, 7, {"a": 0.5}, {"front": image}, "go", must_go=True)),
        "chunk": chunk_bytes(Chunk(12.5, 7, 0.25, actions)),
        "wanted": wanted_bytes(Wanted("act", "someone/act", features, 50)),
    }
    for name, data in messages.items():
        (tmp_path / f"{name}.pickle").write_bytes(data)
    done = await run_process([str(LEROBOT), PEER, "check", str(tmp_path)], cwd=tmp_path)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["seen"] == [12.5, 7, True, {"a": 0.5, "task": "go"}]
    assert found["image"] == [image.tolist(), "uint8"]
    timed = [[12.5 + 0.25 * n, 7 + n, each] for n, each in enumerate(actions.tolist())]
    assert found["actions"] == timed
    assert found["types"] == ["torch.float32"]
    assert found["wanted"]["lerobot_features"]["observation.state"]["names"] == ["a"]


class Swing:
    """Each action is one further step away from where the robot is."""

    spec = PolicySpec("swing", 50.0, 20, 2, Semantics.RELATIVE)

    def __init__(self) -> None:
        self.asked: list[Observation] = []

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        self.asked.append(observation)
        return np.tile(np.float32([0.01, -0.02]), (20, 1))


@pytest.mark.anyio
async def test_lerobots_robot_is_driven_by_our_server(tmp_path: Path) -> None:
    policy = Swing()
    batcher = Batcher(OneByOne(policy))
    server = LeRobotServer(batcher, policy.spec)
    async with server.listening("127.0.0.1", 0) as port:
        line = [str(LEROBOT), PEER, "robot", f"127.0.0.1:{port}"]
        done = await run_process(line, cwd=tmp_path)
    batcher.close()
    sent = np.array(json.loads(done.stdout.splitlines()[-1]))
    assert len(sent) >= 60
    # It moves on from where it was, chunk after chunk.
    assert sent[0] == pytest.approx([0.26, -0.52])
    assert (np.diff(sent[:, 0]) > 0).mean() > 0.8
    seen = policy.asked[-1]
    assert seen.prompt == "swing"
    image = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    assert (seen.values[IMAGES + "front"] == image).all()


def told(command: str, folder: Path) -> Any:
    """What LeRobot's process says last, as JSON."""
    line = [LEROBOT, PEER, command, folder]
    done = subprocess.run(line, check=True, cwd=folder, capture_output=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_policy_in_this_process_answers_as_it_does_on_lerobots_server(act: Path) -> None:
    wanted = told("infer", act)
    spec, alone, among = told("ours", act)
    assert spec == [20, 2, "absolute"]
    np.testing.assert_allclose(alone, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(among, wanted, rtol=1e-4, atol=1e-5)


ARM = """
import numpy as np
from agents.robot.ports import Observation, RobotSpec
from agents.robot.safety import Limits

class Arm:
    def __init__(self):
        one = np.ones(2)
        limits = Limits(-one, one, 2 * one, 20 * one, 400 * one, 50.0)
        self.spec = RobotSpec("arm", 50.0, 6, 2, limits, ("track",))
        self.position = np.zeros(2, np.float32)

    def observe(self):
        state = np.concatenate((self.position, np.zeros(4, np.float32)))
        image = np.zeros((32, 32, 3), np.uint8)
        return Observation(0.0, state, {"front": image})

    def act(self, action):
        self.position = action

def robot():
    return Arm()
"""


def test_it_drives_a_robot_beside_the_control_loop(act: Path, tmp_path: Path) -> None:
    (tmp_path / "arm.py").write_text(ARM)
    call = "from agents.robot.command import app; app()"
    line = [LEROBOT, "-c", call, "--robot", "arm.py", "--policy", f"lerobot:{act}", "--play", "4"]
    done = subprocess.run(line, check=True, cwd=tmp_path, capture_output=True, text=True)
    steps, held = map(int, re.findall(r"(\d+) (?:control steps|without)", done.stdout))
    assert steps >= 200
    # PyTorch warms up with the first question; from then on it keeps up.
    assert held < 150


def test_our_robot_is_driven_by_lerobots_server(act: Path, tmp_path: Path) -> None:
    wanted = told("infer", act)
    state = np.linspace(-1, 1, 6, dtype=np.float32)
    image = (np.arange(SIDE * SIDE * 3) % 251).astype(np.uint8).reshape(SIDE, SIDE, 3)
    line = [LEROBOT, PEER, "serve"]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        spec = PolicySpec("act", 50.0, 20, 2, Semantics.ABSOLUTE)
        remote = LeRobotRemote(f"127.0.0.1:{port}", spec, kind="act", path=str(act), timeout_s=60)
        seen = Observation(0.0, state, {IMAGES + "front": image}, "go")
        # The second is as like the first as can be: it is answered all the same.
        for _ in range(2):
            answer = remote.infer(seen, seen.state)
            np.testing.assert_allclose(answer, wanted, rtol=1e-4, atol=1e-5)
        remote.close()
        process.communicate(timeout=100)
