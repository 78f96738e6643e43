"""`constellation policy-server`: served from the command line, stopped by a signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.robot.policies.command import app
from agents.robot.policies.questions import Question
from agents.robot.policies.remote import RemotePolicy
from agents.robot.policies.single import OneByOne, policy_of
from agents.robot.ports import Observation
from agents.robot.sims.robot import simulated
from constellation.errors import ConfigError

ARM = Path(__file__).parents[1] / "fixture_arm.py"


def test_a_policy_is_served_until_a_signal_comes() -> None:
    line = [sys.executable, "-c", "from agents.robot.policies.command import app; app()"]
    with subprocess.Popen(
        [*line, "--sim", "whack", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        address = said.removeprefix("The policy 'whack-delay' is at ").strip().rstrip(".")
        remote = RemotePolicy(address)
        seen = simulated("whack", seed=0).observe()
        assert remote.infer(seen, seen.state, delay=3).shape == (24, 2)
        remote.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--sim", "whack", "--policy", str(ARM)],
        ["--sim", "chess"],
        ["--sim", "whack", "--kind", "wild"],
        ["--policy", "none.py"],
        ["--sim", "whack", "--port", "70000"],
        ["--sim", "whack", "--port", "-1"],
    ],
)
def test_what_names_no_policy_is_refused(wrong: list[str]) -> None:
    done = CliRunner().invoke(app, wrong)
    assert done.exit_code != 0
    assert isinstance(done.exception, ConfigError | SystemExit)


def test_an_option_that_would_do_nothing_is_refused() -> None:
    line = ["--policy", str(ARM), "--kind", "delay"]
    done = CliRunner().invoke(app, line, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "Invalid value for --kind: It belongs to" in done.output


@pytest.mark.parametrize("key", [None, " \n"])
def test_nobody_listens_to_the_world_without_a_key(tmp_path: Path, key: str | None) -> None:
    arguments = ["--sim", "whack", "--host", "0.0.0.0"]
    if key is not None:
        (tmp_path / "key").write_text(key)
        arguments += ["--api-key-file", str(tmp_path / "key")]
    failed = CliRunner().invoke(app, arguments)
    assert isinstance(failed.exception, ConfigError)


def test_a_policy_of_a_file_answers_one_by_one(tmp_path: Path) -> None:
    policy = policy_of(ARM)
    assert isinstance(policy, OneByOne)
    seen = [Observation(time, np.zeros(2, np.float32), {}) for time in (0.0, 1.0)]
    chunks = policy.infer_batch([Question(each, each.state) for each in seen])
    assert chunks.shape == (2, policy.spec.horizon, 2)
    assert (chunks[0] != chunks[1]).any()
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    with pytest.raises(ConfigError, match=r"no function policy\(\)"):
        policy_of(empty)
