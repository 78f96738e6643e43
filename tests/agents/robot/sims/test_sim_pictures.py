"""Pictures of the worlds show where things are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.robot.sims.pictures import Stroke, drawn, picture
from agents.robot.sims.robot import WORLDS, simulated, world_named

RED, BLUE = np.array([196, 62, 44]), np.array([38, 84, 160])


def middle(image: Any, colour: Any) -> tuple[float, float]:
    """Where a colour is, in the world's units."""
    side = len(image)
    rows, columns = np.nonzero(np.abs(image.astype(int) - colour).sum(axis=2) < 30)
    assert len(rows)
    return (columns.mean() + 0.5) / side * 1.5 - 0.75, 0.75 - (rows.mean() + 0.5) / side * 1.5


@pytest.mark.parametrize("name", ["whack", "track"])
def test_robot_and_thing_are_where_they_are(name: str) -> None:
    world = world_named(name)(1, np.random.default_rng(3))
    for _ in range(40):
        world.step(np.array([[0.3, -0.2]]))
    image = picture(world, 200)
    (thing,) = world.things().values()
    assert middle(image, RED) == pytest.approx(thing[0, :2], abs=0.02)
    assert middle(image, BLUE) == pytest.approx(world.state[0, 2:4], abs=0.02)


@pytest.mark.parametrize("name", WORLDS)
def test_all_worlds_can_be_seen(name: str) -> None:
    robot = simulated(name, 1, camera=True)
    image = robot.observe().values["camera"]
    assert image.shape == (96, 96, 3)
    assert image.dtype == np.uint8
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 3
    assert "camera" not in simulated(name, 1).observe().values


@given(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7), st.floats(-0.7, 0.7), st.floats(-0.7, 0.7))
def test_a_stroke_covers_what_it_should(x0: float, y0: float, x1: float, y1: float) -> None:
    """As many pixels as a band with round ends, give or take its edge."""
    radius, side = 0.05, 128
    image = drawn([Stroke((x0, y0), (x1, y1), radius, (0, 0, 0))], side)
    covered = 1 - image[..., 0].astype(float) / 238
    length = np.hypot(x1 - x0, y1 - y0)
    area = (2 * radius * length + np.pi * radius**2) * (side / 1.5) ** 2
    assert covered.sum() == pytest.approx(area, rel=0.05)
