"""Listening to a model while it writes a plan: what is complete is told at once."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from constellation.aip.cards import DeviceCard
from constellation.llm.reply import UnreadableError
from constellation.planner.ports import Ahead

from .compiling import compile_part
from .partial import TaskReader
from .proposal import Step


class Listener:
    """Hears an answer and tells the plan as far as it is written.

    At the first thing that is wrong it stops listening: that answer will be sent back.

    Args:
        ahead: who is told.
        devices, request, max_tasks: as for `compile_plan`.
    """

    def __init__(
        self, ahead: Ahead, devices: Sequence[DeviceCard], request: str, max_tasks: int
    ) -> None:
        self._ahead = ahead
        self._devices = devices
        self._request = request
        self._max_tasks = max_tasks
        self._reader: TaskReader | None = TaskReader()
        self._steps: list[Step] = []

    def hear(self, piece: str) -> None:
        """Take in the next piece of the answer."""
        if self._reader is None:
            return
        found = self._reader.feed(piece)
        if not found:
            return
        try:
            self._steps += [Step.model_validate(plain) for plain in found]
            edits = compile_part(
                self._steps, self._devices, self._request, max_tasks=self._max_tasks
            )
        except (ValidationError, UnreadableError):
            self._reader = None
        else:
            self._ahead.decide(edits)
