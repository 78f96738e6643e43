"""What a simulated device does with streams between tasks: it puts out items, and reads them.

An item names the attempt that made it and its number, so that the checker sees at once whether one
is missing, comes twice or comes from somewhere else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from constellation.aip.items import EMIT
from constellation.aip.pipes import IncomingStream, Streams
from constellation.aip.writers import ByteWriter
from constellation.errors import ConstellationError, SessionLost

from .checker import Checker
from .world import World

End = Callable[[str, str], None]


class Host(Protocol):
    """The device that streams live on."""

    world: World
    streams: Streams

    @property
    def is_open(self) -> bool: ...

    def later(self, seconds: float, call: Any, *arguments: Any) -> None: ...

    def say(self, type: str, body: Mapping[str, Any]) -> None: ...


class Putting:
    """An attempt that puts out items.

    Args:
        count: how many it puts out by itself; None if it passes on what it reads.
        end: called when all is acknowledged.
    """

    def __init__(
        self, host: Host, checker: Checker, attempt: str, lag: int, count: int | None, end: End
    ) -> None:
        self._host = host
        self._checker = checker
        self._attempt = attempt
        self._lag = lag
        self._count = count
        self._end = end
        self._made = 0
        self._first = 0
        self._sent = 0
        self._lines: deque[bytes] = deque()
        self._ends: deque[int] = deque()
        self._writer: ByteWriter | None = None
        self.is_complete = False
        self.is_over = False
        if count is not None:
            host.later(host.world.between(0.0, 0.3), self._make)

    def _make(self) -> None:
        if self.is_over or self.is_complete:
            return
        if self._count is not None and self._made >= self._count:
            self.finish()
            return
        if self.has_room:
            self.put()
        self._host.later(self._host.world.between(0.0, 0.4), self._make)

    @property
    def has_room(self) -> bool:
        self._settle()
        return len(self._lines) < self._lag

    def put(self) -> None:
        """Put out the next item."""
        line = f"{self._attempt}:{self._made}\n".encode()
        self._made += 1
        self._lines.append(line)
        self._write(line)

    def finish(self) -> None:
        """No items follow."""
        self.is_complete = True
        self._checker.puts(self._attempt, self._made)
        if self._writer is not None and not self._writer.is_lost:
            self._writer.put(b"", last=True)
        self.moved()

    def _write(self, line: bytes) -> None:
        if self._writer is None:
            self.reopen()
        elif not self._writer.is_lost and not self._writer.is_closed:
            self._writer.put(line)
            self._sent += len(line)
            self._ends.append(self._sent)

    def reopen(self) -> None:
        """Send what was not acknowledged in a fresh session."""
        if not self._host.is_open or self.is_over:
            return
        meta = {"attempt": self._attempt, "index": self._first}
        writer = self._writer = self._host.streams.open_bytes(EMIT, meta)
        self._host.streams.watch(writer, self.moved)
        self._sent = 0
        self._ends.clear()
        for line in self._lines:
            writer.put(line)
            self._sent += len(line)
            self._ends.append(self._sent)
        if self.is_complete:
            writer.put(b"", last=True)

    def _settle(self) -> None:
        writer = self._writer
        if writer is None or writer.is_lost:
            return
        taken = self._sent if writer.is_closed else self._sent - writer.queued
        while self._ends and self._ends[0] <= taken:
            self._ends.popleft()
            self._lines.popleft()
            self._first += 1

    def moved(self) -> None:
        """The hub may have acknowledged something."""
        writer = self._writer
        if self.is_over or writer is None:
            if self.is_complete and not self._lines and not self.is_over:
                self._over("completed")
            return
        if writer.refusal is not None:
            self._over("refused")
            return
        self._settle()
        if self.is_complete and not self._lines:
            self._over("completed")

    def _over(self, how: str) -> None:
        self.stop()
        self._end(self._attempt, how)

    def stop(self) -> None:
        """The attempt has ended."""
        self.is_over = True
        if self._writer is not None:
            self._host.streams.unwatch(self._writer)


class Reading:
    """An attempt that reads what another puts out.

    Args:
        passing: where it puts out an item for each that it reads; None if nowhere.
        end: called at the end of the stream.
    """

    def __init__(
        self,
        host: Host,
        checker: Checker,
        attempt: str,
        task: str,
        passing: Putting | None,
        end: End,
    ) -> None:
        self._host = host
        self._checker = checker
        self._attempt = attempt
        self._task = task
        self._passing = passing
        self._end = end
        self._taken = 0
        self._source: str | None = None
        self._stream: IncomingStream | None = None
        self._partial = b""
        self._lines: deque[bytes] = deque()
        self._ended: str | None = None
        self.is_over = False
        self.ask()
        host.later(0.0, self._take)

    def ask(self) -> None:
        """Ask for what follows, in this session."""
        if not self._host.is_open or self.is_over:
            return
        self._lines.clear()
        self._partial, self._stream, self._ended = b"", None, None
        body = {"attempt": self._attempt, "task": self._task, "index": self._taken}
        if self._source is not None:
            body["source"] = self._source
        self._host.say("read", body)

    def come(self, stream: IncomingStream) -> None:
        """The stream was opened."""
        self._stream, self._source = stream, str(stream.meta["source"])
        stream.announces = stream.holds = True
        stream.pour_into(self)

    def write(self, data: bytes) -> None:
        """Bytes came."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._lines.extend(line + b"\n" for line in lines)

    def close(self, error: ConstellationError | None) -> None:
        """The stream has ended."""
        if not isinstance(error, SessionLost):
            self._ended = "completed" if error is None else "upstream"

    def _take(self) -> None:
        if self.is_over:
            return
        room = self._passing is None or self._passing.has_room
        if self._lines and self._stream is not None and room:
            line = self._lines.popleft()
            self._checker.takes(self._attempt, line.decode().strip())
            self._taken += 1
            if self._passing is not None:
                self._passing.put()
            self._stream.took(len(line))
        if not self._lines and self._ended is not None:
            self._over(self._ended)
            return
        self._host.later(self._host.world.between(0.0, 0.3), self._take)

    def _over(self, how: str) -> None:
        self.is_over = True
        if how == "completed":
            if self._stream is not None:
                self._stream.took(0, last=True)
            self._checker.reads_all(self._attempt)
            if self._passing is not None:
                self._passing.finish()
                return
        self._end(self._attempt, how)

    def stop(self) -> None:
        """The attempt has ended."""
        self.is_over = True
        if self._stream is not None:
            self._stream.refuse()
