"""What all simulated worlds have in common: a batch of episodes that goes on whatever is decided.

Shapes: B episodes, A joints, S entries of state, H actions.

The state of every world begins with the commanded positions, the positions and the velocities of
the joints, A each. What else belongs to the robot, and moves by its doing alone, follows. Things
that move by themselves are no part of the state: they are `things`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from ..safety import Vector
from .servo import Servo

Things: TypeAlias = Mapping[str, Vector]

RATE_HZ = 50.0


@dataclass(frozen=True, slots=True)
class Task:
    """What a world is about.

    Attributes:
        name: of the world.
        prompt: the task in words.
        skill: of the robot agent, by which it is asked for.
        joints: A.
        state_dim: S.
        steps: control steps in an episode.
    """

    name: str
    prompt: str
    skill: str
    joints: int
    state_dim: int
    steps: int


class World(ABC):
    """A batch of episodes of one task.

    Args:
        batch: B.
        rng: the only source of chance.

    Attributes:
        state: (B, S), as it is, without the noise of sensors.
        step_count: control steps so far.
    """

    task: ClassVar[Task]
    # Standard deviation of what is sensed, of every entry but the commanded positions.
    noise: ClassVar[float] = 0.002
    reach: ClassVar[float] = 1.5
    servo: ClassVar[Servo] = Servo(period=1 / RATE_HZ)

    def __init__(self, batch: int, rng: np.random.Generator) -> None:
        self.batch = batch
        self.rng = rng
        self.state: Vector = np.zeros((batch, self.task.state_dim))
        self.step_count = 0

    # ── the robot's side ────────────────────────────────────────────────────────────────────────

    def step(self, commands: Vector) -> None:
        """One control step: the robot follows commands, (B, A), and the world goes on."""
        self.state = self.predict(self.state, np.clip(commands, -self.reach, self.reach))
        self.step_count += 1
        self._go_on()

    def sense(self) -> tuple[Vector, dict[str, Vector]]:
        """What sensors tell: the state, (B, S), and things, (B, k) each."""
        joints = self.task.joints
        seen = self.state + self.noise * self.rng.standard_normal(self.state.shape)
        seen[:, :joints] = self.state[:, :joints]
        things = self.things()
        return seen, {
            name: value + self.noise * self.rng.standard_normal(value.shape)
            for name, value in things.items()
        }

    @property
    def done(self) -> bool:
        """True once the episodes have had their time."""
        return self.step_count >= self.task.steps

    def joints_of(self, state: Vector) -> tuple[Vector, Vector, Vector]:
        """Commanded positions, positions and velocities, (B, A) each, of states (B, S)."""
        a = self.task.joints
        return state[:, :a], state[:, a : 2 * a], state[:, 2 * a : 3 * a]

    # ── what tasks say ──────────────────────────────────────────────────────────────────────────

    def predict(self, state: Vector, commands: Vector) -> Vector:
        """The state, (B, S), one control step after another one if nothing disturbs it.

        Args:
            commands: positions, (B, A).
        """
        _, position, velocity = self.joints_of(state)
        pull = self.servo.acceleration(commands, position, velocity)
        return np.concatenate((commands, *self.servo.moved(pull, position, velocity)), axis=1)

    @abstractmethod
    def things(self) -> dict[str, Vector]:
        """What there is besides the robot, (B, k) each."""

    @abstractmethod
    def _go_on(self) -> None:
        """The world's own part of a control step, and the score."""

    @abstractmethod
    def score(self) -> Vector:
        """How well each episode went so far, (B,), from 0 to 1."""

    @abstractmethod
    def wanted(self, state: Vector, things: Things, ahead: Vector) -> Vector:
        """The acceleration that the expert wants, (B, A).

        Args:
            state: (B, S).
            things: as they were sensed.
            ahead: how many control steps later than the things the state is, (B,).
        """

    @abstractmethod
    def features(self, state: Vector, things: Things) -> Vector:
        """What a policy is shown, (B, F): relative where only differences matter."""


def towards(
    goal: Vector, position: Vector, velocity: Vector, *, pace: float, most: float
) -> Vector:
    """The acceleration of a critically damped approach with bounded force.

    Args:
        goal, position, velocity: (B, A).
        pace: how fast it settles, per second.
        most: the bound on acceleration.
    """
    # A bounded force cannot brake from any speed: approach no faster than it can.
    gap = goal - position
    fastest = np.sqrt(2 * most * np.abs(gap)) * 0.8
    speed = np.clip(pace / 2 * gap, -fastest, fastest)
    return np.clip(2 * pace * (speed - velocity), -most, most)
