"""The envelope between a policy and a robot: limits that hold whatever is asked for. Pure.

Positions are commanded once in each control step. At any time the envelope has a way to stand
still in hand that keeps every limit: the velocities of the next steps, down to rest. A wish is
followed by trying another way, one that first steps towards the wish and brakes then, and by taking
the largest share of it that keeps the limits. That needs no search: limits on position, velocity,
acceleration and jerk are convex, so what lies between two ways that keep them keeps them too. If no
share of a wish is possible, the step is the one of the way in hand. So no sequence of wishes leads
out of the limits, and a hold is possible at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from constellation.errors import ConfigError

Vector: TypeAlias = NDArray[np.float64]

_MAX_BRAKING_STEPS = 4_000
_ROUNDS = 3
# Velocities below this share of what jerk makes in one step are what rounding left of 0.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Workspace:
    """Walls that joints together must not pass: `normals @ position <= bounds`.

    At a wall all joints stop, so that none slips along it unasked.

    Attributes:
        normals: a row for each wall, (W, A).
        bounds: (W,).
    """

    normals: Vector
    bounds: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """What each joint may do, grippers included.

    Attributes:
        low, high: positions, (A,), in the robot's units.
        velocity, acceleration, jerk: (A,), above 0, in units per second, per second squared, cubed.
        rate_hz: control steps in a second.
        workspace: walls, if there are any.

    Raises:
        ConfigError: they contradict themselves, or braking would take thousands of steps.
    """

    low: Vector
    high: Vector
    velocity: Vector
    acceleration: Vector
    jerk: Vector
    rate_hz: float
    workspace: Workspace | None = None

    def __post_init__(self) -> None:
        rates = (self.velocity, self.acceleration, self.jerk)
        if self.rate_hz <= 0 or any(not (np.isfinite(each) & (each > 0)).all() for each in rates):
            raise ConfigError(
                "Rates and limits of motion must be finite and above 0.",
                remedy="Correct the limits of the robot.",
            )
        if not (np.isfinite(self.low) & np.isfinite(self.high) & (self.low < self.high)).all():
            raise ConfigError(
                "Every joint needs a lowest position below its highest.",
                remedy="Correct the limits of the robot.",
            )
        if self.braking_steps > _MAX_BRAKING_STEPS:
            raise ConfigError(
                f"Braking would take up to {self.braking_steps / self.rate_hz:.0f} s.",
                remedy="Allow more acceleration or jerk, or less velocity.",
            )

    @property
    def braking_steps(self) -> int:
        """Control steps after which a brake has ended, from whatever the limits allow.

        At worst a joint accelerates as much as its velocity allows. It lets go of that, brakes as
        much (two ramps of jerk more), and in between as long as its velocity takes.
        """
        steepest = np.minimum(self.acceleration, np.sqrt(2 * self.velocity * self.jerk))
        seconds = self.velocity / self.acceleration + 3 * steepest / self.jerk
        return int(np.ceil(seconds.max() * self.rate_hz)) + 4


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How the robot is commanded to move: positions, and their differences from step to step.

    Attributes:
        position, velocity, acceleration: (A,); the latter two per step, and per step squared.
    """

    position: Vector
    velocity: Vector
    acceleration: Vector

    @property
    def at_rest(self) -> bool:
        """True if nothing moves."""
        return not (self.velocity.any() or self.acceleration.any())


