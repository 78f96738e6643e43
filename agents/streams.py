"""Streams between tasks, at the devices: what a skill puts out, and what it reads.

Both outlive sessions. What was put out is kept until the hub has acknowledged it, and sent again on
a fresh session; a reader says how many items it has, and goes on with the next. So nothing is lost
and nothing comes twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic_core import from_json, to_json

from constellation.aip.client import Link
from constellation.aip.items import EMIT, ITEMS, MAX_ITEM_BYTES
from constellation.aip.pipes import IncomingStream
from constellation.aip.writers import ByteWriter
from constellation.errors import (
    ConstellationError,
    LimitExceeded,
    ProtocolError,
    RemoteProtocolError,
    SessionLost,
    SkillError,
    error_from_wire,
)


class Emitter:
    """What one attempt puts out.

    Args:
        lag: so many items may be unacknowledged; the next one waits.
    """

    def __init__(self, streams: DeviceStreams, attempt: str, lag: int) -> None:
        self._streams = streams
        self._attempt = attempt
        self._lag = max(1, lag)
        self._writer: ByteWriter | None = None
        # Lines that the hub has not acknowledged, the index of the first, and where each ends.
        self._lines: deque[bytes] = deque()
        self._first = 0
        self._ends: deque[int] = deque()
        self._sent = 0
        self._is_complete = False
        self._turn = asyncio.Lock()

    async def emit(self, item: Any) -> None:
        """Put out an item, once readers are near enough.

        Raises:
            LimitExceeded: it is too large, or nobody reads for too long.
            ConstellationError: why the hub takes no more.
        """
        line = to_json(item, inf_nan_mode="null", fallback=str) + b"\n"
        if len(line) > MAX_ITEM_BYTES:
            raise LimitExceeded(
                f"An item of {len(line):,} bytes cannot be put out.",
                remedy=f"It may have {MAX_ITEM_BYTES:,}. Put an artifact's hash in its place.",
            )
        async with self._turn:
            await self._until(lambda: len(self._lines) < self._lag)
            self._lines.append(line)
            if self._writer is not None and not self._writer.is_lost:
                self._put(self._writer, line)

    async def finish(self) -> None:
        """Say that no items follow, and wait until the hub has them all.

        Raises:
            ConstellationError: why the hub takes no more.
        """
        async with self._turn:
            self._is_complete = True
            if self._writer is not None and not self._writer.is_lost:
                self._writer.put(b"", last=True)
            await self._until(lambda: not self._lines)

    def stop(self, error: ConstellationError) -> None:
        """The attempt did not end well: what is on its way is not needed."""
        self._streams.forget(self)
        writer = self._writer
        if writer is not None and not writer.is_lost and not writer.is_closed:
            with suppress(ProtocolError):
                writer.close(error)

    def reopen(self, link: Link) -> None:
        """Send what was not acknowledged, on a stream of a fresh session."""
        meta = {"attempt": self._attempt, "index": self._first}
        writer = self._writer = link.streams.open_bytes(EMIT, meta)
        self._ends.clear()
        self._sent = 0
        for line in self._lines:
            self._put(writer, line)
        if self._is_complete:
            writer.put(b"", last=True)

    def _put(self, writer: ByteWriter, line: bytes) -> None:
        writer.put(line)
        self._sent += len(line)
        self._ends.append(self._sent)

    async def _until(self, condition: Any) -> None:
        """Wait for acknowledgements, on whichever session they come."""
        while True:
            writer = self._writer
            if writer is None or writer.is_lost:
                link = await self._streams.ready()
                if self._writer is writer:
                    self.reopen(link)
                continue
            self._settle(writer)
            if condition():
                return
            before = writer.queued
            with suppress(SessionLost):
                await self._streams.until(lambda: writer.is_closed or writer.queued != before)  # noqa: B023

    def _settle(self, writer: ByteWriter) -> None:
        if writer.refusal is not None:
            raise writer.refusal
        taken = self._sent if writer.is_closed else self._sent - writer.queued
        while self._ends and self._ends[0] <= taken:
            self._ends.popleft()
            self._lines.popleft()
            self._first += 1


class Inputs(AsyncIterator[Any]):
    """What another task puts out, item by item, as one attempt reads it.

    Iterating raises the error with which the stream broke off, such as `UpstreamFailed`.
    """

    def __init__(self, streams: DeviceStreams, attempt: str, task: str) -> None:
        self._streams = streams
        self._attempt = attempt
        self._task = task
        self._index = 0
        self._source: str | None = None
        self._stream: IncomingStream | None = None
        self._offered: asyncio.Future[IncomingStream] | None = None
        self._line = bytearray()
        self._is_over = False

    async def __anext__(self) -> Any:
        while not self._is_over:
            try:
                line = await self._next_line()
            except SessionLost:
                # The next session goes on where this one was.
                self._stream = None
                self._line.clear()
                continue
            except ConstellationError:
                self.close()
                raise
            if line is None:
                break
            self._index += 1
            return self._read(line)
        self.close()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Read no more: what is put out later is not waited for."""
        self.close()

    def close(self) -> None:
        """See `aclose`."""
        if not self._is_over:
            self._is_over = True
            self._streams.leave(self._attempt, self._task)
            if self._offered is not None:
                self._offered.cancel()
            if self._stream is not None:
                self._stream.refuse()

    async def _next_line(self) -> bytes | None:
        if self._stream is None:
            self._stream = await self._ask()
        while True:
            try:
                piece = await anext(self._stream)
            except StopAsyncIteration:
                return None
            self._line += piece
            if self._line.endswith(b"\n"):
                line = bytes(self._line)
                self._line.clear()
                return line
            if len(self._line) > MAX_ITEM_BYTES:
                raise RemoteProtocolError(f"An item of {self._task} has no end.")

    async def _ask(self) -> IncomingStream:
        link = await self._streams.ready()
        self._offered = asyncio.get_running_loop().create_future()
        body: dict[str, Any] = {"attempt": self._attempt, "task": self._task, "index": self._index}
        if self._source is not None:
            body["source"] = self._source
        await link.send_wait("read", body)
        return await self._offered

    def offer(self, stream: IncomingStream) -> bool:
        """The hub opened the stream; False if it was not asked for."""
        if self._offered is None or self._offered.done():
            return False
        source = stream.meta.get("source")
        self._source = source if isinstance(source, str) else None
        stream.announces = True
        self._offered.set_result(stream)
        return True

    def lose(self) -> None:
        """The session on which it was asked for was lost."""
        self.fail(SessionLost("The session was lost."))

    def fail(self, error: ConstellationError) -> None:
        """What was asked for does not come."""
        if self._offered is not None and not self._offered.done():
            self._offered.set_exception(error)

    def _read(self, line: bytes) -> Any:
        try:
            return from_json(line)
        except ValueError as error:
            self.close()
            raise SkillError(f"An item of {self._task} is no JSON: {error}.") from None


