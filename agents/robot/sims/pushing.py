"""An expert of Push-T: it tries pushes in a simulation of its own, and makes the best one.

Tried is a push at each of some places around the block, straight into it, and on from where the
finger is. The best brings the corners of the block nearest to where they shall be, for the time
that it takes to go there and to push. Where none brings them nearer, as in a corner of the field,
it makes the one that loses least. A place counts only if there is a way there round the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..policies.questions import Question
from ..ports import Array, Observation, PolicySpec, Semantics
from ..safety import Vector
from .pusht import DAMP, HORIZON, MARGIN, PULL, RATE_HZ, SIZE, SUBSTEPS, simulation
from .tee import corners, turned

# The middle of the block, in its own frame.
_MIDDLE = np.array([0.0, 45.0])
# Radius of the finger, and what is left between it and the block on its way.
_RADIUS, _CLEAR = 15.0, 10.0
# How far round the block it goes.
_ROUND = 115.0
# How far ahead of the finger it is told to be: in a push, in a careful one, and on its way.
_HARD, _CAREFUL, _WALK = 33.0, 14.0, 45.0
# Mean distance of the corners, in pixels, below which careful pushes are tried too.
_NEAR = 20.0
# A push ends after so many steps, or once it has made things so much worse, in pixels.
_LONGEST, _WORSE = 12, 6.0
# Steps of a push by which nothing is gained.
_ESCAPE = 6
# Pixels that it walks in a step, and steps that it loses by going elsewhere.
_PACE, _DETOUR = 14.0, 2.0


def _places() -> tuple[Vector, Vector]:
    """Where to push, and outwards from there, in the block's own frame, (P, 2) each."""
    found: list[tuple[tuple[float, float], tuple[float, float]]] = [
        ((x, 0), (0, -1)) for x in (-50, -30, -10, 10, 30, 50)
    ]
    for side in (-1, 1):
        found.append(((60 * side, 15), (side, 0)))
        found += [((x * side, 30), (0, 1)) for x in (28, 50)]
        found += [((15 * side, y), (side, 0)) for y in (55, 80, 105)]
    found.append(((0, 120), (0, 1)))
    both = np.array(found, float)
    return both[:, 0], both[:, 1]


_PLACES, _OUTWARDS = _places()


@dataclass(frozen=True, slots=True, eq=False)
class _Push:
    """One way to push.

    Attributes:
        route: where the finger goes first; empty if it pushes on from where it is.
        start: where it pushes from, (2,).
        ahead: how far ahead of it the commands are, (2,).
        steps: of the push.
        worth: pixels that the corners come nearer, for each step.
    """

    route: tuple[Vector, ...]
    start: Vector
    ahead: Vector
    steps: int = 0
    worth: float = 0.0