class Envelope:
    """Turns wishes into commands that keep the limits.

    Args:
        limits: of the robot.
        position: where it stands still, (A,).

    Attributes:
        motion: what was commanded last.

    Raises:
        ConfigError: it stands outside of its limits.
    """

    def __init__(self, limits: Limits, position: Vector) -> None:
        rate = limits.rate_hz
        self.limits = limits
        self._velocity = limits.velocity / rate
        self._acceleration = limits.acceleration / rate**2
        self._jerk = limits.jerk / rate**3
        inside = (limits.low <= position) & (position <= limits.high)
        walls = limits.workspace
        if not inside.all() or (walls and (walls.normals @ position > walls.bounds).any()):
            raise ConfigError(
                "The robot stands outside of its limits.", remedy="Move it, or correct the limits."
            )
        still = np.zeros(position.shape)
        self.motion = Motion(position.astype(np.float64), still, still)
        # Velocities of the next steps, down to rest: (braking_steps + 1, A).
        self._way = np.zeros((limits.braking_steps + 1, position.size))
        self._wished, self._pace, self._gain = self.motion.position, still, still

    def step(self, wish: Vector) -> tuple[Vector, NDArray[np.bool_]]:
        """The command that follows a wished position as far as the limits allow.

        A wish that goes on from the last one, which was met, is met exactly if it can be. Otherwise
        the robot catches up: it moves so that it could come to rest where the wish would, if both
        braked now, and does not pass it. So a wish that stays is reached, at rest.

        Args:
            wish: (A,); what is not finite is a wish to stop.

        Returns:
            the command, (A,), and which joints got another one than was wished, (A,).
        """
        motion = self.motion
        known = np.isfinite(wish)
        target = np.clip(np.where(known, wish, motion.position), self.limits.low, self.limits.high)
        exact = target - motion.position - motion.velocity
        first = self._reachable(exact)
        pace = np.where(np.isfinite(self._wished), target - self._wished, 0.0)
        gain = pace - self._pace
        steady = np.clip(_kept(pace, self._pace), -self._velocity, self._velocity)
        gaining = np.clip(_kept(gain, self._gain), -self._acceleration, self._acceleration)
        tried, halfway, shortest, lead = self._brakes(first, steady, gaining)
        # What was drawn from many ways brakes a little late: behind a goal on the move, that would
        # be a lag. The way to a goal that stays is kept, since it ends there.
        moving = steady != 0.0
        renewed = np.where(moving, self._allowed(shortest), 0.0)
        self._way = self._inside(self._way + renewed * (shortest - self._way))

        met = (first == exact) & (np.abs(motion.position - self._wished) <= self._tolerance)
        change, needed = tried - self._way, target + lead - self.rest
        half, whole = halfway - self._way.sum(axis=0), change.sum(axis=0)
        wanted = np.where(moving, _bent_share(needed, half, whole), _share(needed, whole))
        wanted = np.where(met, 1.0, wanted)
        share = np.where(known, np.minimum(wanted, self._allowed(tried)), 0.0)
        self._go(self._inside(self._way + share * change))
        self._wished, self._pace, self._gain = np.where(known, target, np.nan), pace, gain
        return self.motion.position, ~(np.abs(self.motion.position - wish) <= self._tolerance)

    @property
    def rest(self) -> Vector:
        """Where it comes to rest if it holds from now on, (A,)."""
        rest: Vector = self.motion.position + self._way.sum(axis=0)
        return rest

    def hold(self) -> Vector:
        """The command that brakes, and after at most `limits.braking_steps` stands still; (A,)."""
        self._go(self._way)
        self._wished = np.full(self._wished.shape, np.nan)
        return self.motion.position

    @property
    def _tolerance(self) -> Vector:
        return _ROUNDING * (self.limits.high - self.limits.low)

    def _go(self, way: Vector) -> None:
        """Takes the first step of a way, and keeps the rest of it in hand."""
        motion, velocity = self.motion, way[0]
        self.motion = Motion(motion.position + velocity, velocity, velocity - motion.velocity)
        self._way = np.concatenate((way[1:], np.zeros((1, velocity.size))))

    def _reachable(self, acceleration: Vector) -> Vector:
        """The nearest acceleration that keeps the limits of acceleration and jerk."""
        before = self.motion.acceleration
        least = np.maximum(before - self._jerk, -self._acceleration)
        most = np.minimum(before + self._jerk, self._acceleration)
        return np.clip(acceleration, least, most)

    def _brakes(
        self, first: Vector, pace: Vector, gaining: Vector
    ) -> tuple[Vector, Vector, Vector, Vector]:
        """Four brakes, computed at once.

        Args:
            first: an acceleration of the next step, (A,).
            pace, gaining: a velocity and an acceleration, (A,).

        Returns:
            the way that takes the first step and then brakes, (braking_steps + 1, A); the distance
            of the one whose step is halfway between this and the way in hand, (A,); the way that
            brakes now, and the distance of one from pace and gaining.
        """
        motion = self.motion
        middle = (first + self._way[0] - motion.velocity) / 2
        steps = np.stack((first, middle))
        velocities = motion.velocity + steps
        brakes = _brake(
            np.concatenate((*velocities, motion.velocity, pace)),
            np.concatenate((*steps, motion.acceleration, gaining)),
            np.tile(self._acceleration, 4),
            np.tile(self._jerk, 4),
            self._way.shape[0],
        )
        tried, halfway, shortest, lead = np.split(brakes, 4, axis=1)
        return (
            np.concatenate((velocities[:1], tried[:-1])),
            velocities[1] + halfway.sum(axis=0),
            shortest,
            lead.sum(axis=0),
        )

    def _allowed(self, way: Vector) -> Vector:
        """The largest share of another way, the rest of the one in hand, that keeps the limits.

        Args:
            way: velocities, (braking_steps + 1, A).

        Returns:
            (A,), from 0 to 1; 0 if the other way does not end at rest.
        """
        change = way - self._way
        there, moved = self.motion.position + self._way.cumsum(axis=0), change.cumsum(axis=0)
        shares = np.minimum(
            np.minimum(
                _room(self._velocity - self._way, change),
                _room(self._velocity + self._way, -change),
            ),
            np.minimum(
                _room(self.limits.high - there, moved), _room(there - self.limits.low, -moved)
            ),
        )
        return np.where(way[-1] == 0.0, shares.min(axis=0), 0.0)

    def _inside(self, way: Vector) -> Vector:
        """Another way, drawn towards the one in hand as far as the workspace needs it."""
        walls = self.limits.workspace
        if walls is None:
            return way
        change = way - self._way
        there = (self.motion.position + self._way.cumsum(axis=0)) @ walls.normals.T
        moved = change.cumsum(axis=0) @ walls.normals.T
        share: float = _room(walls.bounds - there, moved).min()
        return self._way + share * change


