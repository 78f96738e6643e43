"""What a robot can be asked to do, as skills of a device.

`track`, `hit`, `pick` and `place` are driven by the policy: their instruction is its prompt.
`home` and `teleoperate` need none. `hold`, `amend`, `stop` and `release` are there for every robot.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Annotated

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict

from constellation.errors import ConfigError, TaskFailed

from ..context import Context
from ..skills import AnySkill, skill
from .pilot import Driven, Pilot
from .ports import Array

Seconds = Annotated[float, Field(gt=0, le=3600)]
Words = Annotated[str, Field(max_length=500)]
NewWords = Annotated[str, Field(min_length=1, max_length=500)]
# By this format the planner of a hub knows that the words of a request belong there as they are.
Instruction = Annotated[NewWords, Field(json_schema_extra={"format": "instruction"})]


class Place(TypedDict):
    """Where a robot rests: a position for each joint."""

    position: list[float]


class Stopped(Place):
    """What an emergency stop did.

    `stopped` is the reason, of the first stop if it was stopped already; `ended` the words of the
    task that it was at, empty if a policy did not drive it.
    """

    stopped: str
    ended: str


class Freed(Place):
    """What a person ended: `stopped` is why it was stopped, `released_by` who ended that."""

    stopped: str
    released_by: str


class Driving(TypedDict):
    """What drives a robot from now on: the words that the policy is told."""

    instruction: str


def robot_skills(pilot: Pilot) -> list[AnySkill]:
    """The skills that a robot declares, and those that every robot has.

    Raises:
        ConfigError: it declares one that nobody knows.
    """
    unknown = [name for name in pilot.spec.skills if name not in _DECLARED]
    if unknown:
        known = ", ".join(sorted(_DECLARED))
        raise ConfigError(
            f"The robot declares the skill {unknown[0]!r}.", remedy=f"There are {known}."
        )
    declared = [_DECLARED[name](pilot) for name in pilot.spec.skills if name != "hold"]
    return [*declared, _hold(pilot), _amend(pilot), _stop(pilot), _release(pilot)]


def _position(said: str) -> Array:
    """The numbers in what a person said; none if there is anything else."""
    words = said.replace(",", " ").split()
    try:
        return np.array([float(word) for word in words if isfinite(float(word))], np.float32)
    except ValueError:
        return np.empty(0, np.float32)


def _where(pilot: Pilot) -> Place:
    return {"position": [round(each, 6) for each in pilot.controller.commanded.tolist()]}


# ── driven by the policy ────────────────────────────────────────────────────────────────────────


async def _until_done(pilot: Pilot, context: Context, instruction: str, seconds: float) -> Driven:
    """Drives for something that shall be reached: what comes after it relies on that."""
    driven = await pilot.drive(instruction, seconds, context.progress)
    if pilot.tells_done and not driven.done:
        score = "" if driven.score is None else f", score {driven.score:g}"
        raise TaskFailed(
            f"It was given up after {seconds:g} s: the robot does not say that it is done{score}.",
            remedy="Give it more seconds, or see what hinders it.",
        )
    return driven


def _track(pilot: Pilot) -> AnySkill:
    @skill("robot.track", capacity=1, examples=["track the target", "follow the red ball for 20 s"])
    async def track(
        context: Context, instruction: Instruction = "track the target", seconds: Seconds = 10
    ) -> Driven:
        """Follow something that moves with the robot.

        Args:
            instruction: the task in words, such as "follow the red ball".
            seconds: for how long.
        """
        return await pilot.drive(instruction, seconds, context.progress)

    return track


def _hit(pilot: Pilot) -> AnySkill:
    @skill("robot.hit", capacity=1, examples=["hit the moles", "hit the ball for 20 s"])
    async def hit(
        context: Context, instruction: Instruction = "hit the target", seconds: Seconds = 10
    ) -> Driven:
        """Hit things with the robot as they come up.

        Args:
            instruction: the task in words, such as "hit the moles".
            seconds: for how long.
        """
        return await pilot.drive(instruction, seconds, context.progress)

    return hit


def _pick(pilot: Pilot) -> AnySkill:
    @skill("robot.pick", capacity=1, examples=["pick up the red cube"])
    async def pick(context: Context, instruction: Instruction, seconds: Seconds = 20) -> Driven:
        """Pick something up with the robot.

        Args:
            instruction: the task in words, such as "pick up the red cube".
            seconds: after which it is given up; it fails then, if the robot can tell.
        """
        return await _until_done(pilot, context, instruction, seconds)

    return pick


def _place(pilot: Pilot) -> AnySkill:
    @skill(
        "robot.place",
        capacity=1,
        examples=["put the red cube into the bowl", "place the cup on the table"],
    )
    async def place(context: Context, instruction: Instruction, seconds: Seconds = 20) -> Driven:
        """Put something somewhere with the robot.

        Args:
            instruction: the task in words, such as "put the red cube into the bowl".
            seconds: after which it is given up; it fails then, if the robot can tell.
        """
        return await _until_done(pilot, context, instruction, seconds)

    return place


# ── without a policy ────────────────────────────────────────────────────────────────────────────


def _home(pilot: Pilot) -> AnySkill:
    @skill("robot.home", capacity=1, idempotent=True, examples=["move the robot home"])
    async def home(context: Context) -> Place:
        """Move the robot to where it stood when it was switched on."""
        await pilot.go(pilot.home, context.progress)
        return _where(pilot)

    return home


def _teleoperate(pilot: Pilot) -> AnySkill:
    @skill("robot.teleoperate", capacity=1, examples=["let me steer the robot by hand"])
    async def teleoperate(context: Context) -> Place:
        """Let a person steer the robot, position by position, until they say stop.

        Whatever moves the robot is over then, and nothing else moves it meanwhile.
        """
        limits = pilot.spec.limits
        ranges = ", ".join(
            f"{low:g} to {high:g}" for low, high in zip(limits.low, limits.high, strict=True)
        )
        remark = ""
        async with pilot.by_hand():
            while True:
                here = ", ".join(f"{each:g}" for each in _where(pilot)["position"])
                said = await context.ask(
                    f"{remark}It is at {here}. Where to? One number for each joint ({ranges}), "
                    "or stop."
                )
                if said.strip().lower() == "stop":
                    return _where(pilot)
                position = _position(said)
                if len(position) != pilot.spec.action_dim:
                    remark = f"{said[:80]!r} is no position. "
                    continue
                await pilot.steer(position, context.progress)
                beyond = ((position < limits.low) | (position > limits.high)).any()
                remark = "That is beyond its limits: it went as far as it may. " if beyond else ""

    return teleoperate


# ── of every robot ──────────────────────────────────────────────────────────────────────────────


def _hold(pilot: Pilot) -> AnySkill:
    @skill("robot.hold", idempotent=True, examples=["hold the robot", "let the robot pause"])
    async def hold() -> Place:
        """Bring the robot to rest, gently; whatever else it does is over."""
        await pilot.hold()
        return _where(pilot)

    return hold


def _amend(pilot: Pilot) -> AnySkill:
    @skill("robot.amend", examples=["change the robot's task to 'pick up the other cube'"])
    async def amend(instruction: NewWords, instead_of: Words | None = None) -> Driving:
        """Change the words of the task that the robot is at, in mid-motion.

        Args:
            instruction: the new words of the whole task, such as "pick up the other cube".
            instead_of: the words that it has now; with others nothing is changed.
        """
        await pilot.amend(instruction, instead_of)
        return {"instruction": instruction}

    return amend


def _stop(pilot: Pilot) -> AnySkill:
    @skill("robot.stop", idempotent=True, examples=["stop the robot at once"])
    async def stop(reason: Words = "emergency stop") -> Stopped:
        """Stop the robot in an emergency: nothing moves until a person releases it.

        Args:
            reason: for those who wonder why.
        """
        ended = pilot.controller.prompt
        why = await pilot.stop(reason)
        return {"position": _where(pilot)["position"], "stopped": why, "ended": ended}

    return stop


def _release(pilot: Pilot) -> AnySkill:
    @skill("robot.release", examples=["release the robot"])
    async def release(context: Context) -> Freed:
        """Release the robot after an emergency stop; a person is asked, whatever the policy is."""
        controller = pilot.controller
        if controller.state != "stopped":
            raise TaskFailed(f"There is nothing to release: the robot is {controller.state}.")
        stops, why = controller.stops, str(controller.halted)
        asked = f"The robot was stopped: {why}. Is it safe to release it?"
        person = await context.approver(asked)
        if person is None:
            raise TaskFailed("The robot was not released.")
        # A hub of an older version does not tell who.
        person = person or "a person"
        await pilot.release(person, stops)
        return {"position": _where(pilot)["position"], "stopped": why, "released_by": person}

    return release


_DECLARED: dict[str, Callable[[Pilot], AnySkill]] = {
    "track": _track,
    "hit": _hit,
    "pick": _pick,
    "place": _place,
    "home": _home,
    "teleoperate": _teleoperate,
    "hold": _hold,
}
