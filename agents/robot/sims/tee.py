"""The block of Push-T: where its corners are. Pure."""

from __future__ import annotations

import numpy as np

from ..safety import Vector

# In its own frame, in pixels; it is turned about the middle of its bar.
CORNERS = np.array(
    [(-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30)], float
)


def corners(pose: Vector) -> Vector:
    """The corners of a block that lies so, (8, 2).

    Args:
        pose: place and angle, (3,).
    """
    return turned(CORNERS, float(pose[2])) + pose[:2]


def turned(points: Vector, angle: float) -> Vector:
    """Points, (…, 2), turned about the origin."""
    c, s = np.cos(angle), np.sin(angle)
    rotated: Vector = points @ np.array([[c, s], [-s, c]])
    return rotated