def _share(needed: Vector, gained: Vector) -> Vector:
    """Which share of a gain makes up for what is needed, from 0 to 1."""
    safe = np.where(gained == 0.0, 1.0, gained)
    return np.clip(np.where(gained == 0.0, 0.0, needed / safe), 0.0, 1.0)


def _bent_share(needed: Vector, half: Vector, whole: Vector) -> Vector:
    """The same, if half of it gains other than half: by the parabola through both."""
    slope, bend = 4 * half - whole, 2 * whole - 4 * half
    root = np.sqrt(np.maximum(slope**2 + 4 * bend * needed, 0.0))
    return _share(2 * needed, slope + np.where(slope < 0, -root, root))


def _kept(now: Vector, before: Vector) -> Vector:
    """What two values have in common: noise and single jumps have nothing."""
    least = np.minimum(np.abs(now), np.abs(before))
    return np.where(np.sign(now) == np.sign(before), np.sign(now) * least, 0.0)


def _room(room: Vector, change: Vector) -> Vector:
    """Which share of a change there is room for, from 0 to 1."""
    room = np.maximum(room, 0.0)
    return np.where(change > room, room / np.where(change > room, change, 1.0), 1.0)


def _brake(
    velocity: Vector, acceleration: Vector, steepest: Vector, jerk: Vector, steps: int
) -> Vector:
    """The fastest way to rest.

    In the direction of what is to be braked, the deceleration in step k is the least of three: what
    jerk allows since the beginning, k · jerk − acceleration; the steepest; and what jerk allows to
    let go of until an end T, (T − k) · jerk. T is where the decelerations add up to the velocity.

    Args:
        velocity, acceleration: (M,), of the step before, per step and per step squared.
        steepest, jerk: their limits, (M,).
        steps: N.

    Returns:
        velocities, (N, M). The last is 0, unless more steps would be needed.
    """
    k = np.arange(1.0, steps + 1)[:, None]
    eased = np.maximum(np.abs(acceleration) - k * jerk, 0.0).sum(axis=0)
    sign = np.where(velocity + np.sign(acceleration) * eased < 0, -1.0, 1.0)
    speed, pull = sign * velocity / jerk, sign * acceleration / jerk
    onset = np.minimum(k - pull, steepest / jerk)
    # The end in continuous time; discrete steps move it a little, which Newton's method mends.
    top = np.sqrt(np.maximum(speed + pull**2 / 2, 0.0))
    most = steepest / jerk
    end = pull + np.where(top > most, top**2 / most + most, 2 * top)
    for _ in range(_ROUNDS):
        release = np.maximum(end - k, 0.0)
        missing = speed - np.minimum(onset, release).sum(axis=0)
        slope = ((release < onset) & (release > 0)).sum(axis=0)
        end = end + missing / np.maximum(slope, 1)
    # The right one lies between a brake that is a little too short and one a little too long.
    short = np.minimum(onset, np.maximum(np.maximum(end - 1, -pull) - k, 0.0))
    more = np.minimum(onset, np.maximum(end + 1 - k, 0.0)) - short
    braking = short + _share(speed - short.sum(axis=0), more.sum(axis=0)) * more
    left: Vector = speed - braking.cumsum(axis=0)
    left[np.abs(left) < _ROUNDING] = 0.0
    return sign * jerk * left
