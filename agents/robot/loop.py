"""The control loop: ticks the controller at the robot's rate, on a thread of its own.

The loop is late if Python is: an event loop with much to do in the same process costs milliseconds.
So threads take turns more often while a robot is driven. A step that is late is made at once, and
the next is due when it would have been; only if a whole step was missed is the beat set anew, since
a robot must not get two commands at once.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from constellation.aip.endpoint import Guard
from constellation.errors import InvalidTransition

from .controller import Controller
from .events import Act, Cancel, EmergencyStop, Event, Halted, Infer, Instruction, Observed, Tick
from .inference import Asks, in_words
from .ports import Robot
from .recording import Step

log = logging.getLogger("constellation.robot")

# Python's own 5 ms are the whole of a step at 200 Hz.
_TURN_S = 0.0005
# The same reason to hold is told once in so many seconds.
_TELL_AGAIN_S = 5.0
# As many steps of the past tell how late the loop is.
_REMEMBERED = 2_000


class Clock(Protocol):
    """What a control loop needs of time."""

    def now(self) -> float:
        """Seconds; never goes back."""
        ...

    def sleep_until(self, due: float) -> None:
        """Returns when it is time; at once if it is over."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    def sleep_until(self, due: float) -> None:
        left = due - time.monotonic()
        if left > 0:
            time.sleep(left)


class Loop:
    """Drives a robot by its controller; a context manager in which its thread runs.

    Leaving the context brings the robot to rest first.

    Args:
        robot: touched by the loop's thread alone.
        controller: its machine; read it from other threads, but tell it by `post`.
        inference: where questions go.
        clock: to keep the beat by.
        watchers: are shown each control step when it is over, and must return at once.

    Attributes:
        controller: the machine.
        lateness: seconds by which the last steps came after they were due.
    """

    def __init__(
        self,
        robot: Robot,
        controller: Controller,
        inference: Asks,
        clock: Clock | None = None,
        watchers: Sequence[Callable[[Step], None]] = (),
    ) -> None:
        self.controller = controller
        self.lateness: deque[float] = deque(maxlen=_REMEMBERED)
        self._robot = robot
        self._period = 1 / robot.spec.rate_hz
        self._inference = inference
        self._clock = clock or SystemClock()
        self._watchers = watchers
        self._inbox: deque[tuple[Event, Future[None]]] = deque()
        self._ending = threading.Event()
        self._told: dict[str, float] = {}
        # A hold was told, and not yet that it is over.
        self._owes = False
        self._usual_turn_s = sys.getswitchinterval()
        self._thread = threading.Thread(target=self.run, name="control", daemon=True)

    def __enter__(self) -> Loop:
        sys.setswitchinterval(_TURN_S)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._thread.join()
        sys.setswitchinterval(self._usual_turn_s)

    @property
    def running(self) -> bool:
        """True while its thread steps."""
        return self._thread.is_alive()

    def post(self, event: Event) -> Future[None]:
        """Tells the controller before its next step; from any thread.

        Returns:
            done when the controller has taken it; fails with `InvalidTransition` if it does not.
            If it is canceled before, the controller never hears of the event.
        """
        taken: Future[None] = Future()
        self._inbox.append((event, taken))
        return taken

    def end(self) -> None:
        """Has the robot brake; once it is at rest `run` returns."""
        self.post(Cancel("the robot is switched off"))
        self._ending.set()

    def run(self) -> None:
        """Steps until `end`, and then until the robot is at rest.

        If robot, model or correction fail within a step, that is an emergency stop.
        """
        due = self._clock.now()
        while not (self._ending.is_set() and not self._inbox and self.controller.at_rest):
            self._clock.sleep_until(due)
            now = self._clock.now()
            self.lateness.append(now - due)
            with Guard(self._stop):
                self.cycle(now)
            due += self._period
            if now >= due:
                due = now + self._period
        self._inference.close()

    def _stop(self, error: Exception) -> None:
        """What robot or policy raise within a step is an emergency: nobody knows what it means."""
        reason = in_words(error)
        if self._is_news(f"failed: {reason}", self._clock.now()):
            log.error("A control step failed.", exc_info=error)
        # A robot that is switched off is braked anyway, and might fail for ever.
        if not self._ending.is_set():
            self.post(EmergencyStop(reason))

    def cycle(self, now: float) -> None:
        """One control step. It brakes, if it has to, also if nothing can be observed."""
        self._take_all(now)
        with Guard(self._stop):
            self._observe(now)
        # The answer of a policy that is faster than this line serves this step.
        self._take_all(now)
        held = self.controller.halted is not None
        self._do(self.controller.handle(Tick(), now), now)
        if held and self.controller.halted is None and self._owes:
            self._owes = False
            log.info("The robot goes on.")
        if self._watchers:
            made = self.controller
            step = Step(made.state, made.prompt, made.seen, made.record[-1], made.released)
            for watch in self._watchers:
                watch(step)

    def _observe(self, now: float) -> None:
        try:
            observation = self._robot.observe()
        except OSError as error:
            # The controller misses it, and holds if it has to.
            if self._is_news(f"unseen: {error}", now):
                log.warning("The robot cannot be observed: %s", error)
        else:
            self._do(self.controller.handle(Observed(observation), now), now)

    def _take_all(self, now: float) -> None:
        while self._inbox:
            event, taken = self._inbox.popleft()
            self._take(event, taken, now)

    def _take(self, event: Event, taken: Future[None], now: float) -> None:
        if not taken.set_running_or_notify_cancel():
            return
        try:
            self._do(self.controller.handle(event, now), now)
        except InvalidTransition as error:
            taken.set_exception(error)
        else:
            taken.set_result(None)

    def _do(self, instructions: list[Instruction], now: float) -> None:
        for each in instructions:
            match each:
                case Act(action):
                    self._robot.act(action)
                case Infer():
                    self._inference.ask(each, self.post)
                case Halted(reason, asked) if self._is_news(reason, now):
                    level = logging.INFO if asked else logging.WARNING
                    log.log(level, "The robot holds: %s.", reason)
                    self._owes = not asked

    def _is_news(self, reason: str, now: float) -> bool:
        news = now >= self._told.get(reason, -math.inf) + _TELL_AGAIN_S
        if news:
            self._told[reason] = now
        return news