class Pusher:
    """Pushes the block to its place."""

    # Not for a later state: the finger would be where the block is seen, which it moves until then.
    spec = PolicySpec("pusht-expert", RATE_HZ, HORIZON, 2, Semantics.ABSOLUTE)

    def __init__(self) -> None:
        self._env: Any = simulation(0)

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next positions, (H, 2)."""
        block, goal = (observation.values[name].astype(float) for name in ("block", "goal"))
        finger, velocity = _inside(state[2:4].astype(float)), state[4:6].astype(float)
        there = corners(goal)
        now = _apart(block, there)
        best: _Push | None = None
        for tried in self._pushes(finger, block, careful=now < _NEAR):
            push = self._tried(tried, finger, velocity, block, there)
            if best is None or push.worth > best.worth:
                best = push
        if best is None:
            return np.tile(finger, (HORIZON, 1)).astype(np.float32)
        return self._commands(best, finger, velocity, block)

    def infer_batch(self, questions: Sequence[Question]) -> Array:
        """The next positions for several robots, (B, H, 2)."""
        return np.stack([self.infer(each.observation, each.state) for each in questions])

    # ── pushes ──────────────────────────────────────────────────────────────────────────────────

    def _pushes(self, finger: Vector, block: Vector, *, careful: bool) -> Iterator[_Push]:
        """What may be tried; the simulation is left as it likes."""
        lengths = (_HARD, _CAREFUL) if careful else (_HARD,)
        self._place(finger, block)
        away, out = self._gap(finger)
        if away < _RADIUS + _CLEAR + 6:
            for angle in (0.0, 0.35, -0.35):
                inwards = turned(-out, angle)
                yield from (_Push((), finger, inwards * length) for length in lengths)
        for place, outwards in zip(_PLACES, _OUTWARDS, strict=True):
            out = turned(outwards, block[2])
            start = block[:2] + turned(place, block[2]) + out * (_RADIUS + _CLEAR)
            if not np.array_equal(start, _inside(start, 3)):
                continue
            self._place(finger, block)
            route = self._route(finger, start, block)
            if route:
                yield from (_Push(route, start, -out * length) for length in lengths)

    def _tried(
        self, push: _Push, finger: Vector, velocity: Vector, block: Vector, there: Vector
    ) -> _Push:
        """A push, with its best number of steps and what that is worth."""
        way = sum(float(np.linalg.norm(b - a)) for a, b in pairwise((finger, *push.route)))
        self._place(push.start, block, np.zeros(2) if push.route else velocity)
        now = least = last = _apart(block, there)
        at, steps = push.start, 0
        for step in range(1, _LONGEST + 1):
            at, pose = self._step(_field(at + push.ahead))
            last = _apart(pose, there)
            if last < least - 1e-3:
                least, steps = last, step
            elif last > least + _WORSE and step > 3:
                break
        if steps == 0:
            # Worse than any that gains; pushing on where nothing moves would be no way out.
            worth = -SIZE - last if push.route else -np.inf
            return _Push(push.route, push.start, push.ahead, _ESCAPE, worth)
        taken = steps + way / _PACE + (_DETOUR if push.route else 0.0)
        return _Push(push.route, push.start, push.ahead, steps, (now - least) / taken)

    def _commands(self, push: _Push, finger: Vector, velocity: Vector, block: Vector) -> Array:
        """The way to a push and the push, as far as a chunk goes, (H, 2)."""
        self._place(finger, block, velocity)
        left, pushed, actions = list(push.route), 0, np.empty((HORIZON, 2), np.float32)
        for index in range(HORIZON):
            while left and np.linalg.norm(left[0] - finger) < (8 if len(left) > 1 else 6):
                left.pop(0)
            command = finger
            if left:
                way = left[0] - finger
                command = finger + way * min(_WALK / float(np.linalg.norm(way)), 1.0)
            elif pushed < push.steps:
                command, pushed = finger + push.ahead, pushed + 1
            actions[index] = _field(command)
            finger, _ = self._step(actions[index])
        return actions

    # ── ways round the block ────────────────────────────────────────────────────────────────────

    def _route(self, finger: Vector, start: Vector, block: Vector) -> tuple[Vector, ...]:
        """Where to go one after the other to come to a start; none if no way is found."""
        left = self._left(finger)
        if left is None:
            return ()
        at = left[-1] if left else finger
        if self._is_free(at, start):
            return (*left, start)
        middle = block[:2] + turned(_MIDDLE, block[2])
        begin, end = (float(np.arctan2(*(each - middle)[::-1])) for each in (at, start))
        found: list[tuple[float, tuple[Vector, ...]]] = []
        for side in (1.0, -1.0):
            turn = (end - begin) * side % (2 * np.pi) * side
            bends = int(abs(turn) / 0.45) + 1
            angles = begin + turn * np.arange(bends + 1) / bends
            arc = [_inside(middle + _ROUND * _towards(angle), 5) for angle in angles]
            legs = list(pairwise((at, *arc, start)))
            if all(self._is_free(a, b) for a, b in legs):
                length = sum(float(np.linalg.norm(b - a)) for a, b in legs)
                found.append((length, (*left, *arc, start)))
        return min(found, key=lambda each: each[0])[1] if found else ()

    def _left(self, finger: Vector) -> tuple[Vector, ...] | None:
        """Where to step back to from the block; empty if it is far enough, None if it is caught."""
        away, out = self._gap(finger)
        if away >= _RADIUS + 4:
            return ()
        narrow = max(min(away, _RADIUS) - 2, 1.0)
        ahead = float(np.arctan2(out[1], out[0]))
        for turn in (0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5):
            for far in (12.0, 30.0, 60.0):
                end = _inside(finger + far * _towards(ahead + turn), 3)
                if self._gap(end)[0] >= _RADIUS + 4 and self._is_free(finger, end, narrow):
                    return (end,)
        return None

    def _is_free(self, begin: Vector, end: Vector, radius: float = _RADIUS + 2) -> bool:
        """Whether something round fits between two places without touching the block."""
        return not any(
            shape.segment_query(_pair(begin), _pair(end), radius).shape is not None
            for shape in self._env.block.shapes
        )

    def _gap(self, place: Vector) -> tuple[float, Vector]:
        """How far the block is from a place, and outwards from there, (2,)."""
        near = min(
            (shape.point_query(_pair(place)) for shape in self._env.block.shapes),
            key=lambda found: float(found.distance),
        )
        return float(near.distance), np.array(near.gradient, float)

    # ── the simulation ──────────────────────────────────────────────────────────────────────────

    def _place(self, finger: Vector, block: Vector, velocity: Vector | None = None) -> None:
        """Lays block and finger somewhere; the block is at rest, as it is unless it is pushed."""
        body, tee = self._env.agent, self._env.block
        # The angle turns it about its centre of mass, so it comes first.
        tee.angle = float(block[2])
        tee.position = _pair(block[:2])
        tee.velocity, tee.angular_velocity = (0.0, 0.0), 0.0
        body.position = _pair(finger)
        body.velocity = (0.0, 0.0) if velocity is None else _pair(velocity)
        for each in (body, tee):
            self._env.space.reindex_shapes_for_body(each)

    def _step(self, command: Vector) -> tuple[Vector, Vector]:
        """One control step; the finger, (2,), and the block, (3,), after it."""
        body, tee, dt = self._env.agent, self._env.block, self._env.dt
        x, y = _pair(command)
        for _ in range(SUBSTEPS):
            (px, py), (vx, vy) = body.position, body.velocity
            body.velocity = (
                vx + (PULL * (x - px) - DAMP * vx) * dt,
                vy + (PULL * (y - py) - DAMP * vy) * dt,
            )
            self._env.space.step(dt)
        return np.array(body.position, float), np.array((*tee.position, tee.angle), float)


def _apart(pose: Vector, there: Vector) -> float:
    """How far the corners of a block are from others, on average, in pixels."""
    return float(np.linalg.norm(corners(pose) - there, axis=1).mean())


def _towards(angle: float) -> Vector:
    return np.array([np.cos(angle), np.sin(angle)])


def _inside(place: Vector, more: float = 0.0) -> Vector:
    """The nearest place where the finger may be, perhaps some pixels farther from the walls."""
    inside: Vector = np.clip(place, MARGIN + more, SIZE - MARGIN - more)
    return inside


def _field(place: Vector) -> Vector:
    on_field: Vector = np.clip(place, 0.0, SIZE)
    return on_field


def _pair(place: Vector) -> tuple[float, float]:
    return float(place[0]), float(place[1])
