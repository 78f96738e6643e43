"""What a robot did, step by step, to be looked at or learned from later."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .events import Executed, Released
from .ports import Observation

log = logging.getLogger("constellation.robot")

_MOST_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One control step.

    Attributes:
        state: who moved the robot, such as ``driven``; see `controller`.
        task: in words; empty if the robot was not told.
        seen: what it sensed; None if it has sensed nothing yet.
        executed: the action, and where it came from.
        released: the last emergency stop that a person ended; None if there was none.
    """

    state: str
    task: str
    seen: Observation | None
    executed: Executed
    released: Released | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One step of an episode."""

    seen: Observation
    executed: Executed


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """Steps that follow one another, for one task.

    Attributes:
        task: in words.
        frames: at least one.
        released: the emergency stop before it that a person ended; None if there was none since the
            episode before.
    """

    task: str
    frames: Sequence[Frame]
    released: Released | None = None


class Recorder:
    """Keeps the steps in which somebody moves a robot; fills memory up to a bound, and then stops.

    Args:
        most_bytes: of what was sensed.

    Attributes:
        left_out: steps that it had no room for.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self.left_out = 0
        self._left_bytes = most_bytes
        self._episodes: list[tuple[str, list[Frame], Released | None]] = []
        self._released: Released | None = None

    def __call__(self, step: Step) -> None:
        """Takes in a step; called by the control loop, so it returns at once."""
        seen, executed = step.seen, step.executed
        if step.state not in ("driven", "steered") or seen is None:
            return
        size = seen.state.nbytes + sum(value.nbytes for value in seen.values.values())
        if size > self._left_bytes:
            if not self.left_out:
                log.warning("The recording is full; what follows is left out.")
            self.left_out += 1
            return
        self._left_bytes -= size
        task = step.task or seen.prompt
        released = None if step.released == self._released else step.released
        if released is not None or not self._follows(task, executed.step):
            self._episodes.append((task, [], released))
            self._released = step.released
        self._episodes[-1][1].append(Frame(_kept(seen), executed))

    @property
    def episodes(self) -> list[Episode]:
        """What was recorded: a new episode begins with each task, and after each rest."""
        return [Episode(task, tuple(frames), released) for task, frames, released in self._episodes]

    def _follows(self, task: str, step: int) -> bool:
        if not self._episodes:
            return False
        last, frames, _ = self._episodes[-1]
        return last == task and frames[-1].executed.step + 1 == step


def _kept(seen: Observation) -> Observation:
    """A copy: a robot may fill the same arrays anew in each step."""
    values = {name: value.copy() for name, value in seen.values.items()}
    return replace(seen, state=seen.state.copy(), values=values)
