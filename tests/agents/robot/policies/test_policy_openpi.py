"""openpi's real client against our server, and our robot against a server that encodes so.

openpi-client needs an older NumPy, so it lives in an environment of its own: `make .venv/.openpi`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from anyio import run_process

from agents.robot.policies.local import local_policy
from agents.robot.policies.remote import RemotePolicy
from agents.robot.policies.server import Batcher, PolicyServer
from agents.robot.ports import Observation, PolicySpec, Semantics

OPENPI = Path(sys.prefix) / "openpi" / "bin" / "python"
HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.full,
    pytest.mark.skipif(not OPENPI.exists(), reason="openpi-client: make .venv/.openpi"),
]


async def test_a_stock_client_is_served() -> None:
    policy = local_policy("whack")
    batcher = Batcher(policy)
    server = PolicyServer(batcher, policy.spec, api_key="s3cret")
    async with server.listening("127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        line = [str(OPENPI), str(HERE / "openpi_robot.py"), "127.0.0.1", str(port), "s3cret"]
        done = await run_process(line)
    batcher.close()
    name, shape, *timing, moved, told, unasked, _, failed = done.stdout.decode().splitlines()
    assert name == "whack-delay"
    assert shape == "(24, 2) float32"
    assert timing == ["infer_ms", "prev_total_ms"]
    # It goes to the mole.
    assert float(moved) == pytest.approx(0.2, abs=0.05)
    # A request id comes back to who sent one, and the planned delay reaches the policy.
    assert (told, unasked) == ("41 True", "False")
    assert "observation/state" in failed


def test_a_stock_server_is_asked() -> None:
    with subprocess.Popen(
        [OPENPI, HERE / "openpi_server.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        spec = PolicySpec("stock", 50.0, 24, 2, Semantics.ABSOLUTE)
        remote = RemotePolicy(f"ws://127.0.0.1:{port}", spec)
        camera = {"observation/image": np.zeros((224, 224, 3), np.uint8)}
        seen = Observation(0.0, np.float32([1, 2, 3]), camera, "go")
        for _ in range(2):
            actions = remote.infer(seen, seen.state, delay=3)
            assert actions.dtype == np.float32
            assert (actions == seen.state[:2] + np.arange(24)[:, None]).all()
        remote.close()
        rest, _ = process.communicate(timeout=100)
    # It was told what only our server understands, and did not mind.
    told = [json.loads(line) for line in rest.splitlines()]
    assert [each["constellation/request"] for each in told] == [1, 2]
    assert {each["constellation/delay"] for each in told} == {3}
    assert {each["constellation/within_s"] for each in told} == {3 / 50}
