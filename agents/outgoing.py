"""What a device has to say, gathered over a wake-up and said in as few messages as possible.

An attempt that is accepted and ends in one wake-up sends its result alone. Of several progress
reports the last is sent, text of one channel is joined, and where the hub does not keep up, the
oldest partial output is dropped: it is for watching, results are for keeping.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

MAX_WAITING = 64 * 1024
GAP = "[… earlier output not shown …]\n"
_ITEM_COST = 256

Message = tuple[str, Mapping[str, Any]]


class _Channel:
    """Partial output of one channel that waits to be sent, bounded."""

    __slots__ = ("cut", "items", "size")

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self.size = 0
        self.cut = False

    def add(self, data: Any) -> None:
        if isinstance(data, str) and len(data) > MAX_WAITING:
            data = data[-MAX_WAITING:]
            self.cut = True
        self.items.append(data)
        self.size += _cost(data)
        while self.size > MAX_WAITING:
            self.size -= _cost(self.items.popleft())
            self.cut = True

    def joined(self) -> list[Any]:
        """What waits, texts that follow one another joined."""
        found: list[Any] = [GAP] if self.cut else []
        for item in self.items:
            if found and isinstance(item, str) and isinstance(found[-1], str):
                found[-1] += item
            else:
                found.append(item)
        return found


def _cost(data: Any) -> int:
    return len(data) if isinstance(data, str) else _ITEM_COST


class Outgoing:
    """Messages to the hub that wait for the end of a wake-up."""

    def __init__(self) -> None:
        self._accepted: dict[str, None] = {}
        self._progress: dict[str, dict[str, Any]] = {}
        self._output: dict[str, dict[str, _Channel]] = {}
        self._index: dict[str, int] = {}
        self._other: list[Message] = []
        self._results: list[Mapping[str, Any]] = []

    def accept(self, attempt: str) -> None:
        self._accepted[attempt] = None

    def progress(self, attempt: str, fraction: float | None, message: str) -> None:
        body: dict[str, Any] = {"attempt": attempt}
        if fraction is not None:
            body["fraction"] = fraction
        if message:
            body["message"] = message
        self._progress[attempt] = body

    def output(self, attempt: str, channel: str, data: Any) -> None:
        channels = self._output.setdefault(attempt, {})
        channels.setdefault(channel, _Channel()).add(data)

    def other(self, type: str, body: Mapping[str, Any]) -> None:
        """A message that is sent as it is, such as ``reject``, ``have`` or ``drain``."""
        self._other.append((type, body))

    def result(self, body: Mapping[str, Any]) -> None:
        self._results.append(body)

    @property
    def waiting(self) -> bool:
        """True if something was kept back for want of room."""
        return bool(self._output or self._progress)

    def take(self, *, room: bool) -> list[Message]:
        """Everything to send now, in an order that makes sense to a reader.

        Args:
            room: False keeps progress and partial output back; that of ended attempts is dropped.
        """
        results, self._results = self._results, []
        for body in results:
            self._accepted.pop(body["attempt"], None)
        messages: list[Message] = []
        if self._accepted:
            messages.append(("accept", {"attempts": list(self._accepted)}))
            self._accepted.clear()
        if room:
            if self._progress:
                messages += [("progress", body) for body in self._progress.values()]
                self._progress.clear()
            if self._output:
                messages += self._take_output()
        if self._other:
            messages += self._other
            self._other = []
        for body in results:
            messages.append(("result", body))
            if self._index or self._output or self._progress:
                self._forget(body["attempt"])
        return messages

    def _take_output(self) -> list[Message]:
        messages: list[Message] = []
        for attempt, channels in self._output.items():
            for channel, waiting in channels.items():
                for data in waiting.joined():
                    index = self._index.get(attempt, 0)
                    self._index[attempt] = index + 1
                    body = {"attempt": attempt, "index": index, "channel": channel, "data": data}
                    messages.append(("output", body))
        self._output.clear()
        return messages

    def _forget(self, attempt: str) -> None:
        self._progress.pop(attempt, None)
        self._output.pop(attempt, None)
        self._index.pop(attempt, None)
