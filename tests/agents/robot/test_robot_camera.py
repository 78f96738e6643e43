"""What a robot sees reaches a person: a real hub, a real robot process, the real command."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from agents.robot.pictures import is_picture, jpeg, pixels_of, png
from constellation.client import open_hub
from constellation.config import Settings
from constellation.orchestrator import service

pytestmark = pytest.mark.anyio


def test_pictures_become_files_and_back() -> None:
    ramp = np.linspace(0, 255, 40 * 30 * 3).reshape(40, 30, 3).astype(np.uint8)
    assert (pixels_of(png(ramp)) == ramp).all()
    near = pixels_of(jpeg(ramp, 90)).astype(int)
    assert np.abs(near - ramp).mean() < 5
    with pytest.raises(OSError, match="cannot identify"):
        pixels_of(b"no picture")


def test_what_is_a_picture() -> None:
    assert is_picture(np.zeros((4, 6, 3), np.uint8))
    for shape, dtype in (((4, 6), "u1"), ((4, 6, 3), "f4"), ((4, 6, 4), "u1"), ((0, 6, 3), "u1")):
        assert not is_picture(np.zeros(shape, dtype))


async def test_a_person_looks_through_a_robots_camera(tmp_path: Path) -> None:
    state = tmp_path / "state"
    settings = Settings.model_validate({"state_dir": state, "hub": {"port": 0}})
    program = "from constellation.cli import main; main()"
    python = [sys.executable, "-c", program]
    environment = {**os.environ, "CONSTELLATION_STATE_DIR": str(state)}
    robot = [*python, "robot", "--sim", "track", "--camera", "--name", "arm"]
    look = [*python, "camera", "arm", "--count", "3", "--save", "seen", "--json"]
    async with (
        service.open_hub(settings),
        open_hub(settings) as client,
        await anyio.open_process(robot, env=environment) as process,
    ):
        assert process.stdout is not None
        # It says that it is connected.
        await process.stdout.receive()
        with anyio.fail_after(100):
            while not (await client.ask("live"))["live"]:
                await anyio.lowlevel.checkpoint()
        looked = await anyio.run_process(look, env=environment, cwd=tmp_path)
        listed = await client.ask("live")
        process.send_signal(signal.SIGTERM)
    # The target moves, so that pictures follow one another.
    told = [json.loads(row) for row in looked.stdout.splitlines()]
    assert [each["number"] for each in told] == [1, 2, 3]
    pictures = [pixels_of((tmp_path / each["file"]).read_bytes()) for each in told]
    assert all(picture.shape == (96, 96, 3) for picture in pictures)
    assert (pictures[0] != pictures[-1]).any()
    assert listed["live"][0]["type"] == "image/jpeg"
    assert process.returncode == 0
