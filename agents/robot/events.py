"""What the controller of a robot hears and what it says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .ports import Array, Observation

# ── what it hears ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Begin:
    """The policy shall drive the robot.

    Attributes:
        prompt: the task in words.
    """

    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Amend:
    """The policy shall go on by other words.

    Attributes:
        prompt: the task in words, as a whole.
        instead_of: those by which it must be driven now; None for any.
    """

    prompt: str
    instead_of: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Steer:
    """A person, or a skill that needs no policy, drives it.

    Attributes:
        wish: the position to be at, (A,).
        for_s: how long the wish stands if no other follows; None for as long as it takes.
    """

    wish: Array
    for_s: float | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """One control step."""


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What the robot senses before its next step."""

    observation: Observation


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """The policy's answer to `Infer`.

    Attributes:
        id: of the question.
        actions: (H, A), in the policy's units and steps.
    """

    id: int
    actions: Array


@dataclass(frozen=True, slots=True)
class Refused:
    """The policy has no answer to `Infer`: it failed, or it is out of reach."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The hub is out of reach."""


@dataclass(frozen=True, slots=True)
class LinkBack:
    """The hub can be reached again."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Whatever it does, it shall not go on with it."""

    reason: str = "cancelled"


@dataclass(frozen=True, slots=True)
class EmergencyStop:
    """Nothing moves until a person releases it."""

    reason: str = "emergency stop"


@dataclass(frozen=True, slots=True)
class Release:
    """A person ends an emergency stop.

    Attributes:
        person: who.
        stops: emergency stops that the person knew of; None for all.
    """

    person: str
    stops: int | None = None


Event: TypeAlias = (
    Begin
    | Amend
    | Steer
    | Tick
    | Observed
    | Answered
    | Refused
    | LinkLost
    | LinkBack
    | Cancel
    | EmergencyStop
    | Release
)

# ── what it says ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Source:
    """Where an action came from.

    Attributes:
        strategy: its name; ``hold`` and ``steer`` if no policy drives.
        chunk: id of the question that it answers; None without a policy.
        index: of the action in its chunk, in control steps.
        clamped: for each joint, whether the envelope changed the wish.
    """

    strategy: str
    chunk: int | None
    index: int | None
    clamped: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """Command positions for one control step: exactly one for each `Tick`.

    Attributes:
        action: (A,).
    """

    action: Array
    source: Source


@dataclass(frozen=True, slots=True, eq=False)
class Infer:
    """Ask the policy. It shall be answered by `Answered` or `Refused`, once.

    Attributes:
        id: of the question, rising.
        step: how many control steps came before the observation.
        observation: what was sensed last, with the task as its prompt.
        state: (S,), where the robot will be when the first action is executed; or where it is.
        planned: how many control steps the answer is expected to take.
        delay: planned steps of the policy between the observation and the first action; None if the
            policy does not take it.
        prefix: (n, A), what will be executed meanwhile, or all that is left of the chunk; None if
            the policy does not take it.
    """

    id: int
    step: int
    observation: Observation
    state: Array
    planned: int
    delay: int | None
    prefix: Array | None


@dataclass(frozen=True, slots=True)
class Halted:
    """It brakes and holds; said once for each trouble, when it begins.

    Attributes:
        reason: why.
        asked: somebody wanted it so, or its motion is over: nothing went wrong.
    """

    reason: str
    asked: bool = False


Instruction: TypeAlias = Act | Infer | Halted


@dataclass(frozen=True, slots=True)
class Released:
    """An emergency stop that a person ended.

    Attributes:
        step: control steps before it.
        stopped: why the robot was stopped.
        person: who ended that.
    """

    step: int
    stopped: str
    person: str


@dataclass(frozen=True, slots=True, eq=False)
class Executed:
    """One action of the record.

    Attributes:
        step: of how many.
        time: when, in the controller's seconds.
        action: (A,).
        source: where it came from.
    """

    step: int
    time: float
    action: Array
    source: Source
