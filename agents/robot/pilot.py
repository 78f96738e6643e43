"""A robot for whoever asks for motion: one at a time, reported as it goes, at rest when it is over.

Skills run on the event loop, the control loop on a thread of its own. A pilot stands between: it
posts what shall be done, and looks from time to time how it goes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

import anyio
import numpy as np

from constellation.errors import InvalidTransition, TaskFailed

from .controller import Controller
from .events import Amend, Begin, Cancel, EmergencyStop, Event, LinkBack, LinkLost, Release, Steer
from .loop import Loop
from .ports import Array, RobotSpec

# How often it is looked at how things go.
LOOK_S = 0.1
# A goal is reached at rest this close to it, as a share of a joint's range.
_CLOSE = 1e-5

# Told from time to time: how far it is, from 0 to 1, and what a person may want to know.
Report: TypeAlias = Callable[[float | None, str], None]


@dataclass(frozen=True, slots=True)
class Driven:
    """What became of a time in which a policy drove.

    Attributes:
        steps: control steps.
        held: of them, those without an action of the policy.
        clamped: of them, those in which the envelope changed a wish.
        score: what the robot counts, if it does: ``score`` of its observation.
        done: it says that its task is done: ``done`` of its observation.
        instruction: the words by which it was driven last.
    """

    steps: int
    held: int
    clamped: int
    score: float | None
    done: bool
    instruction: str


class Pilot:
    """Moves a robot for others.

    Args:
        spec: of the robot.
        loop: runs.

    Attributes:
        home: where the robot was when the pilot took it over, (A,).
    """

    def __init__(self, spec: RobotSpec, loop: Loop) -> None:
        self.spec = spec
        self.home: Array = loop.controller.commanded
        self._loop = loop
        self._turn = anyio.Lock()
        # Raised whenever all motions are ended; each knows in which it was asked for.
        self._era = 0
        self._ended = ""
        self._of_motion = 0

    @property
    def controller(self) -> Controller:
        """To look at; only the loop may tell it anything."""
        return self._loop.controller

    async def drive(self, prompt: str, seconds: float, report: Report) -> Driven:
        """Lets the policy drive until the time is over, or the robot says that it is done.

        Raises:
            TaskFailed: it was ended by `hold` or `by_hand`, the robot is stopped, its loop has
                ended, or all the time there was no action of the policy.
        """
        steps = max(1, round(seconds * self.spec.rate_hz))
        async with self._motion():
            await self._post(Begin(prompt))
            begun, held, clamped = self._counted()
            while (made := self.controller.step - begun) < steps and not self._says("done"):
                now_by = self.controller.prompt
                amended = f", amended: {now_by}" if now_by not in (prompt, "") else ""
                report(made / steps, f"{self.describe()}{amended}")
                await self._look()
            now = self._counted()
            if now[1] - held == now[0] - begun and not self._says("done"):
                why = self.controller.halted or "its policy did not answer in time"
                raise TaskFailed(f"The robot did nothing in {seconds:g} s: {why}.")
            return Driven(
                steps=now[0] - begun,
                held=now[1] - held,
                clamped=now[2] - clamped,
                score=self.score,
                done=self._says("done"),
                instruction=self.controller.prompt,
            )

    @property
    def score(self) -> float | None:
        """What the robot counts; None if it counts nothing."""
        return self._value("score")

    @property
    def tells_done(self) -> bool:
        """Whether the robot says if its task is done."""
        return self._value("done") is not None

    async def amend(self, prompt: str, instead_of: str | None = None) -> None:
        """Changes the words by which the policy drives; the motion goes on, and its time too.

        Args:
            prompt: the new words, as a whole.
            instead_of: those by which it must be driven now; None for any.

        Raises:
            TaskFailed: no policy drives it, or by other words, or its loop has ended.
        """
        self._check_power()
        try:
            await asyncio.wrap_future(self._loop.post(Amend(prompt, instead_of)))
        except InvalidTransition as error:
            raise TaskFailed(
                f"There is nothing to amend: the robot is {error.state}.",
                remedy="Ask for a motion by these words.",
            ) from error

    async def go(self, position: Array, report: Report) -> None:
        """Goes to a position, or as near as the limits allow; returns when the robot rests there.

        Raises:
            TaskFailed: it is no position of this robot; or as `drive`.
        """
        async with self._motion():
            await self.steer(position, report)

    @asynccontextmanager
    async def by_hand(self) -> AsyncIterator[None]:
        """A person takes over: what moves the robot, or waits to, is over; then only `steer` does.

        Raises:
            TaskFailed: as `drive`.
        """
        self._end_all("a person took over")
        async with self._motion():
            yield

    async def steer(self, position: Array, report: Report) -> None:
        """As `go`, for whoever has the robot `by_hand`."""
        joints = self.spec.action_dim
        if position.shape != (joints,) or not np.isfinite(position).all():
            raise TaskFailed(f"A position of this robot is {joints} finite numbers.")
        self._check()
        await self._post(Steer(position))
        while not self._is_at(position):
            report(None, self.describe())
            await self._look()

    async def hold(self) -> None:
        """Ends what moves the robot, and what waits to; returns when nothing moves.

        Raises:
            TaskFailed: its loop has ended.
        """
        self._end_all("it was told to hold")
        await self._rest("it was asked to hold")

    async def stop(self, reason: str) -> str:
        """An emergency stop: nothing moves until `release`; returns when nothing moves.

        Returns:
            why it is stopped: another reason than this if it was already.
        """
        await self._post(EmergencyStop(reason))
        why = self.controller.halted or reason
        await self._at_rest()
        return why

    async def release(self, person: str, stops: int | None = None) -> None:
        """A person ends an emergency stop.

        Args:
            stops: emergency stops that the person knew of (`Controller.stops`); None for all.

        Raises:
            TaskFailed: it was stopped again since, or its loop has ended.
        """
        self._check_power()
        try:
            await asyncio.wrap_future(self._loop.post(Release(person, stops)))
        except InvalidTransition as error:
            raise TaskFailed(
                "The robot was stopped again meanwhile.", remedy="Look again, and release it then."
            ) from error

    def linked(self, up: bool) -> None:
        """The hub can be reached, or no longer."""
        self._loop.post(LinkBack() if up else LinkLost())

    def describe(self) -> str:
        """How it goes, in one line."""
        controller = self.controller
        if controller.halted is not None:
            return f"holds: {controller.halted}"
        last = controller.record[-1].source if controller.record else None
        if last is None or last.chunk is None:
            return controller.state
        score = self.score
        counted = "" if score is None else f", score {score:g}"
        return f"{last.strategy}, chunk {last.chunk}, {controller.planned} steps of delay{counted}"

    # ── parts ───────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _motion(self) -> AsyncIterator[None]:
        """One motion at a time; however it ends, the robot is at rest afterwards."""
        era = self._era
        async with self._turn:
            self._of_motion = era
            self._check()
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await self._rest("its motion is over")

    async def _rest(self, reason: str) -> None:
        """Brakes, and returns when nothing moves."""
        await self._post(Cancel(reason))
        await self._at_rest()

    async def _at_rest(self) -> None:
        while not self.controller.at_rest:
            self._check_power()
            await anyio.sleep(LOOK_S)

    def _end_all(self, reason: str) -> None:
        """The motion that has its turn, and those that wait for theirs, are over."""
        self._era += 1
        self._ended = reason

    async def _post(self, event: Event) -> None:
        self._check_power()
        try:
            await asyncio.wrap_future(self._loop.post(event))
        except InvalidTransition as error:
            raise TaskFailed(
                "The robot is stopped.", remedy="A person must release it first."
            ) from error

    async def _look(self) -> None:
        await anyio.sleep(LOOK_S)
        self._check()

    def _check(self) -> None:
        """See that the motion that has its turn may go on."""
        self._check_power()
        if self.controller.state == "stopped":
            raise TaskFailed(
                f"The robot was stopped: {self.controller.halted}.",
                remedy="A person must release it first.",
            )
        if self._of_motion != self._era:
            raise TaskFailed(f"The motion was ended: {self._ended}.")

    def _check_power(self) -> None:
        if not self._loop.running:
            raise TaskFailed("The robot is switched off.")

    def _is_at(self, position: Array) -> bool:
        limits, controller = self.spec.limits, self.controller
        away = np.abs(controller.commanded - np.clip(position, limits.low, limits.high))
        return controller.at_rest and bool((away <= _CLOSE * (limits.high - limits.low)).all())

    def _counted(self) -> tuple[int, int, int]:
        return self.controller.step, self.controller.holds, self.controller.clamps

    def _says(self, name: str) -> bool:
        return bool(self._value(name))

    def _value(self, name: str) -> float | None:
        seen = self.controller.seen
        if seen is None or name not in seen.values:
            return None
        value = float(np.asarray(seen.values[name]).reshape(-1)[0])
        return _readable(value) if math.isfinite(value) else None


def _readable(value: float) -> float:
    """Without the digits that float32 made up."""
    return float(f"{value:.6g}")