class DeviceStreams:
    """All streams between tasks of a device.

    Attributes:
        link: the connection; set before it is open.
    """

    def __init__(self) -> None:
        self.link: Link | None = None
        self._emitters: dict[Emitter, None] = {}
        self._inputs: dict[tuple[str, str], Inputs] = {}

    def emitter(self, attempt: str, lag: int) -> Emitter:
        """The way of what an attempt puts out."""
        made = Emitter(self, attempt, lag)
        self._emitters[made] = None
        return made

    def inputs(self, attempt: str, task: str) -> Inputs:
        """What a task puts out, for an attempt that reads it: once.

        Raises:
            SkillError: it is being read already.
        """
        if (attempt, task) in self._inputs:
            raise SkillError(f"What {task} puts out is being read already.", task=task)
        made = self._inputs[attempt, task] = Inputs(self, attempt, task)
        return made

    def ended(self, attempt: str) -> None:
        """An attempt is over: it reads no more."""
        for reader, task in [*self._inputs]:
            if reader == attempt:
                self._inputs[reader, task].close()

    def opened(self, link: Link) -> None:
        """A fresh session: what was not acknowledged on an older one is sent again."""
        for inputs in self._inputs.values():
            inputs.lose()
        for emitter in self._emitters:
            # If the hub takes no more streams, the next item says so.
            with suppress(ProtocolError):
                emitter.reopen(link)

    def take(self, stream: IncomingStream) -> None:
        """The hub opened a stream labelled ``items``."""
        reader, source = stream.meta.get("attempt"), str(stream.meta.get("source"))
        # A source is an attempt: ``constellation/task/number``.
        task = source.partition("/")[2].rpartition("/")[0]
        inputs = self._inputs.get((str(reader), task))
        if inputs is None or not inputs.offer(stream):
            stream.refuse()

    def refused(self, body: Mapping[str, Any]) -> None:
        """The hub says that what was asked for does not come."""
        inputs = self._inputs.get((body["attempt"], body["task"]))
        if inputs is not None:
            inputs.fail(error_from_wire(body["error"]))

    def listen(self, link: Link) -> None:
        """From now on this is the connection."""
        self.link = link
        link.streams.takers[ITEMS] = self.take

    # ── for the parts ───────────────────────────────────────────────────────────────────────────

    def forget(self, emitter: Emitter) -> None:
        """It sends nothing again."""
        self._emitters.pop(emitter, None)

    def leave(self, attempt: str, task: str) -> None:
        """It is read no more."""
        self._inputs.pop((attempt, task), None)

    async def ready(self) -> Link:
        """The connection, once there is a session.

        Raises:
            SessionLost: there is none yet.
        """
        if self.link is None:
            raise SessionLost("There is no connection to the hub yet.")
        await self.link.ready()
        return self.link

    async def until(self, condition: Any) -> None:
        """Wait for something that only the hub can bring about.

        Raises:
            SessionLost: the session was lost.
        """
        await (await self.ready()).until(condition)
