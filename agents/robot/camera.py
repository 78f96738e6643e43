"""What a robot's cameras see, shown live to whoever watches on the hub.

The control loop hands in what was sensed and goes on. Beside it, at the rate of the pictures, the
newest of each camera is taken if it shows something new (`similarity`), made a JPEG on a thread,
and put on a real-time stream with a deadline. While the hub is away pictures are dropped, and the
robot knows nothing of it: its policy sees what it senses, not what is shown.
"""

from __future__ import annotations

import logging
from functools import partial

import anyio
import anyio.to_thread

from constellation.aip.client import Link
from constellation.aip.writers import ItemWriter
from constellation.errors import ConstellationError, LimitExceeded, SessionLost

from .pictures import Pixels, is_picture, jpeg
from .ports import Observation
from .recording import Step
from .similarity import Similarity

log = logging.getLogger("constellation.robot")

LABEL = "live"
TYPE = "image/jpeg"
# Tried in turn, if a picture is larger than the hub takes.
_QUALITIES = (80, 50, 20)


class Cameras:
    """Shows the pictures among what a robot senses.

    Args:
        rate_hz: pictures of each camera in a second, at most.
        deadline_s: after which a picture is of no use.
        most_skip_s: a picture follows after so long, though nothing has changed.
    """

    def __init__(
        self, rate_hz: float = 10.0, deadline_s: float = 0.5, most_skip_s: float = 1.0
    ) -> None:
        self._period_s = 1 / rate_hz
        self._deadline_s = deadline_s
        self._most_skip_s = most_skip_s
        self._newest: Observation | None = None
        self._filters: dict[str, Similarity] = {}
        self._writers: dict[str, ItemWriter] = {}
        self._refused: set[str] = set()

    def __call__(self, step: Step) -> None:
        """Takes in what was sensed; called by the control loop."""
        self._newest = step.seen

    async def show(self, link: Link) -> None:
        """Sends pictures for as long as it is not canceled."""
        shown = None
        while True:
            await link.ready()
            seen = self._newest
            if seen is not None and seen is not shown:
                shown = seen
                for name, value in seen.values.items():
                    if is_picture(value):
                        await self._send(link, name, value)
            await anyio.sleep(self._period_s)

    async def _send(self, link: Link, name: str, picture: Pixels) -> None:
        if name not in self._filters:
            self._filters[name] = Similarity(self._most_skip_s)
        if not self._filters[name].is_new(picture, anyio.current_time()):
            return
        error: ConstellationError | None = None
        for quality in _QUALITIES:
            data = await anyio.to_thread.run_sync(partial(jpeg, picture, quality))
            error = self._put(link, name, data)
            if not isinstance(error, LimitExceeded):
                break
        if isinstance(error, SessionLost):
            # The next picture opens a stream in the next session.
            self._writers.pop(name, None)
            self._filters.pop(name, None)
        elif error is not None and name not in self._refused:
            self._refused.add(name)
            log.warning("The camera %r is not shown: %s", name, error)

    def _put(self, link: Link, name: str, data: bytes) -> ConstellationError | None:
        """Puts a picture on its way; or why it cannot be."""
        try:
            self._writer(link, name).put(data)
        except ConstellationError as error:
            return error
        return None

    def _writer(self, link: Link, name: str) -> ItemWriter:
        if name not in self._writers:
            meta = {"name": name, "type": TYPE}
            opened = link.streams.open_items(LABEL, meta, deadline_s=self._deadline_s)
            self._writers[name] = opened
        return self._writers[name]
