"""Ending attempts whose task's deadline has passed, also where the hub cannot say so any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from constellation.errors import ConstellationError

from .attempts import Attempt, Stage
from .errors import DeadlinePassed

# The hub's clock is measured once a connection is up, and ever better: look again now and then.
_UNMEASURED_S = 1.0
_LOOK_EVERY_S = 60.0


class Deadlines:
    """Looks after the deadlines of open attempts; made in the event loop that it lives in.

    Unlike the time of an attempt, a deadline does not stand still while a person is asked.

    Args:
        hub_time: the hub's clock, in Unix seconds; None as long as it is not known.
        stop: stops an attempt for a reason.
    """

    def __init__(
        self,
        hub_time: Callable[[], float | None],
        stop: Callable[[Attempt, ConstellationError], None],
    ) -> None:
        self._hub_time = hub_time
        self._stop = stop
        self._loop = asyncio.get_running_loop()

    def watch(self, attempt: Attempt) -> None:
        """Stop an attempt when its deadline has come, if it has one."""
        if attempt.deadline is None or attempt.stage is Stage.ENDED:
            return
        now = self._hub_time()
        left_s = _UNMEASURED_S if now is None else attempt.deadline - now
        if left_s > 0:
            self._loop.call_later(min(left_s, _LOOK_EVERY_S), self.watch, attempt)
            return
        error = DeadlinePassed(
            "The deadline of its task passed before it ended.",
            remedy="Give the task more time, or a faster device.",
        )
        self._stop(attempt, error)
