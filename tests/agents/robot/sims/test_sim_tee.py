"""The block of Push-T keeps its shape wherever it lies."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.robot.sims.tee import CORNERS, corners


@given(x=st.floats(0, 512), y=st.floats(0, 512), angle=st.floats(-10, 10), turn=st.floats(-10, 10))
def test_a_block_is_moved_and_turned_as_a_whole(
    x: float, y: float, angle: float, turn: float
) -> None:
    there = corners(np.array([x, y, angle]))
    apart = np.linalg.norm(there[:, None] - there, axis=2)
    np.testing.assert_allclose(apart, np.linalg.norm(CORNERS[:, None] - CORNERS, axis=2), atol=1e-6)
    # It turns about its place, and as far as is said.
    np.testing.assert_allclose(
        np.linalg.norm(there - (x, y), axis=1), np.linalg.norm(CORNERS, axis=1), atol=1e-6
    )
    side = corners(np.array([x, y, angle + turn]))[1] - corners(np.array([x, y, angle + turn]))[0]
    before = there[1] - there[0]
    turned = np.arctan2(before[0] * side[1] - before[1] * side[0], before @ side)
    np.testing.assert_allclose(np.cos(turned), np.cos(turn), atol=1e-6)
    np.testing.assert_allclose(np.sin(turned), np.sin(turn), atol=1e-6)
