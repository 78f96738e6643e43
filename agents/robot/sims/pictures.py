"""What a camera above a simulated world sees: strokes with round ends, drawn by NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .balance import LENGTH, Balance
from .interception import HALF_PADDLE, Interception
from .tracking import Tracking
from .whack import RADIUS as MOLE
from .whack import Whack
from .world import World

Colour = tuple[int, int, int]
Point = tuple[float, float]

SIDE = 96
# The lens sees so far to each side.
_REACH = 0.75
_GROUND: Colour = (238, 234, 222)
_ROBOT: Colour = (38, 84, 160)
_THING: Colour = (196, 62, 44)
_LINE: Colour = (120, 120, 120)
_NEAR = 0.03


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line with round ends; a dot, if they are at one place.

    Attributes:
        start, end: in the world's units, x to the right and y up.
        radius: half of its width.
    """

    start: Point
    end: Point
    radius: float
    colour: Colour


def picture(world: World, side: int = SIDE) -> NDArray[np.uint8]:
    """The first episode of a world as it is, (side, side, 3)."""
    return drawn(_strokes(world), side)


def drawn(strokes: Sequence[Stroke], side: int) -> NDArray[np.uint8]:
    """Strokes, later ones over earlier ones, (side, side, 3)."""
    ticks = ((np.arange(side) + 0.5) / side * 2 - 1) * _REACH
    x, y = ticks[None, :], -ticks[:, None]
    pixel = 2 * _REACH / side
    image = np.empty((side, side, 3))
    image[:] = _GROUND
    for stroke in strokes:
        (x0, y0), (x1, y1) = stroke.start, stroke.end
        dx, dy = x1 - x0, y1 - y0
        along = ((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-12)
        along = np.clip(along, 0.0, 1.0)
        away = np.hypot(x - x0 - along * dx, y - y0 - along * dy)
        covered = np.clip((stroke.radius - away) / pixel + 0.5, 0.0, 1.0)[..., None]
        image += covered * (np.array(stroke.colour) - image)
    return image.round().astype(np.uint8)


def _strokes(world: World) -> list[Stroke]:
    _, position, _ = world.joints_of(world.state)
    things = {name: value[0] for name, value in world.things().items()}
    at = position[0]
    match world:
        case Whack():
            mole = _point(things["mole"])
            return [_dot(mole, MOLE, _THING), _dot(_point(at), _NEAR, _ROBOT)]
        case Tracking():
            return [_dot(_point(things["target"]), 0.05, _THING), _dot(_point(at), _NEAR, _ROBOT)]
        case Balance():
            foot, lean = (float(at[0]), -0.3), float(world.state[0, 3])
            top = (foot[0] + LENGTH * np.sin(lean), foot[1] + LENGTH * np.cos(lean))
            rail = Stroke((-1.5, -0.3), (1.5, -0.3), 0.008, _LINE)
            return [rail, Stroke(foot, top, 0.02, _THING), _dot(foot, 0.06, _ROBOT)]
        case Interception():
            # Balls come down from above: the world's x is up, 0 at the paddle's line.
            ball, line = things["ball"], -0.5
            left, right = float(at[0]) - HALF_PADDLE, float(at[0]) + HALF_PADDLE
            paddle = Stroke((left, line), (right, line), 0.02, _ROBOT)
            return [_dot((float(ball[1]), float(ball[0]) + line), 0.03, _THING), paddle]
        case _:
            return []


def _dot(at: Point, radius: float, colour: Colour) -> Stroke:
    return Stroke(at, at, radius, colour)


def _point(values: NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1])
