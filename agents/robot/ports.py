"""What a robot and a policy must offer to be driven: the ports of the robot agent.

Shapes: A joints (`action_dim`), S entries of state (`state_dim`), H actions in a chunk (`horizon`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .safety import Limits

Array: TypeAlias = NDArray[np.float32]


class Semantics(StrEnum):
    """What the numbers of an action say.

    ABSOLUTE: the position to be at. RELATIVE: how far to move from the position commanded last.
    VELOCITY: how fast to move, in units per second.
    """

    ABSOLUTE = "absolute"
    RELATIVE = "relative"
    VELOCITY = "velocity"


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """What a policy declares about itself.

    Attributes:
        name: for people.
        rate_hz: control steps in a second that its actions are meant for.
        horizon: H, actions in a chunk.
        action_dim: A.
        semantics: of its actions.
        takes_delay: it was trained with the planned delay, in control steps, as an input.
        takes_future_state: it was trained to act from the state it is given, though that state is
            later than what it sees (offset augmentation).
        takes_prefix: it continues the actions that are executed while it infers.
        inpaints: it draws its answer towards the chunk that runs (`guidance`).
        corrects: a light head of it corrects single actions by what is observed meanwhile.
    """

    name: str
    rate_hz: float
    horizon: int
    action_dim: int
    semantics: Semantics
    takes_delay: bool = False
    takes_future_state: bool = False
    takes_prefix: bool = False
    inpaints: bool = False
    corrects: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What a robot senses at one moment.

    Attributes:
        time: seconds, on the robot's monotonic clock.
        state: (S,); its first A entries are the commanded positions, unless the robot's docstring
            says otherwise.
        values: whatever else it senses: images, the pose of things.
        prompt: the task in words.
    """

    time: float
    state: Array
    values: Mapping[str, Array]
    prompt: str = ""


class Policy(Protocol):
    """Turns what is observed into the next actions. May block: never called on an event loop."""

    @property
    def spec(self) -> PolicySpec:
        """What it declares about itself."""
        ...

    def infer(
        self,
        observation: Observation,
        state: Array,
        delay: int | None = None,
        prefix: Array | None = None,
    ) -> Array:
        """The next actions.

        Args:
            observation: what the robot sensed last.
            state: (S,), the robot's state at the time of the first action: `observation.state`, or
                where it is predicted to be by then.
            delay: control steps from the observation to the first action, if the policy takes it.
            prefix: (n, A), the actions executed from the observation on, if the policy takes it;
                the answer then starts with them. If it inpaints: all that is left of the chunk that
                runs, of which the first `delay` will be executed.

        Returns:
            (H, A).
        """
        ...


@dataclass(frozen=True, slots=True)
class RobotSpec:
    """What a robot declares about itself.

    Attributes:
        name: for people.
        rate_hz: control steps in a second.
        state_dim: S.
        action_dim: A.
        limits: of its joints, (A,) each, at `rate_hz`.
        skills: what it can be asked to do, by name.
    """

    name: str
    rate_hz: float
    state_dim: int
    action_dim: int
    limits: Limits
    skills: tuple[str, ...]


class Robot(Protocol):
    """A robot or a simulated one. Its world never pauses for inference."""

    @property
    def spec(self) -> RobotSpec:
        """What it declares about itself."""
        ...

    def observe(self) -> Observation:
        """What it senses now; returns at once."""
        ...

    def act(self, action: Array) -> None:
        """Commands positions, (A,), for one control step; returns at once."""
        ...


@runtime_checkable
class Predicts(Protocol):
    """A robot with a model of itself."""

    def predict(self, state: Array, commands: Array) -> Array:
        """The state after commands, if nothing else happens; called within a control step.

        Args:
            state: (S,).
            commands: positions of the next control steps, (n, A).

        Returns:
            (S,).
        """
        ...


@runtime_checkable
class Corrects(Protocol):
    """A policy with a light head that corrects single actions; its spec says `corrects`."""

    def correct(self, observation: Observation, action: Array, age: int) -> Array:
        """The action to take instead; called within a control step.

        Args:
            observation: of now.
            action: (A,).
            age: control steps since the observation that the action answers.

        Returns:
            (A,).
        """
        ...
